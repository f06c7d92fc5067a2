//! The program under test as a process: started, watched, signalled and always ended.

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::wait::{PATIENCE, until, until_for};

/// How long a start may take: the program may first have to come from a disk on which others write. One that has ended is
/// waited for no more.
const START: Duration = Duration::from_mins(3);

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

/// A running program; it is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    output: Arc<Mutex<String>>,
}

impl Program {
    /// Starts a command and gathers what it prints.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("start {}: {error}", command.get_program().display()));
        let output = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().expect("piped"), &output);
        collect(child.stderr.take().expect("piped"), &output);
        Self { child, output }
    }

    /// Waits until `/readyz` of its endpoints there answers 200.
    pub fn wait_until_ready(&mut self, endpoints: SocketAddr) {
        until_for(START, "the program is ready", || {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                panic!("the program ended with {status}:\n{}", self.output());
            }
            is_ready(endpoints).then_some(())
        });
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
        self.memory("VmRSS:")
    }

    /// Resident memory in bytes that is the process's own: without the program's code, which comes and goes with its use.
    pub fn own_memory(&self) -> u64 {
        self.memory("RssAnon:")
    }

    fn memory(&self, which: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process())).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix(which)).expect("Linux says how much is resident");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Sends it a signal, such as `STOP`.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args(["-s", signal, &self.process().to_string()]).status().expect("kill");
        assert!(status.success(), "the program can be signalled");
    }

    /// Asks it to stop, as a service manager does.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Kills it and waits until it is gone.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
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

/// Whether `/readyz` of the endpoints there answers 200 now.
pub fn is_ready(endpoints: SocketAddr) -> bool {
    let ask = || {
        let mut connection = std::net::TcpStream::connect(endpoints)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        std::io::Write::write_all(&mut connection, b"GET /readyz HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer.split(' ').nth(1) == Some("200"))
    };
    ask().unwrap_or(false)
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

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("--- the program's output\n{}---", self.output());
        }
    }
}
