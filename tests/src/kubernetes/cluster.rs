//! A cluster: where it comes from, kubectl, and the faults that a test may cause.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use super::namespace::{Namespace, PATIENCE};
use super::rig::{Parts, Rig, programs, top};
use crate::program::program;
use crate::tools::both;
use crate::wait::until_for;

/// The names of the definitions.
const DEFINITIONS: [&str; 3] =
    ["crd/upstreams.sluicegate.dev", "crd/targets.sluicegate.dev", "crd/rules.sluicegate.dev"];

/// A Kubernetes cluster.
#[derive(Debug)]
pub struct Cluster {
    kubeconfig: PathBuf,
    /// Absent for a cluster of the user's choosing.
    rig: Option<Rig>,
}

impl Cluster {
    /// The API server that all tests of a binary share, with the definitions applied.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::chosen_by_user().unwrap_or_else(Self::bare).with_definitions())
    }

    /// An API server of this test's own, with the definitions applied, to be stopped, compacted or counted on.
    pub fn own() -> Self {
        Self::bare().with_definitions()
    }

    /// An API server of this test's own in which nothing is applied yet.
    pub fn bare() -> Self {
        Self::of(Rig::start(Parts::ApiServer))
    }

    /// The cluster with a node that all tests of a binary share. Nothing is applied, and the image is loaded only where
    /// [`load_image`](Self::load_image) is called.
    pub fn with_node() -> &'static Self {
        static WITH_NODE: OnceLock<Cluster> = OnceLock::new();
        WITH_NODE.get_or_init(|| Self::chosen_by_user().unwrap_or_else(|| Self::of(Rig::start(Parts::Node))))
    }

    fn chosen_by_user() -> Option<Self> {
        let kubeconfig = std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty())?;
        Some(Self { kubeconfig: kubeconfig.into(), rig: None })
    }

    fn of(rig: Rig) -> Self {
        Self { kubeconfig: rig.kubeconfig(), rig: Some(rig) }
    }

    fn with_definitions(self) -> Self {
        let crds = top().join("crds");
        self.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", crds.to_str().expect("a UTF-8 path")]);
        for definition in DEFINITIONS {
            self.wait_until_established(definition);
        }
        self
    }

    /// Waits until the API server serves a kind, such as `crd/rules.sluicegate.dev`. One that is new has no conditions
    /// yet, which `kubectl wait` takes for an error.
    pub fn wait_until_established(&self, definition: &str) {
        until_for(PATIENCE, &format!("{definition} is served"), || {
            (condition(&self.get(definition), "Established")["status"] == "True").then_some(())
        });
    }

    /// The administrator's kubeconfig, for `KUBECONFIG`.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Whether it was brought up for the tests, so that they may cause faults and leave things behind.
    pub fn is_ours(&self) -> bool {
        self.rig.is_some()
    }

    /// What kubectl prints.
    ///
    /// # Panics
    /// With what it says, if it fails.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl_with(arguments, "").unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// What kubectl prints when given `input`.
    ///
    /// # Errors
    /// What it says, if it fails.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let output = feed(self.command("kubectl").args(arguments), input);
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(both(&output))
    }

    /// A program (`kubectl`, `helm`, …) that finds this cluster.
    pub fn command(&self, program: &str) -> Command {
        let mut path = OsString::from(programs());
        path.push(":");
        path.push(top().join(".cache/bin"));
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        // Looked up here: the PATH of a command is not where Command looks for the program itself.
        let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
        let mut command = Command::new(found.unwrap_or_else(|| program.into()));
        command.env("PATH", path).env("KUBECONFIG", &self.kubeconfig).env("NO_PROXY", "*");
        if let Some(rig) = &self.rig {
            command.env("KUBECACHEDIR", rig.file("../cache"));
        }
        command
    }

    /// The program under test, as someone who finds this cluster by a kubeconfig: the administrator's, or one of
    /// [`Namespace::account`].
    pub fn program(&self, kubeconfig: &Path) -> Command {
        let mut command = Command::new(program());
        command.env("KUBECONFIG", kubeconfig).env("NO_PROXY", "*");
        command
    }

    /// A new namespace for one test.
    pub fn namespace(&self) -> Namespace<'_> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        Namespace::create(self, format!("test-{}-{number}", std::process::id()))
    }

    /// An object that belongs to no namespace, such as `crd/rules.sluicegate.dev`.
    pub fn get(&self, resource: &str) -> Value {
        parsed(&self.kubectl(&["get", resource, "-o", "json"]))
    }

    fn ours(&self) -> &Rig {
        self.rig.as_ref().expect("faults are for a cluster of the test's own")
    }

    /// Ends a part: `apiserver` or `etcd`, and on a node also `controller-manager`, `scheduler`, `kube-proxy`, `dns`.
    pub fn stop(&self, part: &str) {
        self.ours().run(&["stop", part]);
    }

    /// Starts a part again, with the same port and data, and waits until it is ready.
    pub fn start(&self, part: &str) {
        self.ours().run(&["start", part]);
    }

    /// Ends a part and starts it again.
    pub fn restart(&self, part: &str) {
        self.ours().run(&["restart", part]);
    }

    /// Makes etcd forget every revision but the last and the API server what it remembers of them: a watch from an older
    /// one is answered 410 Gone.
    pub fn forget_revisions(&self) {
        self.ours().run(&["compact"]);
        self.restart("apiserver");
    }

    /// Sends a part a signal: `STOP` freezes it, `CONT` lets it go on.
    pub fn signal(&self, part: &str, signal: &str) {
        let process = std::fs::read_to_string(self.ours().file(&format!("{part}.pid"))).expect("the part runs");
        let status = Command::new("kill").args(["-s", signal, process.trim()]).status().expect("kill");
        assert!(status.success(), "{part} can be signalled");
    }

    /// What users other than the administrator asked of the API server so far: one audit event (metadata) a request, in
    /// the order in which they were answered. `user.username`, `verb`, `objectRef`, `responseStatus.code`.
    pub fn requests(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.ours().file("audit.log")).expect("the API server keeps a log");
        // The last line may still be being written.
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        whole.lines().map(parsed).filter(|event| event["stage"] == "ResponseComplete").collect()
    }

    /// The key that signs service accounts' tokens.
    pub(super) fn signing_key(&self) -> PathBuf {
        self.ours().file("accounts.key")
    }

    /// Builds the container image from the program under test and loads it into the node. On a cluster of the user's
    /// choosing it must be there already.
    pub fn load_image(&self) {
        let Some(rig) = &self.rig else { return };
        let archive = rig.file("image.tar");
        let archive = archive.to_str().expect("a UTF-8 path");
        let output = Command::new(top().join("image/build"))
            .arg(archive)
            .env("SLUICEGATE_BIN", program())
            .output()
            .expect("image/build can be started");
        assert!(output.status.success(), "image/build: {}", both(&output));
        rig.run(&["image", archive]);
    }
}

/// The condition of a type in an object's status; null where there is none.
pub fn condition(object: &Value, condition_type: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|found| found["type"] == condition_type).cloned().unwrap_or_default()
}

pub(super) fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// Runs a program to its end with this on its standard input.
pub(super) fn feed(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("start {}: {error}", command.get_program().display()));
    let mut to = child.stdin.take().expect("piped");
    let input = input.to_owned();
    // Beside it, for it may fill its output before it has read all of the input.
    let fed = std::thread::spawn(move || drop(to.write_all(input.as_bytes())));
    let output = child.wait_with_output().expect("a child can be waited for");
    fed.join().expect("writing does not panic");
    output
}
