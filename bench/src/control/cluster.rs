//! What a scenario runs in: an API server of its own, an installation, a client, a target.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use sluicegate_crds::Rule;
use sluicegate_tests::kubernetes::{Cluster, Controller, Installation};
use tokio::runtime::Runtime;

use super::origin::Origin;

/// How long anything may take before the run is given up.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// What a scenario runs in.
pub(super) struct Setting<'a> {
    /// Everything asynchronous runs here.
    pub(super) runtime: Runtime,
    /// The installation; no proxy runs yet.
    pub(super) installation: Installation<'a>,
    /// Its controller, which leads.
    pub(super) controller: Controller,
    /// The API server's client, as the administrator.
    pub(super) client: Client,
    /// Answers every request with 200.
    pub(super) origin: Origin,
}

impl Setting<'_> {
    /// Brings everything up, runs a scenario in it, and takes it down.
    pub(super) fn with(scenario: impl FnOnce(&mut Setting<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let cluster = Cluster::own();
        let installation = Installation::new(&cluster);
        let controller = installation.controller("controller-1");
        controller.wait_until_it_leads();
        let client = runtime.block_on(client(&cluster))?;
        let origin = Origin::start()?;
        let mut setting = Setting { runtime, installation, controller, client, origin };
        scenario(&mut setting)
    }

    /// The Rules of the installation's namespace.
    pub(super) fn rules(&self) -> Api<Rule> {
        Api::namespaced(self.client.clone(), self.installation.namespace.name())
    }

    /// Creates objects of the installation's namespace, many at a time.
    pub(super) fn create<T>(&self, objects: Vec<T>) -> anyhow::Result<()>
    where
        T: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + serde::Serialize
            + serde::de::DeserializeOwned
            + Clone
            + std::fmt::Debug
            + Send
            + Sync
            + 'static,
    {
        let api: Api<T> = Api::namespaced(self.client.clone(), self.installation.namespace.name());
        self.runtime.block_on(at_once(objects, |object| {
            let api = api.clone();
            async move { api.create(&PostParams::default(), &object).await.map(drop).context("create") }
        }))
    }
}

/// Waits until something is so.
pub(super) fn until(what: &str, mut so: impl FnMut() -> bool) -> anyhow::Result<()> {
    let give_up = Instant::now() + PATIENCE;
    while !so() {
        if Instant::now() > give_up {
            bail!("waited {PATIENCE:?} in vain: {what}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A client of that cluster, as the administrator.
async fn client(cluster: &Cluster) -> anyhow::Result<Client> {
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig())?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// Does something with each item, 32 at a time.
pub(super) async fn at_once<T, F>(items: Vec<T>, work: impl Fn(T) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let mut running = tokio::task::JoinSet::new();
    for item in items {
        if running.len() >= 32
            && let Some(done) = running.join_next().await
        {
            done??;
        }
        running.spawn(work(item));
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}
