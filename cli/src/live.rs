//! Reaching into a running installation: its pods' admin endpoints, which listen on the pods' own loopback only, through
//! the API server's port forwarding. Whoever may forward ports to the pods may see this; nobody else.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};

/// The admin endpoints' port, as the chart sets it.
const ADMIN_PORT: u16 = 9901;

/// What its pods are labelled with.
pub(crate) const COMPONENT: &str = "app.kubernetes.io/component";

/// An installation in a cluster.
pub(crate) struct Installation {
    client: Client,
    namespace: String,
}

impl Installation {
    /// The installation in that namespace of the cluster that the kubeconfig in force names.
    pub(crate) async fn connect(namespace: &str) -> anyhow::Result<Self> {
        let client = sluicegate_controller::kubernetes::client().await?;
        Ok(Self { client, namespace: namespace.to_owned() })
    }

    /// The API server's client.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The pods of one component, `controller` or `proxy`, by name; at least one.
    pub(crate) async fn pods(&self, component: &str) -> anyhow::Result<Vec<String>> {
        let selector = format!("{COMPONENT}={component},app.kubernetes.io/name=sluicegate");
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let list = pods.list(&ListParams::default().labels(&selector)).await.context("cannot list the pods")?;
        let running = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
        let names: Vec<String> = list.items.into_iter().filter(running).filter_map(|pod| pod.metadata.name).collect();
        if names.is_empty() {
            bail!(
                "no {component} of Sluicegate runs in the namespace {}: name its namespace with --namespace",
                self.namespace
            );
        }
        Ok(names)
    }

    /// What a pod's admin endpoint answers.
    pub(crate) async fn ask(&self, pod: &str, method: Method, path: &str, body: Vec<u8>) -> anyhow::Result<Bytes> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut forwarding =
            pods.portforward(pod, &[ADMIN_PORT]).await.with_context(|| format!("cannot forward a port to {pod}"))?;
        let stream = forwarding.take_stream(ADMIN_PORT).context("the API server forwards no port")?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let answer = sender.send_request(request).await.with_context(|| format!("{pod} does not answer"))?;
        let status = answer.status();
        let text = answer.into_body().collect().await?.to_bytes();
        connection.abort();
        if !status.is_success() {
            bail!("{pod} answers {status}: {}", String::from_utf8_lossy(&text).trim());
        }
        Ok(text)
    }
}
