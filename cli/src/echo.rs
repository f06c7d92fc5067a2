//! Echo servers: small targets for trying rules out (`sluicegate echo`, or `echo:` in `sluicegate.yaml`), and for tests.
//!
//! They speak HTTP/1.1, and HTTP/2 to clients that know it beforehand (h2c), and answer any request with JSON that says
//! what arrived. A few paths answer otherwise:
//!
//! | path | answer |
//! | --- | --- |
//! | `/status/503` | that status |
//! | `/delay/100ms` | the usual JSON, after that time |
//! | `/bytes/1048576` | so many bytes |
//! | `/sse?frames=5&interval=1s` | a stream of server-sent events |

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::serve::ListenerExt;
use axum::{Router, serve};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use crate::arguments;
use crate::process::{Signals, bind, say};

/// The longest `/delay` and the longest `interval` of `/sse`.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// The most bytes that `/bytes` answers.
const MOST_BYTES: u64 = 16 << 30;
/// The most frames that `/sse` sends.
const MOST_FRAMES: u64 = 1_000_000;

/// `sluicegate echo`: serves until a signal says to stop, then finishes what it has begun.
pub(crate) async fn serve_until_stopped(arguments: &arguments::Echo) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let listener = bind(arguments.listen, "the echo server").await?;
    say(&format!("echo server {} on {}\n", arguments.name, listener.local_addr()?));
    let stopped = async move { signals.next().await };
    answering(listener, &arguments.name, stopped).await?;
    Ok(ExitCode::SUCCESS)
}

/// Serves until dropped: an echo server that calls itself `name` in its answers.
///
/// # Errors
/// Accepting connections failed for good.
pub async fn run(listener: TcpListener, name: &str) -> io::Result<()> {
    answering(listener, name, std::future::pending()).await
}

async fn answering(
    listener: TcpListener,
    name: &str,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new().fallback(answer).with_state(Arc::<str>::from(name));
    let listener = listener.tap_io(|connection| {
        // Frames of an event stream must not wait for one another; without it they only come later.
        let _ = connection.set_nodelay(true);
    });
    serve(listener, router).with_graceful_shutdown(stopped).await
}

/// What an echo server answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Echo<'a> {
    name: &'a str,
    method: &'a str,
    protocol: String,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    headers: BTreeMap<&'a str, Cow<'a, str>>,
    body_bytes: u64,
}

async fn answer(State(name): State<Arc<str>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut steps = head.uri.path().trim_start_matches('/').splitn(2, '/');
    match (steps.next(), steps.next()) {
        (Some("status"), Some(status)) => match StatusCode::from_str(status) {
            Ok(status) => return status.into_response(),
            Err(_) => return refuse("a status is a number such as /status/503"),
        },
        (Some("bytes"), Some(number)) => match number.parse() {
            Ok(left) if left <= MOST_BYTES => return Body::new(Filler { left }).into_response(),
            _ => return refuse("a number of bytes is written as /bytes/1048576"),
        },
        (Some("sse"), None) => {
            return match Events::asked(&name, head.uri.query().unwrap_or_default()) {
                Some(events) => events.into_response(),
                None => refuse("event streams are asked for as /sse?frames=5&interval=1s"),
            };
        }
        (Some("delay"), Some(time)) => match wait(time) {
            Some(time) => sleep(time).await,
            None => return refuse("a delay is written as /delay/100ms, and takes an hour at most"),
        },
        _ => {}
    }
    let Ok(body_bytes) = count(body).await else { return refuse("the request's body broke off") };
    let echo = Echo {
        name: &name,
        method: head.method.as_str(),
        protocol: format!("{:?}", head.version),
        path: head.uri.path(),
        query: head.uri.query(),
        headers: texts(&head.headers),
        body_bytes,
    };
    Json(echo).into_response()
}

fn refuse(why: &'static str) -> Response {
    (StatusCode::BAD_REQUEST, Json(serde_json::json!({ "error": why }))).into_response()
}

fn wait(text: &str) -> Option<Duration> {
    let time = sluicegate_crds::scalars::Duration::from_str(text).ok()?.get();
    (time <= LONGEST_WAIT).then_some(time)
}

/// Headers of one name are joined as RFC 9110, 5.3 allows.
fn texts(headers: &HeaderMap) -> BTreeMap<&str, Cow<'_, str>> {
    let mut texts: BTreeMap<&str, Cow<'_, str>> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        texts.entry(name.as_str()).and_modify(|text| *text = format!("{text}, {value}").into()).or_insert(value);
    }
    texts
}

/// Reads a body to its end without keeping it.
async fn count(mut body: Body) -> Result<u64, axum::Error> {
    let mut bytes = 0;
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(bytes)
}

/// A body of so many bytes.
struct Filler {
    left: u64,
}

static CHUNK: [u8; 64 * 1024] = [b'x'; 64 * 1024];

type Frame = http_body::Frame<Bytes>;

impl HttpBody for Filler {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let size = usize::try_from(self.left).unwrap_or(usize::MAX).min(CHUNK.len());
        self.left -= size as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&CHUNK).slice(..size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.left)
    }
}

/// A stream of server-sent events, the first at once.
struct Events {
    name: Arc<str>,
    next: u64,
    frames: u64,
    interval: Interval,
}

impl Events {
    /// The stream that a query asks for; `None`: what it asks for cannot be done.
    fn asked(name: &Arc<str>, query: &str) -> Option<Self> {
        let (mut frames, mut every) = (5, Duration::from_secs(1));
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=')? {
                ("frames", number) => frames = number.parse().ok().filter(|frames| *frames <= MOST_FRAMES)?,
                ("interval", time) => every = wait(time)?,
                _ => return None,
            }
        }
        // An interval of 0 is an error to tokio; no wait at all would be a busy loop to readers.
        let mut interval = interval(every.max(Duration::from_millis(1)));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Some(Self { name: Arc::clone(name), next: 0, frames, interval })
    }
}

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::new(self));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Infallible>>> {
        if self.next == self.frames {
            return Poll::Ready(None);
        }
        if self.interval.poll_tick(cx).is_pending() {
            return Poll::Pending;
        }
        let event = serde_json::json!({ "name": &*self.name, "frame": self.next });
        self.next += 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(format!("data: {event}\n\n"))))))
    }
}

#[cfg(test)]
#[path = "echo_tests.rs"]
mod tests;
