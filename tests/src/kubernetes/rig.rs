//! `tests/rig/rig` in the foreground: it ends by itself when this process does, because its standard input ends.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::tools::both;

/// Which parts run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parts {
    ApiServer,
    Node,
}

/// A running rig.
#[derive(Debug)]
pub(super) struct Rig {
    child: Child,
    folder: PathBuf,
}

/// The folder of the rig's programs, kubectl among them, as `tests/rig/rig` finds it.
pub(super) fn programs() -> PathBuf {
    std::env::var_os("RIG_BIN").map_or_else(|| top().join(".cache/rig/bin"), PathBuf::from)
}

/// The top of the repository.
pub(super) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent")
}

impl Rig {
    /// Brings one up and waits until its API server is ready.
    pub(super) fn start(parts: Parts) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("sluicegate-rig-{}-{number}", std::process::id()));
        let mut command = command(&folder);
        command.arg("hold");
        if parts == Parts::Node {
            command.arg("--node");
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("tests/rig/rig can be started");
        // The first line is written when it is up, or is a reason why it can't be.
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("its output is text");
        assert!(line.trim_end() == folder.join("kubeconfig").to_string_lossy(), "the rig did not come up: {line}");
        Self { child, folder }
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// A file of its state.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join("run").join(name)
    }

    /// Runs one of its commands.
    ///
    /// # Panics
    /// With what it said, if it failed.
    pub(super) fn run(&self, arguments: &[&str]) {
        let output = command(&self.folder).args(arguments).stdin(Stdio::null()).output().expect("tests/rig/rig");
        assert!(output.status.success(), "rig {arguments:?}: {}", both(&output));
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(top().join("tests/rig/rig"));
    command.env("RIG_DIR", folder);
    command
}

impl Drop for Rig {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}
