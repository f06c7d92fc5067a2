//! Commands in documents, and what they print: fenced blocks marked `console`, in which a line that begins with `$ ` is
//! a command and the lines behind it are its output.
//!
//! They run in a copy of the repository's examples, with every port replaced by a free one, so that documents may name
//! the ports that people will use. Blocks marked `console cluster` need a Kubernetes cluster: only the test that has one
//! runs them, at the top of the repository.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::client;
use crate::ports::Port;
use crate::program::program;
use crate::wait::until;

/// How the documents start the program.
const FROM_SOURCE: &str = "cargo run --release --";

/// A command and the output that a document promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The command, for a shell.
    pub command: String,
    /// Its output, line by line.
    pub output: String,
}

/// The steps of all `console` blocks of a document, in order.
pub fn steps(document: &str) -> Vec<Step> {
    steps_of(document, "```console")
}

/// The steps of all `console cluster` blocks of a document, in order.
pub fn cluster_steps(document: &str) -> Vec<Step> {
    steps_of(document, "```console cluster")
}

fn steps_of(document: &str, fence: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        match (inside, line) {
            (false, line) if line == fence => inside = true,
            (true, "```") => inside = false,
            (true, _) => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step { command: command.to_owned(), output: String::new() }),
                (None, Some(step)) => {
                    step.output.push_str(line);
                    step.output.push('\n');
                }
                (None, None) => panic!("output without a command: {line}"),
            },
            (false, _) => {}
        }
    }
    steps
}

/// The languages of all fenced blocks of a document.
pub fn languages(document: &str) -> Vec<&str> {
    document.lines().filter_map(|line| line.strip_prefix("```")).step_by(2).collect()
}

/// A copy of the examples in which commands are run.
#[derive(Debug)]
pub struct Session {
    folder: TempDir,
    ports: BTreeMap<u16, Port>,
    running: Option<Child>,
}

impl Session {
    /// Copies the examples of the repository at `top`.
    pub fn new(top: &Path) -> Self {
        let mut session =
            Self { folder: TempDir::new().expect("a temporary folder"), ports: BTreeMap::new(), running: None };
        let to = session.folder.path().join("examples");
        session.copy(&top.join("examples"), &to);
        session
    }

    /// Where the commands are run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn copy(&mut self, from: &Path, to: &Path) {
        std::fs::create_dir_all(to).expect("the copy is writable");
        for entry in std::fs::read_dir(from).expect("a folder of examples") {
            let path = entry.expect("a readable folder").path();
            let target = to.join(path.file_name().expect("a name"));
            if path.is_dir() {
                self.copy(&path, &target);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                std::fs::write(target, self.with_free_ports(&text)).expect("the copy is writable");
            }
        }
    }

    /// Replaces the ports that documents use (8080, 8443 and those from 9000 to 9999) by free ones.
    fn with_free_ports(&mut self, text: &str) -> String {
        let mut replaced = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
            let (before, from) = rest.split_at(start);
            let (number, after) =
                from.split_at(from.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(from.len()));
            replaced.push_str(before);
            match number.parse::<u16>() {
                Ok(port @ (8080 | 8443 | 9000..=9999)) if number.len() == 4 => {
                    replaced.push_str(&self.port(port).port().to_string());
                }
                _ => replaced.push_str(number),
            }
            rest = after;
        }
        replaced + rest
    }

    fn port(&mut self, documented: u16) -> SocketAddr {
        self.ports.entry(documented).or_insert_with(Port::free).address()
    }

    /// Runs a step. One that serves goes on in the background until the session ends; any other has to succeed and print
    /// what the document says.
    pub fn run(&mut self, step: &Step) {
        let command = self.with_free_ports(&step.command);
        if command.contains(&format!("{FROM_SOURCE} run ")) {
            self.serve(&command);
            return;
        }
        let output = self.shell(&command).output().expect("a shell");
        let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let promised = self.with_free_ports(&step.output);
        assert_eq!(printed.trim_end(), promised.trim_end(), "what `{command}` prints; on its standard error: {errors}");
    }

    fn serve(&mut self, command: &str) {
        assert!(self.running.is_none(), "one program at a time");
        // `exec`, so that the process we know is the program and not its shell.
        let words = command
            .split_once(FROM_SOURCE)
            .map(|(before, after)| format!("{before}exec {FROM_SOURCE}{after}"))
            .expect("a command that serves");
        let child = self.shell(&words).stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("a shell");
        let admin = self.port(9901);
        let child = self.running.insert(child);
        until("the program is ready", || {
            assert!(child.try_wait().expect("a child can be waited for").is_none(), "`{command}` has ended");
            std::net::TcpStream::connect(admin).ok()?;
            // By one of the machine's own names, as a person asks.
            let answer = client::admin(admin, "/readyz");
            (answer.status() == 200).then_some(())
        });
    }

    /// A shell for a command, in which the program that is under test stands for the one built from source.
    fn shell(&self, command: &str) -> Command {
        let command = command.replace(FROM_SOURCE, &program().display().to_string());
        let mut shell = Command::new("bash");
        shell
            .args(["-o", "pipefail", "-c", &command])
            .current_dir(self.folder.path())
            .env("NO_PROXY", "*")
            .env("no_proxy", "*");
        shell
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(child) = &mut self.running {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// The repository's folder.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "Text\n\n```console\n$ one\n$ two\nout\n\nmore\n```\n\n```yaml\n$ no: command\n```\n```console\n$ three\n```\n\
         ```console cluster\n$ four\n```\n";

    #[test]
    fn steps_are_commands_with_the_lines_behind_them() {
        let expected = [("one", ""), ("two", "out\n\nmore\n"), ("three", "")]
            .map(|(command, output)| Step { command: command.to_owned(), output: output.to_owned() });
        assert_eq!(steps(DOCUMENT), expected);
        assert_eq!(cluster_steps(DOCUMENT), [Step { command: "four".to_owned(), output: String::new() }]);
        assert_eq!(languages(DOCUMENT), ["console", "yaml", "console", "console cluster"]);
    }

    #[test]
    fn documented_ports_are_replaced_by_free_ones_and_nothing_else_is() {
        let mut session = Session { folder: TempDir::new().unwrap(), ports: BTreeMap::new(), running: None };
        let text = session.with_free_ports("localhost:8080 8080 port: 9101, 90801 1.9 x8080 2026");
        let (listen, echo) = (session.port(8080).port(), session.port(9101).port());
        assert_eq!(text, format!("localhost:{listen} {listen} port: {echo}, 90801 1.9 x{listen} 2026"));
    }

    #[test]
    #[should_panic(expected = "what `printf")]
    fn another_output_than_promised_is_noticed() {
        let mut session = Session { folder: TempDir::new().unwrap(), ports: BTreeMap::new(), running: None };
        // The program is not there where only this crate has been built; nothing here asks for it.
        let step = Step { command: "printf one".to_owned(), output: "two\n".to_owned() };
        session.run(&step);
    }
}
