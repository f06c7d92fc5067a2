//! The command line.

// The texts are printed as they are.
#![allow(clippy::doc_markdown, rustdoc::bare_urls)]

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use sluicegate_crds::scalars::Duration;

/// Routes and balances AI and API traffic.
#[derive(Debug, Parser)]
#[command(name = "sluicegate", version, propagate_version = true)]
pub(crate) struct Arguments {
    /// What to log to the standard error: a level (`info`), or levels by module (`info,sluicegate_proxy=debug`). Left
    /// out: the environment variable RUST_LOG, else `warn`
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a folder of manifests
    Run(Run),
    /// Control the proxies of a Kubernetes cluster by the objects that it holds
    Controller(Controller),
    /// Serve what a controller sends
    Proxy(Proxy),
    /// Check manifests without serving them; the exit status is 1 where any is refused
    Check(Check),
    /// Explain what would become of a request: which Rule takes it, why the others do not, which target gets it
    Explain(Explain),
    /// Show what a running installation has: the controller and each proxy by version, and every object that is not as it
    /// should be
    Status(Status),
    /// Ask a URL once; the exit status is 0 where the answer is a 2xx
    Probe(Probe),
    /// Wait, such as before a container stops
    Sleep(Sleep),
    /// Serve answers that say what arrived: a small target for trying rules out
    Echo(Echo),
    /// Print the CustomResourceDefinitions, for `kubectl apply --server-side -f -`
    Crds,
}

/// Serves every .yaml, .yml and .json file of a folder and follows its changes. The access log goes to the standard
/// output, everything else to the standard error.
#[derive(Clone, Debug, Args)]
pub(crate) struct Run {
    /// The folder; its `sluicegate.yaml` holds listeners and the like
    pub(crate) dir: PathBuf,
    /// Where to listen in clear text, instead of the listeners of `sluicegate.yaml`; may be given several times
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Where the admin endpoints are
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) admin: Option<SocketAddr>,
    /// How many threads serve requests; 0: as many as there are CPUs
    #[arg(long, value_name = "NUMBER")]
    pub(crate) workers: Option<usize>,
}

/// Compiles the cluster's Upstreams, Targets and Rules, sends them to the proxies and writes what became of them into their
/// status. Of several controllers one does so at a time. The environment variables POD_NAMESPACE, POD_NAME and POD_IP say
/// where it runs.
#[derive(Debug, Args)]
pub(crate) struct Controller {
    /// Its configuration; left out: the defaults
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Follows the controller that its configuration names, and serves from what it kept while no controller can be reached.
#[derive(Debug, Args)]
pub(crate) struct Proxy {
    /// Its configuration: that of `run`, with `controller`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Folders and files; together they are one configuration
    #[arg(required_unless_present = "live")]
    pub(crate) paths: Vec<PathBuf>,
    /// Check them as they would be with the other objects of the kubeconfig's cluster, or without paths check those
    #[arg(long)]
    pub(crate) live: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The folder of manifests (not with --live), the request's method, and its URL, such as
    /// http://api.example.com/v1/chat?v=2
    #[arg(required = true, num_args = 2..=3, value_names = ["DIR", "METHOD", "URL"])]
    pub(crate) asked: Vec<String>,
    /// Ask a proxy of the installation in the kubeconfig's cluster instead of a folder
    #[arg(long)]
    pub(crate) live: bool,
    /// The namespace that Sluicegate is installed in; with --live
    #[arg(short, long, default_value = "sluicegate", requires = "live")]
    pub(crate) namespace: String,
    /// A header of the request; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// A file with the request's body
    #[arg(long, value_name = "FILE")]
    pub(crate) body_file: Option<PathBuf>,
    /// The client's address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) client_ip: std::net::IpAddr,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// Asks the leading controller of an installation, and the API server, in the cluster of the kubeconfig in force. The exit
/// status is 1 where anything is not as it should be.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The namespace that Sluicegate is installed in
    #[arg(short, long, default_value = "sluicegate")]
    pub(crate) namespace: String,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// The URL, such as http://127.0.0.1:9902/readyz
    pub(crate) url: http::Uri,
    /// How long the whole of it may take
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub(crate) timeout: Duration,
    /// Any answer will do, whatever its status: it shows that the way there is open
    #[arg(long)]
    pub(crate) any: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Sleep {
    /// How long, such as 5s or 1m30s
    pub(crate) duration: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Echo {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:9101")]
    pub(crate) listen: SocketAddr,
    /// What it calls itself in its answers; in a pod the pod's name
    #[arg(long, env = "HOSTNAME", default_value = "echo")]
    pub(crate) name: String,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
