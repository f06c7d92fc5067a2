//! Keeps the channel's Secret and `ConfigMap` as they should be, and the certificate in use as the Secret is.
//!
//! Every controller reads the Secret, for a follower answers too; the leader alone writes. Each write carries the
//! resourceVersion of what was read, so of two that both believe to lead one loses, and takes what the other wrote.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use super::Certificates;
use super::authority::{AUTHORITIES, CERTIFICATE, Data, KEY, due};
use crate::config::Channel;
use crate::lead::Leadership;
use crate::push::clock::Clock;

/// How often it is looked whether something is due though nothing has changed.
const LOOK: Duration = Duration::from_mins(1);
/// The wait before a write that failed is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long the API server may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keeps the certificate for as long as it is [run](Keeper::run).
#[derive(Debug)]
pub struct Keeper {
    secrets: Api<Secret>,
    maps: Api<ConfigMap>,
    channel: Channel,
    server_name: String,
    leadership: Leadership,
    certificates: Certificates,
    clock: Clock,
    /// What was last said to be wrong, so that it is said once.
    said: String,
}

/// An object as it was last read.
#[derive(Debug)]
struct Seen<K> {
    /// Whether it has been read at all: one that has not may well be there.
    read: bool,
    object: Option<K>,
}

impl<K> Seen<K> {
    fn not_yet() -> Self {
        Self { read: false, object: None }
    }

    fn set(&mut self, object: Option<K>) {
        *self = Self { read: true, object };
    }
}

/// Why a write did not come about. Holds nothing of a key.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the Secret {name} holds no certificate that can be used: {error}")]
    Unusable { name: String, error: super::UnusableCertificate },
    #[error(transparent)]
    Make(#[from] super::authority::CannotMake),
    #[error("{kind} {name} cannot be written: {error}")]
    Write { kind: &'static str, name: String, error: String },
    #[error("there is no Secret {0}: create it with tls.crt, tls.key and ca.crt, or set channel.managed")]
    Missing(String),
}

impl Keeper {
    /// For the Secret and `ConfigMap` that `channel` names in `namespace`.
    pub fn new(
        client: &Client,
        namespace: &str,
        channel: &Channel,
        leadership: Leadership,
        certificates: Certificates,
        clock: Clock,
    ) -> Self {
        let server_name = match channel.server_name.as_str() {
            "" => format!("sluicegate-controller.{namespace}.svc"),
            name => name.to_owned(),
        };
        Self {
            secrets: Api::namespaced(client.clone(), namespace),
            maps: Api::namespaced(client.clone(), namespace),
            channel: channel.clone(),
            server_name,
            leadership,
            certificates,
            clock,
            said: String::new(),
        }
    }

    /// Keeps it for ever.
    pub async fn run(mut self) {
        let mut secrets = pin!(followed(self.secrets.clone(), &self.channel.certificate_secret));
        let mut maps = pin!(followed(self.maps.clone(), &self.channel.ca_config_map));
        let mut leadership = self.leadership.clone();
        let mut leads = false;
        let (mut secret, mut map) = (Seen::not_yet(), Seen::not_yet());
        let mut wait = LOOK;
        loop {
            tokio::select! {
                Some(object) = secrets.next() => secret.set(object),
                Some(object) = maps.next() => map.set(object),
                () = leadership.changed() => if leads == leadership.leads() { continue },
                () = sleep(wait) => {}
            }
            leads = leadership.leads();
            wait = match self.look(&mut secret, &mut map).await {
                Ok(()) => {
                    self.said.clear();
                    LOOK
                }
                Err(failure) => {
                    let text = failure.to_string();
                    if text != self.said {
                        tracing::warn!(error = text, "the watch channel's certificate is not as it should be");
                        self.said = text;
                    }
                    AGAIN
                }
            };
        }
    }

    /// Does what is due.
    async fn look(&self, secret: &mut Seen<Secret>, map: &mut Seen<ConfigMap>) -> Result<(), Failure> {
        if !secret.read {
            return Ok(());
        }
        if self.channel.managed && self.leadership.leads() {
            let data = secret.object.as_ref().and_then(|secret| secret.data.clone()).unwrap_or_default();
            if let Some(next) = due(&data, &self.server_name, self.clock.now())? {
                secret.object = Some(self.write_secret(secret.object.clone(), next).await?);
                tracing::info!(secret = self.channel.certificate_secret, "a new certificate for the watch channel");
            }
        }
        let Some(Secret { data: Some(data), .. }) = &secret.object else {
            // A follower waits for the leader's.
            let missing = || Failure::Missing(self.channel.certificate_secret.clone());
            return if self.channel.managed { Ok(()) } else { Err(missing()) };
        };
        self.take(data)?;
        let bundle = data.get(AUTHORITIES).and_then(|bundle| String::from_utf8(bundle.0.clone()).ok());
        if let Some(bundle) = bundle
            && map.read
            && self.leadership.leads()
            && published(map.object.as_ref()) != Some(&bundle)
        {
            map.object = Some(self.write_map(map.object.clone(), bundle).await?);
        }
        Ok(())
    }

    fn take(&self, data: &Data) -> Result<(), Failure> {
        let part = |name: &str| data.get(name).map_or(&[][..], |part| &part.0);
        self.certificates
            .set(part(CERTIFICATE), part(KEY))
            .map_err(|error| Failure::Unusable { name: self.channel.certificate_secret.clone(), error })
    }

    async fn write_secret(&self, secret: Option<Secret>, data: Data) -> Result<Secret, Failure> {
        let name = &self.channel.certificate_secret;
        let new =
            || Secret { metadata: metadata(name), type_: Some("kubernetes.io/tls".to_owned()), ..Secret::default() };
        let exists = secret.is_some();
        let secret = Secret { data: Some(data), ..secret.unwrap_or_else(new) };
        write(&self.secrets, "Secret", name, exists, &secret).await
    }

    async fn write_map(&self, map: Option<ConfigMap>, bundle: String) -> Result<ConfigMap, Failure> {
        let name = &self.channel.ca_config_map;
        let exists = map.is_some();
        let mut map = map.unwrap_or_else(|| ConfigMap { metadata: metadata(name), ..ConfigMap::default() });
        map.data.get_or_insert_default().insert(AUTHORITIES.to_owned(), bundle);
        write(&self.maps, "ConfigMap", name, exists, &map).await
    }
}

fn published(map: Option<&ConfigMap>) -> Option<&String> {
    map?.data.as_ref()?.get(AUTHORITIES)
}

fn metadata(name: &str) -> ObjectMeta {
    let labels = BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), "sluicegate".to_owned())]);
    ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() }
}

/// An object as it is now and whenever it changes.
fn followed<K>(api: Api<K>, name: &str) -> impl Stream<Item = Option<K>> + use<K>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let name = name.to_owned();
    watch_object(api, &name).default_backoff().filter_map(move |item| {
        let item = item
            .inspect_err(|error| tracing::debug!(%error, name, "the watch channel's certificate cannot be watched"))
            .ok();
        std::future::ready(item)
    })
}

/// Creates or replaces an object; what has been changed since it was read is not overwritten.
async fn write<K>(api: &Api<K>, kind: &'static str, name: &str, exists: bool, object: &K) -> Result<K, Failure>
where
    K: Resource + Clone + Debug + DeserializeOwned + Serialize,
{
    let parameters = PostParams { field_manager: Some("sluicegate-controller".to_owned()), ..PostParams::default() };
    let writing = async {
        if exists { api.replace(name, &parameters, object).await } else { api.create(&parameters, object).await }
    };
    let failed = |error: String| Failure::Write { kind, name: name.to_owned(), error };
    match timeout(PATIENCE, writing).await {
        Ok(Ok(written)) => Ok(written),
        // The library's other errors might quote what was sent.
        Ok(Err(kube::Error::Api(status))) => Err(failed(format!("{} ({})", status.reason, status.code))),
        Ok(Err(_)) => Err(failed("the API server cannot be reached".to_owned())),
        Err(_) => Err(failed("the API server did not answer in time".to_owned())),
    }
}
