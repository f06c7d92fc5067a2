//! The program as people start it: what it prints, what it answers, how it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

const SECRET: &str = "planted-secret-value";
/// Long enough for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(1);

/// A target that answers `ok` once told to, and keeps the heads of what it was asked.
struct Target {
    port: u16,
    heads: Receiver<String>,
    answer: Sender<()>,
}

impl Target {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, heads) = channel();
        let (answer, told) = channel();
        thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                if head.is_empty() || asked.send(String::from_utf8(head).unwrap()).is_err() || told.recv().is_err() {
                    continue;
                }
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
                connection.write_all(answer).unwrap();
            }
        });
        Self { port, heads, answer }
    }
}

/// The running program and what it has printed to either output.
struct Program {
    child: Child,
    printed: Arc<(Mutex<String>, Condvar)>,
    collectors: Vec<thread::JoinHandle<()>>,
}

impl Program {
    fn start(dir: &TempDir, flags: &[&str]) -> Self {
        let mut child = command(dir, flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let printed = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        let collectors = outputs
            .into_iter()
            .map(|mut output| {
                let printed = Arc::clone(&printed);
                thread::spawn(move || {
                    let mut piece = [0; 4096];
                    while let Ok(length @ 1..) = output.read(&mut piece) {
                        printed.0.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..length]));
                        printed.1.notify_all();
                    }
                })
            })
            .collect();
        Self { child, printed, collectors }
    }

    /// Waits until it has printed this, and returns all of its output so far.
    fn prints(&self, wanted: &str) -> String {
        let printed = self.printed.0.lock().unwrap();
        let (printed, wait) =
            self.printed.1.wait_timeout_while(printed, PATIENCE, |printed| !printed.contains(wanted)).unwrap();
        assert!(!wait.timed_out(), "no {wanted:?} in:\n{printed}");
        printed.clone()
    }

    /// An address that it has printed after these words.
    fn address(&self, before: &str) -> SocketAddr {
        self.prints("admin on http://");
        let printed = self.prints(before);
        let rest = printed.split_once(before).unwrap().1;
        rest.split(['/', '\n']).next().unwrap().parse().unwrap()
    }

    fn serving(&self) -> SocketAddr {
        self.address("serving on ")
    }

    fn admin(&self) -> SocketAddr {
        self.address("admin on http://")
    }

    fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits for its end; all that it printed.
    fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        for collector in self.collectors.drain(..) {
            collector.join().unwrap();
        }
        let printed = self.printed.0.lock().unwrap().clone();
        (status, printed)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already where a test went well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn command(dir: &TempDir, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command.arg("run").arg(dir.path()).args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(flags);
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Runs it in the expectation that it ends by itself.
fn fails(dir: &TempDir, flags: &[&str]) -> String {
    let Output { status, stderr, .. } = command(dir, flags).output().unwrap();
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).unwrap()
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    ask(address, "h.test", path)
}

/// What an admin endpoint answers, which no name but localhost leads to.
fn shown(address: SocketAddr, path: &str) -> (u16, String) {
    ask(address, "localhost", path)
}

fn ask(address: SocketAddr, host: &str, path: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn rule(name: &str, path: &str, upstream: &str) -> String {
    format!(
        "---\napiVersion: sluicegate.dev/v1alpha1\nkind: Rule\nmetadata: {{name: {name}}}\n\
         spec: {{matches: [{{path: {{value: {path}}}}}], upstream: {upstream}}}\n"
    )
}

/// A folder with an Upstream of one Target, whose credential is the planted secret, and one Rule.
fn folder(target: &Target) -> TempDir {
    let dir = TempDir::new().unwrap();
    let upstream = format!(
        "apiVersion: sluicegate.dev/v1alpha1\nkind: Upstream\nmetadata: {{name: pool}}\n\
         spec: {{targets: [{{name: one}}]}}\n---\n\
         apiVersion: sluicegate.dev/v1alpha1\nkind: Target\nmetadata: {{name: one}}\n\
         spec:\n  host: 127.0.0.1\n  port: {}\n  credentials:\n    header: X-Api-Key\n    \
         valueFrom: {{secretKeyRef: {{name: keys, key: api}}}}\n---\n\
         apiVersion: v1\nkind: Secret\nmetadata: {{name: keys}}\nstringData: {{api: {SECRET}}}\n",
        target.port
    );
    fs::write(dir.path().join("pool.yaml"), upstream).unwrap();
    fs::write(dir.path().join("rules.yaml"), rule("first", "/first", "pool")).unwrap();
    dir
}

#[test]
fn prints_what_it_serves_and_then_only_what_changes() {
    let target = Target::start();
    let dir = folder(&target);
    let program = Program::start(&dir, &[]);
    let printed = program.prints("admin on");
    assert!(printed.starts_with("RULE           HOSTS  MATCH          UPSTREAM "), "{printed}");
    assert!(printed.contains("\ndefault/first  *      prefix /first  default/pool (RoundRobin)  one\n"), "{printed}");
    assert_eq!(get(program.serving(), "/second").0, 404);

    let both = rule("first", "/first", "pool") + &rule("second", "/second", "pool");
    // As an editor does, so that nobody ever sees half of it.
    fs::write(dir.path().join(".rules.yaml.new"), both).unwrap();
    fs::rename(dir.path().join(".rules.yaml.new"), dir.path().join("rules.yaml")).unwrap();
    let printed = program.prints("+ default/second");
    let (_, changes) = printed.split_once("changed (table version 2):\n").unwrap();
    assert_eq!(changes, "+ default/second  *  prefix /second  default/pool (RoundRobin)  one\n");
    target.answer.send(()).unwrap();
    assert_eq!(get(program.serving(), "/second"), (200, "ok".to_owned()));

    fs::write(dir.path().join("more.yaml"), "apiVersion: sluicegate.dev/v1alpha1\nkind: Rul\n").unwrap();
    let printed = program.prints("more.yaml:2");
    assert!(printed.contains("\nrefused:\n"), "{printed}");
    fs::remove_file(dir.path().join("more.yaml")).unwrap();
    program.prints("no longer refused:\n");
    let metrics = shown(program.admin(), "/metrics").1;
    assert!(metrics.contains("\nsluicegate_table_version 2\n"), "{metrics}");
    assert!(metrics.contains("\nsluicegate_config_errors 0\n"), "{metrics}");
    program.terminate();
    assert!(program.ended().0.success());
}

#[test]
fn no_secret_shows_anywhere() {
    let target = Target::start();
    let dir = folder(&target);
    fs::write(dir.path().join("sluicegate.yaml"), "accessLog: {sample: 1}\n").unwrap();
    let program = Program::start(&dir, &["--log", "trace", "--workers", "1"]);
    target.answer.send(()).unwrap();
    assert_eq!(get(program.serving(), "/first?key=of-the-client").0, 200);
    let head = target.heads.recv().unwrap();
    assert!(head.contains(SECRET), "the target gets its credential: {head}");
    let mut texts = Vec::new();
    for path in
        ["/table", "/explain?url=http://h.test/first", "/explain?url=http://h.test/first&format=text", "/metrics"]
    {
        let (status, body) = shown(program.admin(), path);
        assert_eq!(status, 200, "{path}");
        texts.push(body);
    }
    assert!(texts[1].contains("\"default/one\""), "{}", texts[1]);
    program.terminate();
    let (status, printed) = program.ended();
    assert!(status.success());
    let line = printed.lines().find(|line| line.starts_with("{\"time\"")).expect("the access log has the request");
    assert!(line.contains("\"path\":\"/first\"") && line.contains("\"target\":\"default/one\""), "{line}");
    assert!(!line.contains("of-the-client"), "{line}");
    assert!(printed.contains("INFO sluicegate::run: a table is in force"), "the log is on: {printed}");
    texts.push(printed);
    for text in texts {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[test]
fn a_signal_lets_requests_finish() {
    let target = Target::start();
    let dir = folder(&target);
    let program = Program::start(&dir, &[]);
    let address = program.serving();
    let request = thread::spawn(move || get(address, "/first"));
    target.heads.recv().unwrap();
    program.terminate();
    program.prints("stopping: ");
    assert_eq!(shown(program.admin(), "/readyz").0, 503);
    target.answer.send(()).unwrap();
    assert_eq!(request.join().unwrap(), (200, "ok".to_owned()));
    let (status, printed) = program.ended();
    assert!(status.success(), "{printed}");
    assert!(!printed.contains("WARN"), "{printed}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let target = Target::start();
    let dir = folder(&target);
    let program = Program::start(&dir, &[]);
    let address = program.serving();
    // The answer never comes; the client sees its connection break.
    let request = thread::spawn(move || {
        let mut connection = TcpStream::connect(address).unwrap();
        write!(connection, "GET /first HTTP/1.1\r\nHost: h.test\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer);
    });
    target.heads.recv().unwrap();
    program.terminate();
    program.prints("stopping: ");
    program.terminate();
    assert_eq!(program.ended().0.code(), Some(1));
    request.join().unwrap();
}

#[test]
fn what_cannot_start_says_why_in_one_sentence() {
    let target = Target::start();
    let dir = folder(&target);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = fails(&dir, &["--listen", &address]);
    assert!(error.contains(&format!("cannot listen on {address}")) && error.contains("in use"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    // `--admin` is given already; the configuration's own is what the observe endpoints have.
    fs::write(dir.path().join("sluicegate.yaml"), format!("observe: {{address: \"{address}\"}}\n")).unwrap();
    let error = fails(&dir, &[]);
    assert!(error.contains(&format!("cannot listen on {address} for the observe endpoints")), "{error}");

    fs::write(dir.path().join("sluicegate.yaml"), "listner: []\n").unwrap();
    let error = fails(&dir, &[]);
    assert!(error.contains("sluicegate.yaml:1:1: listner: unknown field"), "{error}");
    fs::remove_file(dir.path().join("sluicegate.yaml")).unwrap();

    fs::write(dir.path().join("rules.yaml"), rule("first", "nowhere", "pool")).unwrap();
    let error = fails(&dir, &[]);
    assert!(error.contains("rules.yaml:5:33: Rule default/first: spec.matches[0].path.value"), "{error}");
    assert!(error.contains("holds no valid Rule, so there is nothing to serve: `sluicegate check "), "{error}");
    fs::remove_file(dir.path().join("rules.yaml")).unwrap();
    let error = fails(&dir, &[]);
    assert!(error.contains("holds no Rule, so there is nothing to serve"), "{error}");

    let gone = dir.path().display().to_string();
    fs::remove_dir_all(dir.path()).unwrap();
    assert_eq!(fails(&dir, &[]), format!("sluicegate: there is no file or folder {gone}\n"));
}
