//! `sluicegate explain`: what would become of a request, without sending it: by a folder's manifests, or by a proxy of a
//! running installation.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use http::Method;
use serde_json::json;
use sluicegate_controller::source::folder::Reader;
use sluicegate_proxy::explain::{DescribedRequest, explain as explained};
use sluicegate_proxy::receive::Snapshot;
use sluicegate_table::Table;
use sluicegate_table::watch::Refusal;

use crate::arguments::{Explain, Output};
use crate::live::Installation;
use crate::loading::{Loaded, configuration};
use crate::process::on_control_runtime;

/// Explains the request of the command line.
pub(crate) fn explain(arguments: &Explain, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let body = match &arguments.body_file {
        Some(file) => std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?,
        None => Vec::new(),
    };
    let headers = arguments.headers.iter().map(|header| DescribedRequest::header(header));
    let headers = headers.collect::<Result<Vec<_>, _>>()?;
    match (arguments.live, arguments.asked.as_slice()) {
        (false, [dir, method, url]) => {
            let request = DescribedRequest::new(method, url, headers, body, arguments.client_ip)?;
            by_folder(Path::new(dir), &request, arguments.output, out)?;
            Ok(ExitCode::SUCCESS)
        }
        (true, [method, url]) => {
            // What a proxy would refuse is refused here already, in the same words.
            DescribedRequest::new(method, url, headers.iter().copied(), body.clone(), arguments.client_ip)?;
            let body = String::from_utf8(body).context("the body is no UTF-8 text, as --live needs it")?;
            let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (name, value) in headers {
                by_name.entry(name).or_default().push(value);
            }
            let format = if arguments.output == Output::Text { "text" } else { "json" };
            let description = json!({
                "method": method, "url": url, "headers": by_name, "body": body,
                "clientIP": arguments.client_ip, "format": format,
            });
            on_control_runtime(by_proxy(&arguments.namespace, description.to_string(), out))
        }
        (false, _) => bail!("explain needs a folder, a method and a URL; without a folder it needs --live"),
        (true, _) => bail!("explain --live needs a method and a URL, and no folder"),
    }
}

fn by_folder(dir: &Path, request: &DescribedRequest, output: Output, out: &mut impl Write) -> anyhow::Result<()> {
    let configuration = configuration(dir)?;
    let loaded = Loaded::new(&Reader::new([dir]).read()?, &Table::default());
    if let (errors @ 1.., _) = loaded.counts() {
        let dir = dir.display();
        tracing::warn!("{errors} objects or files are refused and left out: `sluicegate check {dir}` tells why");
    }
    let (snapshot, refused) = Snapshot::build(Arc::new(loaded.compiled.table), &Snapshot::default());
    for Refusal { id, reason } in refused {
        tracing::warn!("{id} cannot be served and is left out: {reason}");
    }
    let explanation = explained(&snapshot, request, &configuration.identity);
    match output {
        Output::Text => write!(out, "{explanation}")?,
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, &explanation)?;
            writeln!(out)?;
        }
    }
    Ok(())
}

async fn by_proxy(namespace: &str, description: String, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let installation = Installation::connect(namespace).await?;
    let pods = installation.pods("proxy").await?;
    let pod = pods.first().context("there is no proxy")?;
    let answer = installation.ask(pod, Method::POST, "/explain", description.into_bytes()).await?;
    out.write_all(&answer)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
