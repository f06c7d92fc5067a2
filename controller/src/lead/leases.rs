//! Where the lease is kept. Behind a trait, so that the election can be tested on a clock of its own.

use std::future::Future;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};

/// Why a lease could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else wrote it first.
    #[error("another one has written the lease meanwhile")]
    Conflict,
    /// The API server did not answer, or not as it should.
    #[error("the API server does not give the lease: {0}")]
    Unavailable(#[from] Box<kube::Error>),
}

/// One lease, as an API server keeps it.
pub trait Leases: Send + Sync {
    /// The lease as it is; `None`: there is none.
    fn read(&self) -> impl Future<Output = Result<Option<Lease>, LeaseError>> + Send;

    /// Makes it.
    ///
    /// # Errors
    /// [`LeaseError::Conflict`] where it is there.
    fn create(&self, lease: &Lease) -> impl Future<Output = Result<Lease, LeaseError>> + Send;

    /// Replaces the version that `lease.metadata.resourceVersion` names.
    ///
    /// # Errors
    /// [`LeaseError::Conflict`] where it has another version by now.
    fn replace(&self, lease: &Lease) -> impl Future<Output = Result<Lease, LeaseError>> + Send;
}

/// A lease in a cluster.
#[derive(Clone, Debug)]
pub struct ClusterLease {
    api: Api<Lease>,
    name: String,
}

impl ClusterLease {
    /// The lease of this name.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned() }
    }
}

impl Leases for ClusterLease {
    async fn read(&self) -> Result<Option<Lease>, LeaseError> {
        self.api.get_opt(&self.name).await.map_err(error)
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        let mut lease = lease.clone();
        lease.metadata.name = Some(self.name.clone());
        self.api.create(&PostParams::default(), &lease).await.map_err(error)
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        self.api.replace(&self.name, &PostParams::default(), lease).await.map_err(error)
    }
}

fn error(error: kube::Error) -> LeaseError {
    match error {
        // 404: it was deleted since it was read, which is one more way to be too late.
        kube::Error::Api(status) if status.code == 409 || status.code == 404 => LeaseError::Conflict,
        error => LeaseError::Unavailable(Box::new(error)),
    }
}
