//! What answers look like on the wire, and what a client reads of them.

use std::convert::Infallible;
use std::future::poll_fn;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue, TRAILER, TRANSFER_ENCODING};
use http::response::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::ext::ReasonPhrase;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::answer_head::{self, Asked};
use super::super::date::Date;
use crate::answer::Reason;
use crate::forward::clock::Clock;
use crate::forward::http1::Sending;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What a body knows of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Empty,
    Known,
    Unknown,
    /// And yet there is nothing.
    UnknownEmpty,
    Trailers,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Empty, Self::Known, Self::Unknown, Self::UnknownEmpty, Self::Trailers];

    fn body(self) -> Body {
        let stream = |frames: Vec<Frame<Bytes>>| {
            StreamBody::new(futures_util::stream::iter(frames.into_iter().map(Ok))).boxed_unsync()
        };
        let hello = || Vec::from(["hel", "", "lo"].map(|piece| Frame::data(Bytes::from_static(piece.as_bytes()))));
        match self {
            Self::Empty => Empty::new().boxed_unsync(),
            Self::Known => Full::new(Bytes::from_static(b"hello")).boxed_unsync(),
            Self::Unknown => stream(hello()),
            Self::UnknownEmpty => stream(Vec::new()),
            Self::Trailers => {
                let mut frames = hello();
                frames.push(Frame::trailers(fields(&[("x-sum", "7"), ("x-other", "8")])));
                stream(frames)
            }
        }
    }

    fn text(self) -> &'static str {
        if matches!(self, Self::Empty | Self::UnknownEmpty) { "" } else { "hello" }
    }

    fn length(self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Known => Some(5),
            Self::Unknown | Self::UnknownEmpty | Self::Trailers => None,
        }
    }
}

fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
}

fn parts(status: StatusCode, headers: HeaderMap) -> Parts {
    let (mut parts, ()) = Response::new(()).into_parts();
    (parts.status, parts.headers) = (status, headers);
    parts
}

/// The bytes of an answer, and what is left of the wish to go on.
async fn sent(parts: &Parts, body: Body, mut asked: Asked) -> (Vec<u8>, bool) {
    let (mut stream, mut client) = tokio::io::duplex(64 * 1024);
    let (mut sending, date) = (Sending::nothing(), Date::new(&Clock::new()));
    sending.begin(body, |text, body| answer_head::write(text, parts, body, &mut asked, &date));
    assert!(poll_fn(|cx| sending.poll(&mut stream, cx)).await.is_ok());
    assert!(sending.was_written());
    drop(stream);
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.unwrap();
    (bytes, asked.keep_alive)
}

/// What a client reads.
#[derive(Debug, PartialEq)]
struct Read {
    version: Version,
    status: StatusCode,
    length: Vec<String>,
    coding: Vec<String>,
    connection: Vec<String>,
    others: Vec<String>,
    dates: usize,
    body: String,
    trailers: HeaderMap,
    /// What it got for another request on the same connection.
    next: Option<u16>,
}

impl Read {
    fn of(head: &Parts, body: String, trailers: HeaderMap, next: Option<u16>) -> Self {
        let texts = |name| head.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect();
        Self {
            version: head.version,
            status: head.status,
            length: texts(CONTENT_LENGTH),
            coding: texts(TRANSFER_ENCODING),
            connection: texts(CONNECTION),
            others: texts(HeaderName::from_static("x-one")),
            dates: head.headers.get_all(DATE).iter().count(),
            body,
            trailers,
            next,
        }
    }
}

/// What a HEAD is told of the length.
const LONG: &str = "12345";

const NEXT: &[u8] = b"HTTP/1.1 299 Next\r\ncontent-length: 0\r\n\r\n";

/// What hyper's client reads of these bytes; it asks again where the connection goes on.
async fn read(bytes: &[u8], method: Method, goes_on: bool) -> Read {
    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.unwrap();
    let driving = tokio::spawn(connection.with_upgrades());
    let request = |method| Request::builder().method(method).uri("/").body(Empty::<Bytes>::new()).unwrap();
    let mut asks = [0; 64];
    let (answer, ()) = tokio::join!(sender.send_request(request(method)), async {
        assert!(theirs.read(&mut asks).await.unwrap() > 0);
        theirs.write_all(bytes).await.unwrap();
        if !goes_on {
            theirs.shutdown().await.unwrap();
        }
    });
    let (head, body) = answer.unwrap().into_parts();
    let body = body.collect().await.expect("it comes to its end");
    let trailers = body.trailers().cloned().unwrap_or_default();
    let body = String::from_utf8(body.to_bytes().into()).unwrap();
    let mut next = None;
    if goes_on {
        sender.ready().await.expect("the client sees that it goes on");
        let (answer, ()) = tokio::join!(sender.send_request(request(Method::GET)), async {
            assert!(theirs.read(&mut asks).await.unwrap() > 0);
            theirs.write_all(NEXT).await.unwrap();
        });
        next = Some(answer.expect("it is in step").status().as_u16());
    }
    driving.abort();
    Read::of(&head, body, trailers, next)
}

/// A combination of what an answer depends on.
#[derive(Clone, Copy, Debug)]
struct Case {
    asked: Asked,
    status: StatusCode,
    kind: Kind,
    says_length: bool,
    promises: bool,
}

impl Case {
    fn all() -> impl Iterator<Item = Self> {
        let statuses = [200, 101, 204, 304, 404, 426].map(|status| StatusCode::from_u16(status).unwrap());
        let answers = statuses.into_iter().flat_map(|status| Kind::ALL.map(|kind| (status, kind)));
        answers.flat_map(|(status, kind)| {
            (0..64_u8).map(move |bits| {
                let bit = |at: u8| bits & 1 << at != 0;
                let asked = Asked { http_10: bit(0), head: bit(1), trailers: bit(2), keep_alive: bit(3) };
                Self { asked, status, kind, says_length: bit(4), promises: bit(5) }
            })
        })
    }

    /// What no exchange gives: 101 to a client of HTTP/1.0 or a HEAD, and lengths where [`strip_response`] has taken
    /// them off.
    ///
    /// [`strip_response`]: crate::forward::headers::strip_response
    fn is_given(&self) -> bool {
        let silent = matches!(self.status, StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT);
        let switches = self.status == StatusCode::SWITCHING_PROTOCOLS;
        !(silent && self.says_length || switches && (self.asked.http_10 || self.asked.head))
    }

    fn is_bodiless(&self) -> bool {
        self.asked.head || matches!(self.status.as_u16(), 101 | 204 | 304)
    }

    fn parts(&self) -> Parts {
        let mut headers = fields(&[("x-one", "1"), ("x-one", "2"), ("transfer-encoding", "chunked")]);
        if self.says_length {
            // As a HEAD is told of what a GET would get; with a body it is the body's that counts.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static(LONG));
        }
        if self.promises {
            headers.insert(TRAILER, HeaderValue::from_static("x-sum, x-none"));
        }
        if self.upgrades() {
            headers.extend(fields(&[("connection", "upgrade"), ("upgrade", "x")]));
        }
        parts(self.status, headers)
    }

    fn upgrades(&self) -> bool {
        matches!(self.status.as_u16(), 101 | 426) && !self.asked.http_10
    }

    /// Whether the connection can go on.
    fn goes_on(&self) -> bool {
        let unknown = self.kind.length().is_none() && !self.is_bodiless();
        self.asked.keep_alive && self.status != StatusCode::SWITCHING_PROTOCOLS && !(self.asked.http_10 && unknown)
    }

    fn expected(&self) -> Read {
        let mut expected = Read {
            version: if self.asked.http_10 { Version::HTTP_10 } else { Version::HTTP_11 },
            status: self.status,
            length: Vec::new(),
            coding: Vec::new(),
            connection: Vec::new(),
            others: vec!["1".into(), "2".into()],
            dates: 1,
            body: if self.is_bodiless() { "" } else { self.kind.text() }.into(),
            trailers: HeaderMap::new(),
            next: self.goes_on().then_some(299),
        };
        match self.kind.length() {
            _ if self.is_bodiless() => expected.length.extend(self.says_length.then(|| LONG.to_owned())),
            Some(known) => expected.length.push(known.to_string()),
            None if self.asked.http_10 => {}
            None => {
                expected.coding.push("chunked".into());
                if self.kind == Kind::Trailers && self.asked.trailers && self.promises {
                    expected.trailers = fields(&[("x-sum", "7")]);
                }
            }
        }
        if self.upgrades() {
            expected.connection.push("upgrade".into());
        }
        if self.status != StatusCode::SWITCHING_PROTOCOLS {
            match (self.goes_on(), self.asked.http_10) {
                (false, _) => expected.connection.push("close".into()),
                (true, true) => expected.connection.push("keep-alive".into()),
                (true, false) => {}
            }
        }
        expected
    }
}

#[tokio::test]
async fn a_client_reads_what_was_sent_and_is_in_step_for_the_next_answer() {
    for case in Case::all().filter(Case::is_given) {
        let (bytes, keep_alive) = sent(&case.parts(), case.kind.body(), case.asked).await;
        let context = format!("{case:?}: {:?}", String::from_utf8_lossy(&bytes));
        assert_eq!(keep_alive, case.goes_on(), "{context}");
        let method = if case.asked.head { Method::HEAD } else { Method::GET };
        assert_eq!(read(&bytes, method, keep_alive).await, case.expected(), "{context}");
    }
}

/// An answer's text to this request, without its date.
async fn text(asked: Asked, status: u16, headers: &[(&'static str, &'static str)], kind: Kind) -> String {
    let status = StatusCode::from_u16(status).unwrap();
    let mut headers = fields(headers);
    headers.insert(DATE, HeaderValue::from_static("now"));
    let (bytes, _) = sent(&parts(status, headers), kind.body(), asked).await;
    String::from_utf8(bytes).unwrap().replacen("date: now\r\n", "", 1)
}

const GET: Asked = Asked { http_10: false, head: false, trailers: true, keep_alive: true };

#[tokio::test]
async fn answers_on_the_wire() {
    let closes = Asked { keep_alive: false, ..GET };
    let old = Asked { http_10: true, ..GET };
    for (asked, status, headers, kind, expected) in [
        (GET, 200, &[("x", "1")][..], Kind::Known, "HTTP/1.1 200 OK\r\nx: 1\r\ncontent-length: 5\r\n\r\nhello"),
        (
            GET,
            404,
            &[("trailer", "x-sum")],
            Kind::Trailers,
            "HTTP/1.1 404 Not Found\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
             3\r\nhel\r\n2\r\nlo\r\n0\r\nx-sum: 7\r\n\r\n",
        ),
        (closes, 200, &[], Kind::Empty, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        (old, 200, &[], Kind::Known, "HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nhello"),
        (old, 200, &[], Kind::Unknown, "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nhello"),
        (
            closes,
            101,
            &[("connection", "upgrade"), ("upgrade", "x")],
            Kind::Empty,
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        ),
        (GET, 299, &[], Kind::Empty, "HTTP/1.1 299 \r\ncontent-length: 0\r\n\r\n"),
    ] {
        assert_eq!(text(asked, status, headers, kind).await, expected);
    }
}

#[tokio::test]
async fn a_close_that_the_answer_says_is_said_once_and_done() {
    let answer = parts(StatusCode::OK, fields(&[("connection", "close")]));
    let (bytes, keep_alive) = sent(&answer, Kind::Known.body(), GET).await;
    assert!(!keep_alive);
    assert_eq!(read(&bytes, Method::GET, false).await.connection, ["close"]);
}

#[tokio::test]
async fn a_reason_phrase_comes_through() {
    let mut answer = parts(StatusCode::OK, HeaderMap::new());
    answer.extensions.insert(ReasonPhrase::from_static(b"Quite Fine"));
    let (bytes, _) = sent(&answer, Kind::Empty.body(), GET).await;
    assert!(bytes.starts_with(b"HTTP/1.1 200 Quite Fine\r\n"));
}

#[test]
fn refusals_are_complete_and_close() {
    for reason in Reason::ALL {
        let mut raw = Vec::new();
        answer_head::write_refusal(&mut raw, *reason, &Date::new(&Clock::new()));
        let text = std::str::from_utf8(&raw).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let lines: Vec<&str> = head.split("\r\n").collect();
        assert!(lines[0].starts_with(&format!("HTTP/1.1 {} ", reason.status().as_u16())), "{head}");
        assert!(lines.contains(&"connection: close"), "{head}");
        assert!(lines.contains(&format!("content-length: {}", body.len()).as_str()), "{head}");
        assert!(lines.contains(&format!("x-sluicegate-reason: {reason}").as_str()), "{head}");
        assert!(lines.iter().any(|line| line.starts_with("date: ")), "{head}");
    }
}
