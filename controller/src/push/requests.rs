//! The channel's requests: who may ask, and what is answered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt, LengthLimitError, Limited, StreamBody};
use serde::de::DeserializeOwned;
use sluicegate_table::watch::{Hashes, Report, Version};
use tokio::sync::watch;
use tokio::time::Instant;

use super::answers::{self, Body, problem};
use super::authenticate::{Authenticator, Caller, Refused};
use super::difference::Difference;
use super::stream::{Start, Stream, Watching};
use super::wire::Wire;
use crate::collect::Fleet;
use crate::lead::{Leadership, Standing};

/// The most bytes of a body: the hashes of 100,000 entries with long names.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// What the requests of all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) wire: watch::Receiver<Arc<Wire>>,
    pub(super) fleet: Arc<Fleet>,
    pub(super) leadership: Leadership,
    pub(super) authenticator: Authenticator,
    pub(super) heartbeat: Duration,
}

impl Shared {
    /// Answers one request; `known` is told when its sender has proved who it is.
    pub(super) async fn answer<B>(&self, request: Request<B>, known: impl FnOnce()) -> Response<Body>
    where
        B: HttpBody<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send,
    {
        let caller = match self.caller(request.headers()).await {
            Ok(caller) => caller,
            Err(refused) => return answers::refused(&refused),
        };
        known();
        if !self.leadership.leads() {
            return match self.leadership.standing() {
                Standing::Follows { leader } => answers::not_the_leader(leader.as_deref()),
                Standing::Leads { .. } => answers::not_the_leader(None),
            };
        }
        let (parts, body) = request.into_parts();
        match (parts.uri.path(), &parts.method) {
            ("/v1/table", &Method::GET) => match Asked::parse(parts.uri.query()) {
                Ok(Asked { watch: false, .. }) => self.table(),
                Ok(Asked { version: None, .. }) => self.watch(&caller, Start::Nothing),
                Ok(Asked { version: Some(version), .. }) => {
                    let now = Arc::clone(&self.wire.borrow());
                    // Before the first version of a term nobody can say what a proxy lacks of it.
                    if now.knows(&version) { self.watch(&caller, Start::Version(version)) } else { gone(&version) }
                }
                Err(answer) => *answer,
            },
            ("/v1/table", &Method::POST) => match Asked::parse(parts.uri.query()) {
                Ok(Asked { watch: true, version: None }) => match json::<Hashes, _>(body).await {
                    Ok(hashes) => self.watch(&caller, Start::Hashes(hashes)),
                    Err(answer) => *answer,
                },
                Ok(_) => problem(StatusCode::BAD_REQUEST, "not a watch", "a body of hashes goes with watch=true alone"),
                Err(answer) => *answer,
            },
            ("/v1/reports", &Method::POST) => match json::<Report, _>(body).await {
                Ok(report) => {
                    self.fleet.reported(&caller.id, report);
                    answers::done()
                }
                Err(answer) => *answer,
            },
            ("/v1/table" | "/v1/reports", _) => {
                problem(StatusCode::METHOD_NOT_ALLOWED, "no such method", "docs/watch-channel.md lists the requests")
            }
            _ => problem(StatusCode::NOT_FOUND, "nothing is here", "the channel has /v1/table and /v1/reports"),
        }
    }

    async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refused> {
        let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or(Refused::NoToken)?;
        match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                self.authenticator.authenticate(token.trim()).await
            }
            _ => Err(Refused::NoToken),
        }
    }

    /// The version in force, once.
    fn table(&self) -> Response<Body> {
        let now = Arc::clone(&self.wire.borrow());
        if !now.is_ready() {
            let detail = "the objects have not all been read yet: ask again, or watch";
            return problem(StatusCode::SERVICE_UNAVAILABLE, "there is no table yet", detail);
        }
        let lines = unfold(Some(Difference::whole(&now)), |left| async move {
            let mut difference = left?;
            let mut buffer = bytes::BytesMut::new();
            let whole = difference.write(&mut buffer, super::stream::PIECE);
            Some((buffer.freeze(), (!whole).then_some(difference)))
        });
        answers::lines(body(lines))
    }

    fn watch(&self, caller: &Caller, start: Start) -> Response<Body> {
        let stream = Stream {
            wire: self.wire.clone(),
            leadership: self.leadership.clone(),
            expires: caller.expires,
            heartbeat: self.heartbeat,
            spoke: Instant::now(),
            start: Some(start),
            sent: Arc::default(),
            under_way: None,
            watching: Watching::begin(&self.fleet, &caller.id, &caller.pod),
        };
        let lines = unfold(stream, |mut stream| async move {
            let piece = stream.next().await?;
            Some((piece, stream))
        });
        answers::lines(body(lines))
    }
}

fn body(pieces: impl futures_util::Stream<Item = Bytes> + Send + 'static) -> Body {
    use futures_util::StreamExt as _;
    StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece)))).boxed_unsync()
}

/// The query of a request for the table.
#[derive(Debug, Default)]
struct Asked {
    watch: bool,
    version: Option<Version>,
}

impl Asked {
    fn parse(query: Option<&str>) -> Result<Self, Box<Response<Body>>> {
        let mut asked = Self::default();
        let refuse = |detail: String| Err(Box::new(problem(StatusCode::BAD_REQUEST, "not a query", &detail)));
        for part in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("watch", "true")) => asked.watch = true,
                Some(("watch", "false")) => asked.watch = false,
                Some(("version", text)) => match Version::try_from(text.to_owned()) {
                    Ok(version) => asked.version = Some(version),
                    Err(error) => return refuse(error.to_string()),
                },
                _ => return refuse(format!("{part:?} is not known: write watch=true and version=EPOCH.NUMBER")),
            }
        }
        Ok(asked)
    }
}

/// 410: the proxy must tell what it has.
fn gone(version: &Version) -> Response<Body> {
    let detail = format!("what happened since {version} is not known here: send the hashes of what you have");
    problem(StatusCode::GONE, "the version is not known", &detail)
}

async fn json<T: DeserializeOwned, B>(body: B) -> Result<T, Box<Response<Body>>>
where
    B: HttpBody<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let refuse = |status, title, detail: String| Err(Box::new(problem(status, title, &detail)));
    let bytes = match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("{LARGEST_BODY} bytes are the most");
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "too large", detail);
        }
        Err(error) => return refuse(StatusCode::BAD_REQUEST, "the body did not arrive", error.to_string()),
    };
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(value),
        Err(error) => refuse(StatusCode::BAD_REQUEST, "the body cannot be read", error.to_string()),
    }
}
