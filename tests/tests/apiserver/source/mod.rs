//! The controller's view of a cluster: what it is told of edits, and what becomes of it when the API server fails.

mod edits;
mod faults;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use sluicegate_controller::config::Config as ControllerConfig;
use sluicegate_controller::objects::{Candidate, Kind, ObjectId, Objects};
use sluicegate_controller::source::cluster::{Batch, Cluster as Source, ReadyProxies};
use sluicegate_table::ObjectKey;
use sluicegate_tests::kubernetes::{Account, Namespace};
use sluicegate_tests::until;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// A source that runs beside the test, and what it has told of.
struct Following {
    source: Arc<Source>,
    told: Arc<Mutex<Told>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Told {
    objects: Objects,
    batches: usize,
    changes: usize,
}

impl Following {
    /// Follows a cluster, and returns when everything was listed.
    fn start(kubeconfig: &Path, namespace: &str, config: ControllerConfig) -> Self {
        let following = Self::unlisted(kubeconfig, namespace, config);
        until("everything is listed", || (following.told().batches > 0).then_some(()));
        following
    }

    fn unlisted(kubeconfig: &Path, namespace: &str, config: ControllerConfig) -> Self {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
        let namespace = namespace.to_owned();
        let told = Arc::<Mutex<Told>>::default();
        let (stop, mut stopped) = oneshot::channel();
        let (send, source) = std::sync::mpsc::channel();
        let telling = Arc::clone(&told);
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let options = KubeConfigOptions::default();
                let client =
                    Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap()).unwrap();
                let (source, mut batches) = Source::start(&client, &namespace, &config);
                send.send(Arc::new(source)).unwrap();
                loop {
                    let batch = tokio::select! {
                        batch = batches.recv() => batch.unwrap(),
                        _ = &mut stopped => return,
                    };
                    let mut told = telling.lock().unwrap();
                    let (Batch::Initial(changes) | Batch::Changes(changes)) = batch;
                    told.batches += 1;
                    told.changes += changes.len();
                    for change in changes {
                        told.objects.apply(change);
                    }
                }
            });
        });
        Self { source: source.recv().unwrap(), told, stop: Some(stop), thread: Some(thread) }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    /// Waits until what it was told of is as wanted.
    fn until(&self, what: &str, wanted: impl Fn(&Objects) -> bool) {
        until(what, || wanted(&self.told().objects).then_some(()));
    }

    fn live(&self, namespace: &Namespace<'_>, kind: Kind, name: &str) -> Option<Value> {
        let live = self.source.live(&ObjectId { kind, key: ObjectKey::new(namespace.name(), name) })?;
        Some(json!({
            "uid": &*live.uid, "generation": live.generation, "resourceVersion": &*live.resource_version,
            "status": live.status::<Value>(),
        }))
    }

    fn proxies(&self) -> Option<ReadyProxies> {
        self.source.proxies().borrow().as_deref().cloned()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

/// A configuration that looks at these namespaces only.
fn watching(namespaces: &[&Namespace<'_>]) -> ControllerConfig {
    let watch_namespaces = namespaces.iter().map(|namespace| namespace.name().to_owned()).collect();
    ControllerConfig { watch_namespaces, ..ControllerConfig::default() }
}

/// An account of this namespace with the rights that the source needs here, and no other.
fn controller_account(namespace: &Namespace<'_>) -> Account {
    namespace.service_account("controller");
    let right = |groups: &[&str], resources: &[&str], verbs: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs});
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "controller"},
        "rules": [
            right(&["sluicegate.dev"], &["rules", "upstreams", "targets"], &["list", "watch"]),
            right(&[""], &["secrets", "configmaps", "services"], &["get", "list", "watch"]),
            right(&["discovery.k8s.io"], &["endpointslices"], &["list", "watch"]),
        ],
    });
    namespace.apply(&role.to_string());
    let subject = format!("--serviceaccount={}:controller", namespace.name());
    namespace.kubectl(&["create", "rolebinding", "controller", "--role=controller", &subject]);
    namespace.account("controller")
}

/// A Rule as YAML.
fn rule(name: &str, upstream: &str) -> String {
    format!(
        "{{apiVersion: sluicegate.dev/v1alpha1, kind: Rule, metadata: {{name: {name}}}, spec: {{upstream: {upstream}}}}}"
    )
}

/// The Upstream that a Rule names; none where there is no such Rule, or it is refused.
fn upstream_of(objects: &Objects, namespace: &Namespace<'_>, name: &str) -> Option<String> {
    match objects.rules.get(&ObjectKey::new(namespace.name(), name))? {
        Candidate::Valid(rule) => rule.spec.upstream.clone(),
        Candidate::Refused(_) => None,
    }
}
