//! The program under test: a folder of manifests, a process that serves it, and what one may ask of both.

use std::fmt::Write as _;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use crate::client::Client;
use crate::http1::Message;
use crate::ports::Port;
use crate::wait::until;

/// The program's path: `SLUICEGATE_BIN`, or the one that was built beside this test.
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("SLUICEGATE_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test knows its own path");
    let beside = test.ancestors().nth(2).expect("a test is in target/PROFILE/deps").join("sluicegate");
    assert!(
        beside.exists(),
        "there is no {}: run `cargo build -p sluicegate`, or set SLUICEGATE_BIN",
        beside.display()
    );
    beside
}

/// What to start.
#[derive(Debug)]
pub struct Setup {
    folder: TempDir,
    configuration: String,
    tls: bool,
    descriptors: Option<u32>,
}

impl Setup {
    /// A folder that holds these manifests.
    pub fn new(manifests: &str) -> Self {
        let setup = Self {
            folder: TempDir::new().expect("a temporary folder"),
            configuration: String::new(),
            tls: false,
            descriptors: None,
        };
        setup.file("manifests.yaml", manifests)
    }

    /// Puts a file beside the manifests.
    #[must_use]
    pub fn file(self, name: &str, content: &str) -> Self {
        std::fs::write(self.folder.path().join(name), content).expect("the folder is writable");
        self
    }

    /// More keys of `sluicegate.yaml`, as YAML. Listeners and admin are there already.
    #[must_use]
    pub fn configuration(mut self, yaml: &str) -> Self {
        self.configuration.push_str(yaml);
        self.configuration.push('\n');
        self
    }

    /// A second listener that speaks TLS, with a certificate in `tls.crt` and its key in `tls.key`.
    #[must_use]
    pub fn tls(self, certificate: &str, key: &str) -> Self {
        let mut setup = self.file("tls.crt", certificate).file("tls.key", key);
        setup.tls = true;
        setup
    }

    /// Lets the process have no more than this many file descriptors.
    #[must_use]
    pub fn descriptors(mut self, most: u32) -> Self {
        self.descriptors = Some(most);
        self
    }

    /// Starts the program and waits until it is ready.
    pub fn start(self) -> Gate {
        let ports = [Port::free(), Port::free(), Port::free()];
        let [listen, tls, admin] = [&ports[0], &ports[1], &ports[2]].map(Port::address);
        let mut yaml = format!("listeners:\n- address: {listen}\n");
        if self.tls {
            writeln!(yaml, "- {{address: \"{tls}\", tls: {{certificates: [{{certificate: tls.crt, key: tls.key}}]}}}}")
                .unwrap();
        }
        writeln!(yaml, "admin: {{address: \"{admin}\"}}").unwrap();
        if !self.configuration.contains("workers:") {
            yaml.push_str("workers: 2\n");
        }
        yaml.push_str(&self.configuration);
        let setup = self.file("sluicegate.yaml", &yaml);
        let mut command = match setup.descriptors {
            None => Command::new(program()),
            Some(most) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {most} && exec \"$0\" \"$@\"")]).arg(program());
                shell
            }
        };
        let mut child = command
            .arg("run")
            .arg(setup.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("start {}: {error}", program().display()));
        let output = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().expect("piped"), &output);
        collect(child.stderr.take().expect("piped"), &output);
        let mut gate = Gate { child, folder: setup.folder, listen, tls, admin, output, _ports: ports };
        gate.wait_until_ready();
        gate
    }
}

fn collect(mut from: impl Read + Send + 'static, to: &Arc<Mutex<String>>) {
    let to = Arc::clone(to);
    thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            to.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..length]));
        }
    });
}

/// A running program; it is killed when this is dropped.
#[derive(Debug)]
pub struct Gate {
    child: Child,
    folder: TempDir,
    /// The listener in clear text.
    pub listen: SocketAddr,
    /// The listener that speaks TLS, where the setup has one.
    pub tls: SocketAddr,
    /// The admin listener.
    pub admin: SocketAddr,
    output: Arc<Mutex<String>>,
    _ports: [Port; 3],
}

impl Gate {
    /// Serves these manifests with the defaults.
    pub fn start(manifests: &str) -> Self {
        Setup::new(manifests).start()
    }

    fn wait_until_ready(&mut self) {
        until("the program is ready", || {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                panic!("the program ended with {status}:\n{}", self.output());
            }
            let mut connection = std::net::TcpStream::connect(self.admin).ok()?;
            std::io::Write::write_all(&mut connection, b"GET /readyz HTTP/1.0\r\n\r\n").ok()?;
            let mut answer = String::new();
            connection.read_to_string(&mut answer).ok()?;
            answer.split(' ').nth(1).filter(|status| *status == "200").map(drop)
        });
    }

    /// The folder that it serves.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new connection in clear text.
    pub fn client(&self) -> Client {
        Client::connect(self.listen)
    }

    /// A GET on a connection of its own.
    pub fn get(&self, path: &str) -> Message {
        self.client().get(path)
    }

    /// A request, given as bytes, on a connection of its own.
    pub fn ask(&self, request: impl AsRef<[u8]>) -> Message {
        self.client().ask(request)
    }

    /// A GET of the admin listener.
    pub fn admin(&self, path: &str) -> Message {
        Client::connect(self.admin).get(path)
    }

    /// The value of a metric's first series whose line begins with `series` (name and, if given, labels); 0 when absent.
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.admin("/metrics").text();
        text.lines()
            .filter(|line| line.starts_with(series))
            .find_map(|line| line.rsplit(' ').next()?.parse().ok())
            .unwrap_or_default()
    }

    /// Replaces a file of the folder as an editor does: written aside, then renamed.
    pub fn write(&self, name: &str, content: &str) {
        let aside = self.folder().join(format!(".{name}.new"));
        std::fs::write(&aside, content).expect("the folder is writable");
        std::fs::rename(aside, self.folder().join(name)).expect("a file can be renamed");
    }

    /// Asks for `path` until the answer is as wanted.
    pub fn until(&self, what: &str, path: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        until(what, || Some(self.get(path)).filter(&wanted))
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Its process id.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Open file descriptors.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process())).expect("the process runs").count()
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process())).expect("the process runs");
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says how much is resident");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Asks it to stop, as a service manager does.
    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.process().to_string()]).status().expect("kill");
        assert!(status.success(), "the program can be signalled");
    }

    /// Waits until it has ended by itself.
    pub fn ended(&mut self) -> ExitStatus {
        until("the program ends", || self.child.try_wait().expect("a child can be waited for"))
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            eprintln!("--- the program's output\n{}---", self.output());
        }
    }
}
