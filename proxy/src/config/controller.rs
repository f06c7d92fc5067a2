//! Where a proxy gets its table from: the part of the configuration that only `sluicegate proxy` uses.

use std::path::PathBuf;

use http::Uri;
use http::uri::{PathAndQuery, Scheme};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::file::Checks;

/// The controller that a proxy takes its table from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// Where its watch channel is: `https`, a host, a port, and nothing else. The host is the name in its certificate.
    pub url: Uri,
    /// The certificate authorities that its certificate is checked against, PEM; read anew for each connection.
    pub ca_file: PathBuf,
    /// The token that says who this proxy is; read anew for each connection.
    pub token_file: PathBuf,
}

/// What is written under `controller`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Entry {
    url: Spanned<String>,
    ca_file: Spanned<String>,
    token_file: Spanned<String>,
}

impl Entry {
    pub(super) fn checked(self, checks: &mut Checks<'_>) -> Controller {
        let url = channel_url(&self.url.value).unwrap_or_else(|message| {
            checks.problem(self.url.referenced, "controller.url", message);
            Uri::default()
        });
        Controller {
            url,
            ca_file: checks.path(self.ca_file, "controller.caFile"),
            token_file: checks.path(self.token_file, "controller.tokenFile"),
        }
    }
}

fn channel_url(text: &str) -> Result<Uri, String> {
    let example = "write it as https://sluicegate-controller.NAMESPACE.svc:8443";
    let url: Uri = text.parse().map_err(|_| format!("`{text}` is no URL: {example}"))?;
    if url.scheme() != Some(&Scheme::HTTPS) {
        return Err(format!("`{text}` is not encrypted, and the table holds keys: {example}"));
    }
    if url.host().is_none_or(str::is_empty)
        || url.path_and_query().is_some_and(|path| *path != PathAndQuery::from_static("/"))
    {
        return Err(format!("`{text}` must be a host and a port alone: {example}"));
    }
    Ok(url)
}
