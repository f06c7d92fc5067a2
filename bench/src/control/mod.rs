//! The control plane beside a real API server: how fast an edit reaches traffic, and what it costs.
//!
//! Controllers and proxies run as they are shipped; the API server is the tests' own. Everything shares one machine, so
//! that times are an upper bound of what a cluster sees. The report goes to the standard output as Markdown.

// JSON that is indexed gives null where there is nothing.
#![allow(clippy::indexing_slicing)]

mod burst;
mod cluster;
mod fleet;
mod latency;
mod load;
mod origin;
mod report;
mod rules;
mod scale;

use std::process::ExitCode;

use anyhow::Context as _;

use self::cluster::Setting;
use self::report::Report;

/// Runs the scenarios that the command line names, or all of them.
pub fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    match run(&wanted) {
        Ok(report) => {
            report::print(&report.markdown());
            if report.all_reached() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            report::complain(&format!("bench-control: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

type Scenario = fn(&mut Setting<'_>, &mut Report) -> anyhow::Result<()>;

/// In the order in which they run: each leaves the cluster as it found it.
const SCENARIOS: [(&str, Scenario); 5] = [
    ("latency", latency::measure),
    ("burst", burst::measure),
    ("fleet", fleet::measure),
    ("load", load::measure),
    ("scale", scale::measure),
];

fn run(wanted: &[String]) -> anyhow::Result<Report> {
    let unknown = wanted.iter().find(|name| !SCENARIOS.iter().any(|(known, _)| known == name));
    if let Some(name) = unknown {
        let names: Vec<&str> = SCENARIOS.iter().map(|(name, _)| *name).collect();
        anyhow::bail!("there is no scenario {name}: choose among {}", names.join(", "));
    }
    // Two TLS libraries could be meant; the whole project uses this one.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok().context("the TLS library is set up once")?;
    let mut report = Report::default();
    for (name, measure) in SCENARIOS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            report::complain(&format!("--- {name}"));
            Setting::with(|setting| measure(setting, &mut report)).with_context(|| format!("scenario {name}"))?;
        }
    }
    Ok(report)
}
