//! The objects of a real cluster.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{PostParams, Request};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sluicegate_crds::{Rule, Target, Upstream};

use super::object::{Known, Status};
use super::store::{Store, WriteError};
use crate::objects::{Kind, ObjectId};
use crate::source::cluster::{Cluster, Live};

/// Who the API server notes as the owner of what is written.
const FIELD_MANAGER: &str = "sluicegate-controller";

/// The objects of a cluster.
#[derive(Clone)]
pub struct ClusterStore {
    client: Client,
    cluster: Arc<Cluster>,
}

impl ClusterStore {
    /// Looks into what the cluster's watches hold, and writes through `client`.
    pub fn new(client: Client, cluster: Arc<Cluster>) -> Self {
        Self { client, cluster }
    }
}

/// What is sent: the API server takes nothing but the status from it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    api_version: &'a str,
    kind: &'a str,
    metadata: ObjectMeta,
    status: &'a Status,
}

/// What comes back, as far as it is of use. The spec is not read: one that this release does not understand has a status
/// too.
#[derive(Deserialize)]
struct Answered {
    metadata: ObjectMeta,
    #[serde(default)]
    status: Option<Box<RawValue>>,
}

/// A status, as the type of its kind. What cannot be read counts as none.
fn status(kind: Kind, source: &impl Source) -> Status {
    match kind {
        Kind::Rule => Status::Rule(source.read().unwrap_or_default()),
        Kind::Upstream => Status::Upstream(source.read().unwrap_or_default()),
        Kind::Target => Status::Target(source.read().unwrap_or_default()),
    }
}

/// What holds a status.
trait Source {
    fn read<T: DeserializeOwned>(&self) -> Option<T>;
}

impl Source for Live {
    fn read<T: DeserializeOwned>(&self) -> Option<T> {
        self.status()
    }
}

impl Source for Answered {
    fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.status.as_ref()?.get()).ok()
    }
}

impl Answered {
    fn known(self, kind: Kind) -> Known {
        let status = status(kind, &self);
        let ObjectMeta { uid, generation, resource_version, .. } = self.metadata;
        Known {
            uid: uid.unwrap_or_default(),
            generation: generation.unwrap_or_default(),
            resource_version: resource_version.unwrap_or_default(),
            status,
        }
    }
}

/// The path of a kind's objects in a namespace.
fn path(kind: Kind, namespace: &str) -> String {
    let namespace = Some(namespace);
    match kind {
        Kind::Rule => Rule::url_path(&(), namespace),
        Kind::Upstream => Upstream::url_path(&(), namespace),
        Kind::Target => Target::url_path(&(), namespace),
    }
}

impl ClusterStore {
    async fn ask(
        &self,
        kind: Kind,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Known, WriteError> {
        let request = request.map_err(|error| Box::new(kube::Error::BuildRequest(error)))?;
        let answered: Answered = self.client.request(request).await.map_err(refused)?;
        Ok(answered.known(kind))
    }
}

impl Store for ClusterStore {
    fn known(&self, id: &ObjectId) -> Option<Known> {
        let live = self.cluster.live(id)?;
        Some(Known {
            uid: live.uid.to_string(),
            generation: live.generation,
            resource_version: live.resource_version.to_string(),
            status: status(id.kind, &*live),
        })
    }

    async fn read(&self, id: &ObjectId) -> Result<Option<Known>, WriteError> {
        let ObjectId { kind, key } = id;
        let request = Request::new(path(*kind, &key.namespace)).get(&key.name, &kube::api::GetParams::default());
        match self.ask(*kind, request).await {
            Err(WriteError::Gone) => Ok(None),
            answer => answer.map(Some),
        }
    }

    async fn write(&self, id: &ObjectId, known: &Known, status: &Status) -> Result<Known, WriteError> {
        let ObjectId { kind, key } = id;
        let body = Written {
            api_version: &format!("{}/{}", sluicegate_crds::GROUP, sluicegate_crds::VERSION),
            kind: &kind.to_string(),
            metadata: ObjectMeta {
                name: Some(key.name.clone()),
                namespace: Some(key.namespace.clone()),
                uid: Some(known.uid.clone()),
                resource_version: Some(known.resource_version.clone()),
                ..ObjectMeta::default()
            },
            status,
        };
        let body = serde_json::to_vec(&body).map_err(|error| Box::new(kube::Error::SerdeError(error)))?;
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let request =
            Request::new(path(*kind, &key.namespace)).replace_subresource("status", &key.name, &parameters, body);
        self.ask(*kind, request).await
    }
}

fn refused(error: kube::Error) -> WriteError {
    match error {
        kube::Error::Api(status) if status.code == 409 => WriteError::Conflict,
        kube::Error::Api(status) if status.code == 404 => WriteError::Gone,
        error => WriteError::Failed(Box::new(error)),
    }
}
