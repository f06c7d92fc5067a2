//! `sluicegate check --live`: what a cluster's objects would come to with these files applied; without files, what they come
//! to now.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1;
use kube::{Api, Client};
use sluicegate_controller::config::Config;
use sluicegate_controller::kubernetes;
use sluicegate_controller::objects::{Candidate, Change, Objects, SecretData, Service, ServicePort};
use sluicegate_controller::source::cluster::{Batch, Cluster};
use sluicegate_controller::source::folder::{Folder, Reader};
use sluicegate_crds::Target;
use sluicegate_table::ObjectKey;
use tokio::time::timeout;

/// How long listing everything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// The files' objects over the cluster's.
pub(crate) async fn folder(paths: &[PathBuf]) -> anyhow::Result<Folder> {
    let client = kubernetes::client().await?;
    let mut objects = all_objects(&client).await?;
    let mut folder = if paths.is_empty() { Folder::default() } else { Reader::new(paths).for_cluster().read()? };
    let written = folder.objects.clone();
    let targets: Vec<(ObjectKey, Arc<Target>)> = written
        .targets
        .iter()
        .filter_map(|(key, target)| match target {
            Candidate::Valid(target) => Some((key.clone(), Arc::clone(target))),
            Candidate::Refused(_) => None,
        })
        .collect();
    for change in written.into_changes() {
        objects.apply(change);
    }
    for (key, target) in targets {
        look_up(&client, &key.namespace, &target, &mut objects).await?;
    }
    folder.objects = objects;
    Ok(folder)
}

/// Everything that a controller would see.
async fn all_objects(client: &Client) -> anyhow::Result<Objects> {
    let (cluster, mut batches) = Cluster::start(client, "default", &Config::default());
    let Ok(batch) = timeout(PATIENCE, batches.recv()).await else {
        let troubles = cluster.troubles().current();
        let why: Vec<String> = troubles.iter().map(|(what, trouble)| format!("{what}: {}", trouble.why)).collect();
        bail!("the cluster's objects could not be listed within {PATIENCE:?}: {}", why.join("; "));
    };
    let mut objects = Objects::default();
    match batch.context("the cluster can no longer be followed")? {
        Batch::Initial(changes) | Batch::Changes(changes) => {
            for change in changes {
                objects.apply(change);
            }
        }
    }
    Ok(objects)
}

/// What a Target of the files refers to and no object of the cluster did before.
async fn look_up(client: &Client, namespace: &str, target: &Target, objects: &mut Objects) -> anyhow::Result<()> {
    let key = |name: &str| ObjectKey::new(namespace, name);
    let spec = &target.spec;
    if let Some(secret) = spec.credentials.as_ref().map(|credentials| &credentials.value_from.secret_key_ref.name)
        && !objects.secrets.contains_key(&key(secret))
        && let Some(found) = Api::<v1::Secret>::namespaced(client.clone(), namespace).get_opt(secret).await?
    {
        let data = found.data.unwrap_or_default().into_iter().map(|(name, value)| (name, value.0)).collect();
        objects.apply(Change::Secret(key(secret), Some(Arc::new(SecretData(data)))));
    }
    if let Some(map) = spec.tls.as_ref().and_then(|tls| tls.ca_ref.as_ref()).map(|ca| &ca.config_map.name)
        && !objects.config_maps.contains_key(&key(map))
        && let Some(found) = Api::<v1::ConfigMap>::namespaced(client.clone(), namespace).get_opt(map).await?
    {
        objects.apply(Change::ConfigMap(key(map), Some(Arc::new(found.data.unwrap_or_default()))));
    }
    if let Some(service) = spec.service.as_ref().map(|service| &service.name)
        && !objects.services.contains_key(&key(service))
        && let Some(found) = Api::<v1::Service>::namespaced(client.clone(), namespace).get_opt(service).await?
    {
        let ports = found.spec.and_then(|spec| spec.ports).unwrap_or_default().into_iter().filter_map(|port| {
            Some(ServicePort { name: port.name.unwrap_or_default(), port: u16::try_from(port.port).ok()? })
        });
        // Which pods are ready is no matter of what is right or wrong.
        let service_found = Service { ports: ports.collect(), endpoints: Vec::new() };
        objects.apply(Change::Service(key(service), Some(Arc::new(service_found))));
    }
    Ok(())
}
