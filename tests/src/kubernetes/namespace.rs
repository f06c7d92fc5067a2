//! A namespace of one test.

use std::io::BufReader;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cluster::{Cluster, condition, parsed};
use crate::wait::until;

/// How long a cluster may take before a test gives up: what comes about there goes through many processes, each of which
/// may be short of a processor.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// A namespace; with a cluster of the user's choosing it is deleted when this is dropped.
#[derive(Debug)]
pub struct Namespace<'a> {
    pub(super) cluster: &'a Cluster,
    name: String,
}

impl<'a> Namespace<'a> {
    pub(super) fn create(cluster: &'a Cluster, name: String) -> Self {
        cluster.kubectl(&["create", "namespace", &name]);
        Self { cluster, name }
    }

    /// A namespace that there is already, such as one that Helm made.
    pub fn existing(cluster: &'a Cluster, name: &str) -> Self {
        Self { cluster, name: name.to_owned() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster that it is in.
    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    /// What kubectl prints in this namespace.
    ///
    /// # Panics
    /// With what it says, if it fails.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments, "").unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// What kubectl prints in this namespace when given `input`.
    ///
    /// # Errors
    /// What it says, if it fails.
    pub fn try_kubectl(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        self.cluster.kubectl_with(&[&["--namespace", &self.name], arguments].concat(), input)
    }

    /// Applies YAML documents, server-side.
    pub fn apply(&self, yaml: &str) {
        if let Err(error) = self.try_apply(yaml) {
            panic!("{error}\n--- refused for\n{yaml}");
        }
    }

    /// Applies YAML documents, server-side.
    ///
    /// # Errors
    /// Why the API server refuses them.
    pub fn try_apply(&self, yaml: &str) -> Result<String, String> {
        self.try_kubectl(&["apply", "--server-side", "-f", "-"], yaml)
    }

    /// Applies YAML documents as another field manager.
    ///
    /// # Errors
    /// Why the API server refuses them, such as a conflict over a field that another manager owns.
    pub fn try_apply_as(&self, manager: &str, yaml: &str) -> Result<String, String> {
        self.try_kubectl(&["apply", "--server-side", "--field-manager", manager, "-f", "-"], yaml)
    }

    /// Merges JSON (RFC 7386) into an object, such as `rule/api`.
    pub fn patch(&self, resource: &str, change: &Value) {
        self.kubectl(&["patch", resource, "--type=merge", "--patch", &change.to_string()]);
    }

    /// Merges JSON into an object's status, as a controller does.
    pub fn patch_status(&self, resource: &str, change: &Value) {
        self.kubectl(&["patch", resource, "--subresource=status", "--type=merge", "--patch", &change.to_string()]);
    }

    /// Deletes an object, such as `rule/api`, and waits until it is gone.
    pub fn delete(&self, resource: &str) {
        self.kubectl(&["delete", resource]);
    }

    /// An object, such as `rule/api`.
    pub fn get(&self, resource: &str) -> Value {
        parsed(&self.kubectl(&["get", resource, "-o", "json"]))
    }

    /// All objects of a kind, such as `rules`.
    pub fn list(&self, kind: &str) -> Vec<Value> {
        let mut list = parsed(&self.kubectl(&["get", kind, "-o", "json"]));
        serde_json::from_value(list["items"].take()).expect("a list has items")
    }

    /// A condition of an object; null where there is none.
    pub fn condition(&self, resource: &str, condition_type: &str) -> Value {
        condition(&self.get(resource), condition_type)
    }

    /// The Events about an object, such as `rule/api`: reason and message.
    pub fn events(&self, resource: &str) -> Vec<(String, String)> {
        let (_, name) = resource.split_once('/').expect("KIND/NAME");
        let selector = format!("involvedObject.name={name}");
        let list = parsed(&self.kubectl(&["get", "events", "--field-selector", &selector, "-o", "json"]));
        let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let items = list["items"].as_array().expect("a list has items");
        items.iter().map(|event| (text(event, "reason"), text(event, "message"))).collect()
    }

    /// Watches an object, such as `rule/api`, until it is there and as `wanted`, and returns it.
    ///
    /// # Panics
    /// With the last version seen, after [`PATIENCE`].
    pub fn wait(&self, resource: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let give_up = Instant::now() + PATIENCE;
        let mut last = Value::Null;
        while Instant::now() < give_up {
            // A watch ends with its API server, and is begun anew.
            let watch = Watch::start(self, resource);
            loop {
                match watch.next(give_up.saturating_duration_since(Instant::now())) {
                    Ok(event) if event["type"] == "DELETED" => last = Value::Null,
                    Ok(mut event) => {
                        last = event["object"].take();
                        if wanted(&last) {
                            return last;
                        }
                    }
                    Err(_) => break,
                }
            }
        }
        panic!("waited {PATIENCE:?} in vain for {resource}: {what}; it is {last:#}");
    }

    /// Watches an object until its condition has this status (`True`, `False`, `Unknown`) for its present generation.
    pub fn wait_for_condition(&self, resource: &str, condition_type: &str, status: &str) -> Value {
        self.wait(resource, &format!("{condition_type} is {status}"), |object| {
            let found = condition(object, condition_type);
            found["status"] == status && found["observedGeneration"] == object["metadata"]["generation"]
        })
    }

    /// Watches an object until it is gone.
    pub fn wait_until_gone(&self, resource: &str) {
        let timeout = format!("--timeout={}s", PATIENCE.as_secs());
        self.kubectl(&["wait", "--for=delete", &timeout, resource]);
    }

    /// The address of this Service's port, as soon as all behind it accept connections.
    ///
    /// The node's rules for a Service that is new may come after its pods are ready, and the kernel sends all packets of a
    /// connection the way of the first: one begun too early never gets there, so many are tried, none for long. And where
    /// a Service of the same name has just been deleted, its `EndpointSlices` may still be there, which lead to pods
    /// that have gone: they are waited out, and then so many connections are made that none of its pods is left out by chance.
    pub fn service_address(&self, name: &str, port: u16) -> SocketAddr {
        let service = self.get(&format!("service/{name}"));
        let ip = service["spec"]["clusterIP"].as_str().expect("a Service inside the cluster");
        let address = SocketAddr::new(ip.parse().expect("an address"), port);
        until("the EndpointSlices of an earlier Service have gone", || {
            let of_this_name = |slice: &&Value| slice["metadata"]["labels"]["kubernetes.io/service-name"] == name;
            let of_this_one =
                |slice: &Value| slice["metadata"]["ownerReferences"][0]["uid"] == service["metadata"]["uid"];
            self.list("endpointslices").iter().filter(of_this_name).all(of_this_one).then_some(())
        });
        let connects = |_| TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok();
        until("the Service answers", || (0..32).all(connects).then_some(()));
        address
    }

    /// A pod that no node runs: what there is of it is an object, which tokens may be bound to. Returns its uid.
    pub fn pod(&self, name: &str, service_account: &str) -> String {
        self.apply(
            &json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                "spec": {
                    "serviceAccountName": service_account,
                    "containers": [{"name": "c", "image": "localhost/pause:1"}],
                },
            })
            .to_string(),
        );
        self.get(&format!("pod/{name}"))["metadata"]["uid"].as_str().expect("a pod has a uid").to_owned()
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        if !self.cluster.is_ours() && self.name.starts_with("test-") {
            drop(self.cluster.kubectl_with(&["delete", "namespace", &self.name, "--wait=false"], ""));
        }
    }
}

/// Changes of one object, as kubectl prints them.
struct Watch {
    kubectl: Child,
    events: Receiver<Value>,
}

impl Watch {
    fn start(namespace: &Namespace<'_>, resource: &str) -> Self {
        let (kind, name) = resource.split_once('/').expect("KIND/NAME");
        // By a selector, so that it may wait for an object that is not there yet.
        let selector = format!("metadata.name={name}");
        let mut kubectl = namespace
            .cluster
            .command("kubectl")
            .args(["--namespace", namespace.name(), "get", kind, "--field-selector", &selector])
            .args(["--watch", "--output-watch-events", "-o", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("kubectl can be started");
        let (to, events) = channel();
        let output = BufReader::new(kubectl.stdout.take().expect("piped"));
        thread::spawn(move || {
            for event in serde_json::Deserializer::from_reader(output).into_iter::<Value>() {
                let Ok(event) = event else { return };
                if to.send(event).is_err() {
                    return;
                }
            }
        });
        Self { kubectl, events }
    }

    fn next(&self, patience: Duration) -> Result<Value, RecvTimeoutError> {
        self.events.recv_timeout(patience)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.kubectl.kill());
        drop(self.kubectl.wait());
    }
}
