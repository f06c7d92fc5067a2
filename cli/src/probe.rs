//! `sluicegate probe URL`: asks once, for images without a shell. Kubelets' probes, `helm test` and scripts run it.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::arguments::Probe;

/// How much of an answer is read to say why a probe failed.
const REASON_MOST: usize = 4096;

/// Succeeds if the answer to a GET is a 2xx within the timeout, or with `--any` if there is one.
pub(crate) async fn probe(arguments: &Probe) -> anyhow::Result<ExitCode> {
    let Probe { url, timeout: patience, any } = arguments;
    match timeout(patience.get(), ask(url, *any)).await {
        Ok(result) => result.map(|()| ExitCode::SUCCESS),
        Err(_) => bail!("{url} did not answer within {patience}"),
    }
}

async fn ask(url: &Uri, any: bool) -> anyhow::Result<()> {
    let (Some("http"), Some(host)) = (url.scheme_str(), url.host()) else {
        bail!("{url}: write it with http:// in front");
    };
    let port = url.port_u16().unwrap_or(80);
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let connection = TcpStream::connect((address, port)).await.with_context(|| format!("cannot connect to {url}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(connection)).await?;
    let connection = tokio::spawn(connection);
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let authority = url.authority().map_or(host, |authority| authority.as_str());
    let request = Request::get(path)
        .header("host", authority)
        .header("user-agent", concat!("sluicegate-probe/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await.with_context(|| format!("{url} does not answer in HTTP"))?;
    let status = answer.status();
    let succeeds = any || status.is_success();
    let reason = if succeeds {
        None
    } else {
        let body = Limited::new(answer.into_body(), REASON_MOST).collect().await;
        body.ok().map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned())
    };
    connection.abort();
    if succeeds {
        return Ok(());
    }
    match reason.filter(|reason| !reason.is_empty()) {
        Some(reason) => bail!("{url} answers {status}: {reason}"),
        None => bail!("{url} answers {status}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;
    use crate::echo;

    /// What is said of a path of an echo server.
    async fn probed(path: &str) -> Result<(), String> {
        probed_for(path, false).await
    }

    async fn probed_for(path: &str, any: bool) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { echo::run(listener, "one").await });
        let url = format!("http://{address}{path}").parse().unwrap();
        let arguments = Probe { url, timeout: "1s".parse().unwrap(), any };
        let result = probe(&arguments).await.map(|code| assert_eq!(code, ExitCode::SUCCESS));
        result.map_err(|error| format!("{error:#}").replace(&address.to_string(), "ECHO"))
    }

    #[tokio::test]
    async fn success_is_a_2xx() {
        assert_eq!(probed("").await, Ok(()));
        assert_eq!(probed("/status/204?x=1").await, Ok(()));
        let refused = probed("/status/503").await.unwrap_err();
        assert!(refused.starts_with("http://ECHO/status/503 answers 503 Service Unavailable"), "{refused}");
        let redirected = probed("/status/302").await.unwrap_err();
        assert!(redirected.contains("answers 302 Found"), "a redirect is not followed: {redirected}");
    }

    #[tokio::test]
    async fn any_answer_will_do_where_that_is_asked_for() {
        assert_eq!(probed_for("/status/404", true).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_a_failure() {
        assert_eq!(probed("/delay/1h").await.unwrap_err(), "http://ECHO/delay/1h did not answer within 1s");
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_a_failure() {
        // Bound, so that its port is nobody else's, and no listener.
        let kept = TcpSocket::new_v4().unwrap();
        kept.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let closed = kept.local_addr().unwrap();
        for (url, said) in [
            (format!("http://{closed}/"), format!("cannot connect to http://{closed}/: ")),
            (format!("https://{closed}/"), format!("https://{closed}/: write it with http:// in front")),
            ("/readyz".to_owned(), "/readyz: write it with http:// in front".to_owned()),
        ] {
            // Not even --any takes what is no answer.
            let arguments = Probe { url: url.parse().unwrap(), timeout: "1s".parse().unwrap(), any: true };
            let error = format!("{:#}", probe(&arguments).await.unwrap_err());
            assert!(error.starts_with(&said), "{error}");
        }
    }
}
