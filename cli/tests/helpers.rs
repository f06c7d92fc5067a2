//! The subcommands for images without a shell: `probe`, `sleep`, `echo`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn sluicegate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command.args(arguments).env("HOSTNAME", "echo-7d9f").stderr(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// A running echo server, what it said of itself, and where it listens.
fn echo() -> (Child, String, String) {
    let mut child = sluicegate(&["echo", "--listen", "127.0.0.1:0"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit(' ').next().unwrap().to_owned();
    (child, line, address)
}

fn ask(address: &str, path: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: echo\r\nConnection: close\r\n\r\n").unwrap();
    connection
}

#[test]
fn sleep_takes_as_long_as_it_says() {
    let began = Instant::now();
    assert!(sluicegate(&["sleep", "300ms"]).status().unwrap().success());
    assert!(began.elapsed() >= Duration::from_millis(300));
    let wrong = sluicegate(&["sleep", "5"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("invalid value '5'"), "{wrong:?}");
}

#[test]
fn probe_tells_by_its_exit_status() {
    let (mut echo, _, address) = echo();
    for (path, code) in [("/", 0), ("/status/404", 1)] {
        let probed = sluicegate(&["probe", &format!("http://{address}{path}")]).output().unwrap();
        assert_eq!(probed.status.code(), Some(code), "{probed:?}");
    }
    echo.kill().unwrap();
    echo.wait().unwrap();
}

#[test]
fn echo_is_called_after_its_pod_and_finishes_what_it_has_begun() {
    let (mut echo, line, address) = echo();
    assert!(line.starts_with("echo server echo-7d9f on 127.0.0.1:"), "{line}");
    let mut slow = ask(&address, "/sse?frames=3&interval=200ms");
    let mut answer = vec![0; 1];
    slow.read_exact(&mut answer).unwrap();
    assert!(Command::new("kill").arg(echo.id().to_string()).status().unwrap().success());
    slow.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert_eq!(answer.matches("data:").count(), 3, "{answer}");
    assert!(echo.wait().unwrap().success());
}
