//! The command line.

// The texts are printed as they are.
#![allow(clippy::doc_markdown)]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// Check manifests without serving them; the exit status is 1 where any is refused
    Check(Check),
    /// Print the CustomResourceDefinitions, for `kubectl apply --server-side -f -`
    Crds,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Folders and files; together they are one configuration
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
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
