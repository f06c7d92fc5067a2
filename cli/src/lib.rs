//! The program `sluicegate`: one subcommand a file.
//!
//! What a subcommand finds out goes to the standard output, what it says about itself to the standard error, so that the
//! former can be piped. Failing means one clear sentence and exit status 1; a wrong command line is exit status 2.

mod arguments;
mod check;
mod check_live;
mod controller;
mod crds;
mod descriptors;
pub mod echo;
mod explain;
mod live;
mod loading;
mod probe;
mod process;
mod proxy;
mod run;
mod settings;
mod startup_code;
mod status;
pub mod table_view;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use arguments::{Arguments, Command};

/// Runs the program with the process's command line.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Not locked: the access log writes to it as well.
    let mut out = io::stdout();
    let result = start_log(arguments.log.as_deref()).and_then(|()| match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments, &mut out),
        Command::Check(arguments) => check::check(&arguments, &mut out),
        Command::Controller(arguments) => controller::controller(&arguments),
        Command::Proxy(arguments) => proxy::proxy(&arguments),
        Command::Status(arguments) => process::on_control_runtime(status::status(&arguments, &mut out)),
        Command::Probe(arguments) => process::on_control_runtime(probe::probe(&arguments)),
        Command::Sleep(arguments) => {
            thread::sleep(arguments.duration.get());
            Ok(ExitCode::SUCCESS)
        }
        Command::Echo(arguments) => {
            descriptors::raise_limit();
            process::on_control_runtime(echo::serve_until_stopped(&arguments))
        }
        Command::Crds => crds::print(&mut out).map(|()| ExitCode::SUCCESS),
    });
    result.and_then(|code| Ok(out.flush().map(|()| code)?)).unwrap_or_else(|error| failed(&error))
}

fn failed(error: &anyhow::Error) -> ExitCode {
    if let Some(text) = told(error) {
        // Nothing is left to be told when the standard error is closed.
        let _ = writeln!(io::stderr(), "sluicegate: {text}");
    }
    ExitCode::FAILURE
}

/// Why the program failed; a cause that its effect quotes is said once. A reader of the output that went away (`| head`) is
/// no failure worth a word.
fn told(error: &anyhow::Error) -> Option<String> {
    let kind = (error.downcast_ref::<io::Error>().map(io::Error::kind))
        .or_else(|| error.downcast_ref::<serde_json::Error>()?.io_error_kind());
    if kind == Some(io::ErrorKind::BrokenPipe) {
        return None;
    }
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    Some(text)
}

fn start_log(filter: Option<&str>) -> anyhow::Result<()> {
    let filter = match filter {
        Some(filter) => EnvFilter::try_new(filter).map_err(|error| anyhow::anyhow!("--log {filter}: {error}"))?,
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sluicegate_controller::source::folder::FolderError;

    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let error = || io::Error::from(io::ErrorKind::PermissionDenied);
        let quoted = FolderError::Unreadable { path: "dir".into(), error: error() };
        assert_eq!(told(&quoted.into()).unwrap(), "cannot read dir: permission denied");
        let told_of = told(&anyhow::Error::from(error()).context("cannot read body.json")).unwrap();
        assert_eq!(told_of, "cannot read body.json: permission denied");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure_worth_a_word() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert_eq!(told(&serde_json::to_writer(Gone, &"json").unwrap_err().into()), None);
        assert_eq!(told(&write!(Gone, "text").unwrap_err().into()), None);
    }
}
