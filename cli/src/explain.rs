//! `sluicegate explain DIR METHOD URL`: what would become of a request, without serving.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;
use sluicegate_controller::source::folder::Reader;
use sluicegate_proxy::explain::{DescribedRequest, explain as explained};
use sluicegate_proxy::receive::Snapshot;
use sluicegate_table::Table;

use crate::arguments::{Explain, Output};
use crate::loading::{Loaded, configuration};

/// Explains the request of the command line.
pub(crate) fn explain(arguments: &Explain, out: &mut impl Write) -> anyhow::Result<()> {
    let configuration = configuration(&arguments.dir)?;
    let loaded = Loaded::new(&Reader::new([&arguments.dir]).read()?, &Table::default());
    if let (errors @ 1.., _) = loaded.counts() {
        let dir = arguments.dir.display();
        tracing::warn!("{errors} objects or files are refused and left out: `sluicegate check {dir}` tells why");
    }
    let snapshot = Snapshot::build(Arc::new(loaded.compiled.table), &Snapshot::default())?;
    let body = match &arguments.body_file {
        Some(file) => std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?,
        None => Vec::new(),
    };
    let headers = arguments.headers.iter().map(|header| DescribedRequest::header(header));
    let headers = headers.collect::<Result<Vec<_>, _>>()?;
    let request = DescribedRequest::new(&arguments.method, &arguments.url, headers, body, arguments.client_ip)?;
    let explanation = explained(&snapshot, &request, &configuration.identity);
    match arguments.output {
        Output::Text => write!(out, "{explanation}")?,
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, &explanation)?;
            writeln!(out)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
