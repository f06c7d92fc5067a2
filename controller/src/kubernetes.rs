//! The client of the API server, set up one way for everything that talks to it.

use std::time::Duration;

use kube::config::InferConfigError;
use kube::{Client, Config};

/// How long connecting to the API server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may stand still. Watches send bookmarks about once a minute and are asked to end before this.
const READ_TIMEOUT: Duration = Duration::from_secs(295);
/// How long sending a request may stand still.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Neither a kubeconfig nor a pod's service account says which cluster.
    #[error("no cluster is configured: set KUBECONFIG, or run inside a pod ({0})")]
    Unconfigured(#[source] Box<InferConfigError>),
    /// The client cannot be set up.
    #[error("the API server's client cannot be set up: {0}")]
    Setup(#[source] Box<kube::Error>),
}

/// A client for the cluster that the kubeconfig, or inside a pod its service account, names.
pub async fn client() -> Result<Client, ClientError> {
    let mut config = Config::infer().await.map_err(|error| ClientError::Unconfigured(Box::new(error)))?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.write_timeout = Some(WRITE_TIMEOUT);
    Client::try_from(config).map_err(|error| ClientError::Setup(Box::new(error)))
}
