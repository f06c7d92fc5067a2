//! The program under test: a folder of manifests, a process that serves it, and what one may ask of both.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::client::{self, Client};
use crate::http1::Message;
use crate::name_server::NameServer;
use crate::ports::Port;
use crate::program::{Program, program};
use crate::wait::until;

/// What to start.
#[derive(Debug)]
pub struct Setup {
    folder: TempDir,
    configuration: String,
    tls: bool,
    descriptors: Option<u32>,
    own_hosts: bool,
}

impl Setup {
    /// A folder that holds these manifests.
    pub fn new(manifests: &str) -> Self {
        let setup = Self {
            folder: TempDir::new().expect("a temporary folder"),
            configuration: String::new(),
            tls: false,
            descriptors: None,
            own_hosts: false,
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

    /// Gives the process a hosts file of its own, [`Gate::hosts`], and no name server.
    #[must_use]
    pub fn hosts(self, content: &str) -> Self {
        // A port of loopback where nobody listens refuses questions at once.
        self.resolving(content, Ipv4Addr::new(127, 0, 0, 153))
    }

    /// Gives the process this name server and no other source of names.
    #[must_use]
    pub fn name_server(self, server: &NameServer) -> Self {
        self.resolving("", server.address())
    }

    fn resolving(self, hosts: &str, server: Ipv4Addr) -> Self {
        let mut setup = self.file("hosts", hosts).file("resolv.conf", &format!("nameserver {server}\n"));
        setup.own_hosts = true;
        setup
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
        let mut command = setup.command();
        command.arg("run").arg(setup.folder.path());
        let mut gate =
            Gate { program: Program::start(&mut command), folder: setup.folder, listen, tls, admin, _ports: ports };
        gate.program.wait_until_ready(admin);
        gate
    }

    /// What runs the program; a shell becomes it where something is to be done before.
    fn command(&self) -> Command {
        let mut before = String::new();
        if let Some(most) = self.descriptors {
            write!(before, "ulimit -n {most} && ").unwrap();
        }
        if self.own_hosts {
            for file in ["hosts", "resolv.conf"] {
                let own = self.folder.path().join(file);
                write!(before, "mount --bind {} /etc/{file} && ", own.display()).unwrap();
            }
        }
        if before.is_empty() {
            return Command::new(program());
        }
        let mut command = Command::new(if self.own_hosts { "unshare" } else { "sh" });
        if self.own_hosts {
            command.args(["--map-root-user", "--mount", "sh"]);
        }
        command.args(["-c", &format!("{before} exec \"$0\" \"$@\"")]).arg(program());
        command
    }
}

/// A running program; it is killed when this is dropped.
#[derive(Debug)]
pub struct Gate {
    program: Program,
    folder: TempDir,
    /// The listener in clear text.
    pub listen: SocketAddr,
    /// The listener that speaks TLS, where the setup has one.
    pub tls: SocketAddr,
    /// The admin listener.
    pub admin: SocketAddr,
    _ports: [Port; 3],
}

impl Gate {
    /// Changes the hosts file of its own that [`Setup::hosts`] gave it.
    pub fn hosts(&self, content: &str) {
        std::fs::write(self.folder.path().join("hosts"), content).expect("the folder is writable");
    }

    /// Serves these manifests with the defaults.
    pub fn start(manifests: &str) -> Self {
        Setup::new(manifests).start()
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
        client::admin(self.admin, path)
    }

    /// The value of a metric's first series whose line begins with `series` (name and, if given, labels); 0 when absent.
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.admin("/metrics").text();
        text.lines()
            .filter(|line| line.starts_with(series))
            .find_map(|line| line.rsplit(' ').next()?.parse().ok())
            .unwrap_or_default()
    }

    /// The whole number of a counter's first series whose line begins with `series`; 0 when absent.
    pub fn count(&self, series: &str) -> usize {
        let text = self.admin("/metrics").text();
        let line = text.lines().find(|line| line.starts_with(series));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
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
}

/// What one may ask of any program.
impl Deref for Gate {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl DerefMut for Gate {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.program
    }
}
