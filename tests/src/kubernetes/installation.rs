//! An installation without pods: controllers and proxies as processes beside an API server.
//!
//! What a node would do is done here: pods that are objects only, tokens in files, `EndpointSlice`s that name the proxies
//! that are ready.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Cluster, Namespace, Token};
use crate::client::{Client, admin};
use crate::http1::Message;
use crate::ports::Port;
use crate::program::{Program, is_ready, program};
use crate::wait::until;

/// The proxies' service account, and the Service that selects them.
const PROXY: &str = "sluicegate-proxy";
/// What the proxies' tokens are for.
const AUDIENCE: &str = "sluicegate";
/// What a proxy trusts, as the controller publishes it.
const CA_CONFIG_MAP: &str = "sluicegate-channel-ca";

/// An installation in a namespace of its own.
#[derive(Debug)]
pub struct Installation<'a> {
    /// Its namespace.
    pub namespace: Namespace<'a>,
    folder: TempDir,
    /// More keys of the controllers' configuration, as YAML.
    pub configuration: String,
    /// What they all log, as `--log` has it.
    pub log: String,
    /// Who the controllers are to the API server; the administrator, unless it is set.
    pub kubeconfig: PathBuf,
}

impl<'a> Installation<'a> {
    /// Prepares one: nothing runs yet. It reads the objects of its own namespace only.
    pub fn new(cluster: &'a Cluster) -> Self {
        let namespace = cluster.namespace();
        namespace.service_account(PROXY);
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": PROXY},
            "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}], "selector": {"none": "none"}},
        });
        namespace.apply(&service.to_string());
        let configuration = format!("watchNamespaces: [{}]\n", namespace.name());
        let folder = TempDir::new().expect("a temporary folder");
        let kubeconfig = cluster.kubeconfig().to_owned();
        Self { namespace, folder, configuration, log: "info".to_owned(), kubeconfig }
    }

    /// Starts a controller and waits until it has listed the objects.
    pub fn controller(&self, name: &str) -> Controller {
        let ports = [Port::free(), Port::free(), Port::free()];
        let [channel, admin, observe] = [&ports[0], &ports[1], &ports[2]].map(Port::address);
        let file = self.file(&format!("{name}.yaml"));
        let yaml = format!(
            "channel: {{address: \"{channel}\", serverName: localhost}}\nadmin: {{address: \"{admin}\"}}\n\
             observe: {{address: \"{observe}\"}}\n{}",
            self.configuration
        );
        std::fs::write(&file, yaml).expect("the folder is writable");
        let mut command = self.namespace.cluster().program(&self.kubeconfig);
        command.args(["--log", &self.log, "controller", "--config"]).arg(&file);
        command.env("POD_NAMESPACE", self.namespace.name()).env("POD_NAME", name).env("POD_IP", "127.0.0.1");
        let mut controller =
            Controller { program: Program::start(&mut command), command, channel, admin, observe, _ports: ports };
        controller.program.wait_until_ready(admin);
        controller
    }

    /// Starts a proxy that takes its table from the controller at that address, and waits until it is ready, which the
    /// Service is then told.
    pub fn proxy(&self, name: &str, controller: SocketAddr) -> Proxy<'_, 'a> {
        let mut proxy = self.unready_proxy(name, controller);
        proxy.program.wait_until_ready(proxy.admin);
        proxy.announce();
        proxy
    }

    /// Starts a proxy and waits for nothing.
    pub fn unready_proxy(&self, name: &str, controller: SocketAddr) -> Proxy<'_, 'a> {
        let uid = self.namespace.pod(name, PROXY);
        let token = self.file(&format!("{name}.token"));
        let ports = [Port::free(), Port::free()];
        let [listen, admin] = [&ports[0], &ports[1]].map(Port::address);
        let file = self.file(&format!("{name}.yaml"));
        let saved_table = self.file(&format!("{name}.table"));
        let yaml = format!(
            "listeners: [{{address: \"{listen}\"}}]\nadmin: {{address: \"{admin}\"}}\nworkers: 1\n\
             controller: {{url: \"https://localhost:{}\", caFile: {}, tokenFile: {}}}\nsavedTable: {}\n",
            controller.port(),
            self.ca_file().display(),
            token.display(),
            saved_table.display(),
        );
        std::fs::write(&file, yaml).expect("the folder is writable");
        std::fs::write(&token, self.token(name)).expect("the folder is writable");
        let mut command = Command::new(program());
        command.args(["--log", &self.log, "proxy", "--config"]).arg(&file);
        let program = Program::start(&mut command);
        Proxy {
            installation: self,
            name: name.to_owned(),
            uid,
            program,
            command,
            token,
            saved_table,
            listen,
            admin,
            _ports: ports,
        }
    }

    /// The certificate authorities that the controller publishes, once it has.
    pub fn ca_file(&self) -> PathBuf {
        let file = self.file("ca.crt");
        if !file.exists() {
            let map = format!("configmap/{CA_CONFIG_MAP}");
            let map = self.namespace.wait(&map, "it has a certificate", |map| map["data"]["ca.crt"].is_string());
            std::fs::write(&file, map["data"]["ca.crt"].as_str().expect("a text")).expect("the folder is writable");
        }
        file
    }

    /// A token that a proxy in that pod would have.
    pub fn token(&self, pod: &str) -> String {
        self.namespace.token(PROXY, Token { audience: AUDIENCE, pod: Some(pod), ..Token::default() })
    }

    /// A file of this installation.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Says in an `EndpointSlice` of the proxies' Service whether a pod is ready; `None`: it is gone.
    pub fn slice(&self, pod: &str, uid: &str, ready: Option<bool>) {
        let name = format!("{PROXY}-{pod}");
        let Some(ready) = ready else {
            self.namespace.delete(&format!("endpointslice/{name}"));
            return;
        };
        // Loopback is not allowed here, and nobody connects to it.
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": PROXY}},
            "endpoints": [{
                "addresses": ["192.0.2.1"], "conditions": {"ready": ready},
                "targetRef": {"kind": "Pod", "name": pod, "uid": uid, "namespace": self.namespace.name()},
            }],
            "ports": [{"name": "http", "port": 8080}],
        });
        self.namespace.apply(&slice.to_string());
    }
}

/// A controller; it is killed when this is dropped.
#[derive(Debug)]
pub struct Controller {
    /// The process.
    pub program: Program,
    command: Command,
    /// Its watch channel.
    pub channel: SocketAddr,
    /// Its admin endpoints.
    pub admin: SocketAddr,
    /// Its endpoints for the kubelet and Prometheus.
    pub observe: SocketAddr,
    _ports: [Port; 3],
}

impl Controller {
    /// Starts it again at the same addresses, whatever has become of the process before.
    pub fn start_again(&mut self) {
        self.program.kill();
        self.program = Program::start(&mut self.command);
        self.program.wait_until_ready(self.admin);
    }

    /// A GET of its admin endpoints.
    pub fn admin(&self, path: &str) -> Message {
        admin(self.admin, path)
    }

    /// What its `/status` says.
    pub fn status(&self) -> Value {
        self.admin("/status").json()
    }

    /// Waits until it leads.
    pub fn wait_until_it_leads(&self) {
        until("the controller leads", || (self.status()["leads"] == true).then_some(()));
    }
}

/// A proxy; it is killed when this is dropped.
#[derive(Debug)]
pub struct Proxy<'i, 'a> {
    installation: &'i Installation<'a>,
    /// Its pod's name.
    pub name: String,
    /// Its pod's uid.
    pub uid: String,
    /// The process.
    pub program: Program,
    command: Command,
    /// Where its token is.
    pub token: PathBuf,
    /// Where its table is kept.
    pub saved_table: PathBuf,
    /// Where it serves.
    pub listen: SocketAddr,
    /// Its admin endpoints.
    pub admin: SocketAddr,
    _ports: [Port; 2],
}

impl Proxy<'_, '_> {
    /// Tells the Service whether it is ready, as a kubelet would.
    pub fn announce(&self) {
        self.installation.slice(&self.name, &self.uid, Some(is_ready(self.admin)));
    }

    /// Tells the Service that it is gone.
    pub fn forget(&self) {
        self.installation.slice(&self.name, &self.uid, None);
    }

    /// Starts it again as a container that restarts: same pod, same volume.
    pub fn start_again(&mut self) {
        self.program.kill();
        self.program = Program::start(&mut self.command);
    }

    /// A GET for that host on a connection of its own.
    pub fn get(&self, host: &str, path: &str) -> Message {
        Client::connect(self.listen).ask(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    }

    /// Asks until the answer has this status.
    pub fn until_status(&self, host: &str, path: &str, status: u16) -> Message {
        until(&format!("{host}{path} answers {status}"), || {
            Some(self.get(host, path)).filter(|answer| answer.status() == status)
        })
    }

    /// A GET of its admin endpoints.
    pub fn admin(&self, path: &str) -> Message {
        admin(self.admin, path)
    }

    /// The table that it serves from.
    pub fn table(&self) -> Value {
        self.admin("/table").json()
    }
}
