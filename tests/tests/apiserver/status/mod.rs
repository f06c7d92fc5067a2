//! What a controller writes about objects: its source, compile and status, with proxies that say what a test wants.

mod conditions;
mod writes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use sluicegate_controller::collect::{Fleet, ProxyId};
use sluicegate_controller::compile::{Claims, Compiler, Step};
use sluicegate_controller::config::Config as ControllerConfig;
use sluicegate_controller::lead::{Leadership, Standing};
use sluicegate_controller::publish::Published;
use sluicegate_controller::source::cluster::{Batch, Cluster as Source};
use sluicegate_controller::status::{Verdicts, Writer};
use sluicegate_table::Table;
use sluicegate_table::watch::Report;
use sluicegate_tests::kubernetes::{Account, Cluster, Namespace};
use sluicegate_tests::until;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot, watch};

/// What a proxy says besides the version that it has, or `None` where it does not follow.
type Word = Option<Arc<dyn Fn(&mut Report) + Send + Sync>>;

/// A namespace with the rights of a controller and a Service of proxies.
struct Stage<'a> {
    namespace: Namespace<'a>,
    account: Account,
    user: String,
    words: Arc<Mutex<BTreeMap<String, Word>>>,
}

/// A controller that runs beside the test.
struct Controller {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl<'a> Stage<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let namespace = cluster.namespace();
        namespace.service_account("controller");
        let subject = format!("--serviceaccount={}:controller", namespace.name());
        namespace.kubectl(&["create", "rolebinding", "controller", "--role=controller", &subject]);
        let account = namespace.account("controller");
        let user = format!("system:serviceaccount:{}:controller", namespace.name());
        let stage = Self { namespace, account, user, words: Arc::default() };
        stage.grant(&["get", "list", "watch"]);
        stage
    }

    /// Gives the controller the rights that it needs, of Secrets these.
    fn grant(&self, secrets: &[&str]) {
        let right = |groups: &[&str], resources: &[&str], verbs: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs});
        let status = ["rules/status", "upstreams/status", "targets/status"];
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "controller"},
            "rules": [
                right(&["sluicegate.dev"], &["rules", "upstreams", "targets"], &["get", "list", "watch"]),
                right(&["sluicegate.dev"], &status, &["update"]),
                right(&[""], &["secrets"], secrets),
                right(&[""], &["configmaps", "services"], &["get", "list", "watch"]),
                right(&["discovery.k8s.io"], &["endpointslices"], &["list", "watch"]),
                right(&["events.k8s.io"], &["events"], &["create"]),
            ],
        });
        self.namespace.apply(&role.to_string());
        let may = if secrets.contains(&"get") { "yes" } else { "no" };
        until("the rights are in force", || {
            let asked = ["auth", "can-i", "get", "secrets", "--as", &self.user];
            // It fails where the answer is no.
            let answer = self.namespace.try_kubectl(&asked, "").unwrap_or_else(|_| "no".to_owned());
            (answer.trim() == may).then_some(())
        });
    }

    /// The proxies that are ready, as their Service knows them.
    fn ready(&self, proxies: &[&str]) {
        let endpoints = proxies.iter().enumerate().map(|(number, name)| {
            json!({
                "addresses": [format!("192.0.2.{}", number + 1)], "conditions": {"ready": true},
                "targetRef": {"kind": "Pod", "name": name, "uid": name, "namespace": self.namespace.name()},
            })
        });
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "proxies", "labels": {"kubernetes.io/service-name": "sluicegate-proxy"}},
            "endpoints": endpoints.collect::<Vec<_>>(), "ports": [{"name": "http", "port": 8080}],
        });
        self.namespace.apply(&slice.to_string());
    }

    /// From here on a proxy has what is in force, and says this besides.
    fn follows(&self, proxy: &str, word: impl Fn(&mut Report) + Send + Sync + 'static) {
        self.words.lock().unwrap().insert(proxy.to_owned(), Some(Arc::new(word)));
    }

    /// From here on a proxy says nothing.
    fn is_cut_off(&self, proxy: &str) {
        self.words.lock().unwrap().insert(proxy.to_owned(), None);
    }

    fn controller(&self) -> Controller {
        let kubeconfig = Kubeconfig::read_from(&self.account.kubeconfig).unwrap();
        let namespace = self.namespace.name().to_owned();
        let words = Arc::clone(&self.words);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                tokio::select! {
                    () = run(kubeconfig, namespace, words) => {}
                    _ = stopped => {}
                }
            });
        });
        Controller { stop: Some(stop), thread: Some(thread) }
    }

    /// The writes of statuses so far, by object.
    fn writes(&self) -> BTreeMap<String, usize> {
        let mut writes = BTreeMap::new();
        for request in self.namespace.cluster().requests() {
            let object = &request["objectRef"];
            let is_write = request["user"]["username"] == self.user.as_str() && object["subresource"] == "status";
            if is_write && request["verb"] == "update" {
                let name = format!("{}/{}", object["resource"].as_str().unwrap(), object["name"].as_str().unwrap());
                *writes.entry(name).or_default() += 1;
            }
        }
        writes
    }

    /// A condition as `STATUS Reason`.
    fn shown(&self, resource: &str, condition_type: &str) -> String {
        short(&self.namespace.condition(resource, condition_type))
    }

    /// Waits for a condition, of the present generation, to be `STATUS Reason`. Returns its message.
    fn wait(&self, resource: &str, condition_type: &str, wanted: &str) -> String {
        let condition_of = |object: &Value| sluicegate_tests::kubernetes::condition(object, condition_type);
        let object = self.namespace.wait(resource, &format!("{condition_type} is {wanted}"), |object| {
            let condition = condition_of(object);
            short(&condition) == wanted && condition["observedGeneration"] == object["metadata"]["generation"]
        });
        condition_of(&object)["message"].as_str().unwrap().to_owned()
    }
}

fn short(condition: &Value) -> String {
    match (condition["status"].as_str(), condition["reason"].as_str()) {
        (Some(status), Some(reason)) => format!("{status} {reason}"),
        _ => "none".to_owned(),
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

/// A controller without a channel: reports come from `words`.
async fn run(kubeconfig: Kubeconfig, namespace: String, words: Arc<Mutex<BTreeMap<String, Word>>>) {
    let options = KubeConfigOptions::default();
    let client = Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap()).unwrap();
    let config = ControllerConfig { watch_namespaces: vec![namespace.clone()], ..ControllerConfig::default() };
    let (source, mut batches) = Source::start(&client, &namespace, &config);
    let fleet = Arc::new(Fleet::default());
    let (said, verdicts) = mpsc::unbounded_channel();
    let until = tokio::time::Instant::now() + Duration::from_hours(1);
    let (_standing, view) = watch::channel(Standing::Leads { term: 1, until });
    let leadership = Leadership::new(view);
    let _writer =
        Writer::over_cluster(&client, "controller-0", Arc::new(source), verdicts, Arc::clone(&fleet), leadership);
    let mut compiler = Compiler::new(Claims::new(&[]).unwrap(), Table::default());
    let mut published = Published { epoch: format!("{:?}", Instant::now()), ..Published::default() };
    let mut heartbeat = tokio::time::interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            batch = batches.recv() => {
                let (Batch::Initial(changes) | Batch::Changes(changes)) = batch.unwrap();
                let Step { table, keep, since, statuses } = compiler.apply(changes);
                published = Published { epoch: published.epoch, table, keep, since };
                said.send(Verdicts { published: published.clone(), statuses }).unwrap();
            }
            _ = heartbeat.tick() => {}
        }
        // What proxies apply, they report.
        let known = fleet.proxies();
        for (name, word) in &*words.lock().unwrap() {
            let Some(word) = word else { continue };
            let id = ProxyId(name.clone());
            let mut report = Report { applied: Some(published.version()), ready: true, ..Report::default() };
            word(&mut report);
            match known.get(&id) {
                Some(proxy) if proxy.report == report => continue,
                Some(_) => {}
                None => fleet.connected(&id, name),
            }
            fleet.reported(&id, report);
        }
    }
}

/// An object as YAML.
fn object(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "---\n{{apiVersion: sluicegate.dev/v1alpha1, kind: {kind}, metadata: {{name: {name}}}, spec: {{{spec}}}}}\n"
    )
}
