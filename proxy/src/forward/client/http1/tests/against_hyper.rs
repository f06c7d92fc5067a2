//! What requests are taken for: the same as hyper's server takes them for, however they are cut.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Empty};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::request_head;
use super::requests::REQUESTS;
use crate::answer::Reason;
use crate::forward::http1::mangled::mangled;
use crate::forward::http1::{Framing, Taken};

const LONGEST: usize = 64 * 1024;

/// A request as far as it was taken.
#[derive(Clone, Debug, PartialEq)]
struct Message {
    head: (Method, Uri, Version, HeaderMap),
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    /// It came to its end.
    whole: bool,
}

/// What becomes of the connection once all has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// More is waited for.
    Waits,
    /// It ends with the last request's answer.
    Closes,
    /// What came is no request.
    Refused,
}

/// What a connection's bytes are taken for.
#[derive(Clone, Debug, PartialEq)]
struct Taking {
    requests: Vec<Message>,
    end: End,
    /// How many of them are told to go on with their body.
    go_aheads: usize,
}

impl Taking {
    const NOTHING: Self = Self { requests: Vec::new(), end: End::Waits, go_aheads: 0 };

    fn begin(&mut self, head: http::request::Parts) {
        let head = (head.method, head.uri, head.version, head.headers);
        self.requests.push(Message { head, body: Vec::new(), trailers: None, whole: false });
    }

    fn add(&mut self, frame: http_body::Frame<Bytes>) {
        let message = self.requests.last_mut().unwrap();
        match frame.into_data() {
            Ok(data) => message.body.extend_from_slice(&data),
            Err(frame) => message.trailers = frame.into_trailers().ok(),
        }
    }
}

/// What ours was at when it refused.
#[derive(Clone, Debug, PartialEq)]
struct Refused<'a> {
    reason: Reason,
    /// It was in the fields after a chunked body.
    in_trailers: bool,
    /// From the head, or the fields, on.
    rest: &'a [u8],
}

/// Takes apart what comes in pieces of `size`.
fn taken(text: &[u8], size: usize) -> (Taking, Option<Refused<'_>>) {
    let mut taking = Taking::NOTHING;
    let (mut bytes, mut seen, mut headers, mut come) = (BytesMut::new(), 0, HeaderMap::new(), 0);
    let mut body: Option<(Framing, bool)> = None;
    for piece in text.chunks(size) {
        bytes.extend_from_slice(piece);
        come += piece.len();
        loop {
            let rest = &text[come - bytes.len()..];
            let refused = if let Some((framing, keep_alive)) = &mut body {
                match framing.take(&mut bytes) {
                    Ok(Taken::Frame(frame)) => {
                        taking.add(frame);
                        continue;
                    }
                    Ok(Taken::Nothing) => break,
                    Ok(Taken::End) => {
                        taking.requests.last_mut().unwrap().whole = true;
                        if !*keep_alive {
                            taking.end = End::Closes;
                            return (taking, None);
                        }
                        body = None;
                        continue;
                    }
                    Err(_) => {
                        let in_trailers = format!("{framing:?}") == "Chunked(Trailers)";
                        Refused { reason: Reason::InvalidRequest, in_trailers, rest }
                    }
                }
            } else {
                match request_head::take(&mut bytes, &mut seen, &mut headers, LONGEST) {
                    Ok(Some(head)) => {
                        taking.go_aheads += usize::from(head.expects);
                        taking.begin(head.parts);
                        body = Some((head.framing, head.keep_alive));
                        continue;
                    }
                    Ok(None) => break,
                    Err(reason) => Refused { reason, in_trailers: false, rest },
                }
            };
            taking.end = End::Refused;
            return (taking, Some(refused));
        }
    }
    // What has not come to its end is looked at once it has; hyper looks at every piece.
    let rest = &text[come - bytes.len()..];
    if let (None, Err(reason)) = (body, request_head::take(&mut bytes, &mut 0, &mut headers, LONGEST)) {
        taking.end = End::Refused;
        return (taking, Some(Refused { reason, in_trailers: false, rest }));
    }
    (taking, None)
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// As hyper takes it.
fn taken_by_hyper(text: &[u8]) -> Taking {
    let taking = RefCell::new(Taking::NOTHING);
    let broken = RefCell::new(false);
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let (head, mut body) = request.into_parts();
        taking.borrow_mut().begin(head);
        let (taking, broken) = (&taking, &broken);
        async move {
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else {
                    *broken.borrow_mut() = true;
                    return std::future::pending().await;
                };
                taking.borrow_mut().add(frame);
            }
            taking.borrow_mut().requests.last_mut().unwrap().whole = true;
            // A CONNECT that is agreed to would be the end of HTTP.
            Response::builder().status(StatusCode::NOT_FOUND).body(Empty::<Bytes>::new())
        }
    });
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    theirs.write_all(text).now_or_never().unwrap().unwrap();
    let connection = hyper::server::conn::http1::Builder::new()
        .half_close(false)
        .max_buf_size(LONGEST)
        .max_header_size(LONGEST)
        .serve_connection(TokioIo::new(ours), service);
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let end = {
        let mut connection = pin!(connection);
        let mut end = End::Waits;
        while end == End::Waits && woken.0.swap(false, Ordering::Relaxed) {
            end = match connection.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Pending => End::Waits,
                Poll::Ready(Ok(())) => End::Closes,
                Poll::Ready(Err(_)) => End::Refused,
            };
        }
        end
    };
    let mut written = vec![0; 1 << 20];
    let length = theirs.read(&mut written).now_or_never().map_or(0, Result::unwrap);
    let mut taking = taking.into_inner();
    taking.end = if broken.into_inner() { End::Refused } else { end };
    taking.go_aheads = written[..length].windows(12).filter(|word| word == b"100 Continue").count();
    taking
}

/// The lengths that a head says, as far as they are numbers; `None`: one of them is none. And whether it says a coding.
fn lengths(head: &[u8]) -> Option<(Option<Vec<u64>>, bool)> {
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut parsed = httparse::Request::new(&mut fields);
    parsed.parse(head).ok()?;
    let named = |name: &'static str| move |field: &&httparse::Header<'_>| field.name.eq_ignore_ascii_case(name);
    let lengths = parsed.headers.iter().filter(named("content-length"));
    let number = |value: &[u8]| std::str::from_utf8(value).ok().filter(|text| !text.starts_with('+'))?.parse().ok();
    Some((
        lengths.map(|field| number(field.value)).collect(),
        parsed.headers.iter().any(|field| named("transfer-encoding")(&field)),
    ))
}

/// Whether ours refuses what hyper takes, and may:
/// - a length that no signed number holds: it could only be refused later on;
/// - beside a coding, lengths that are none or differ, which hyper does not look at;
/// - an LF alone for the end of a line in the fields after a body, which others do not take for one (RFC 9112, 2.2);
/// - such fields that are none, before all of them are there.
fn is_stricter(refused: &Refused<'_>) -> bool {
    if refused.in_trailers {
        let mut fields = [httparse::EMPTY_HEADER; 100];
        let section = match httparse::parse_headers(refused.rest, &mut fields) {
            Ok(httparse::Status::Complete((length, _))) => &refused.rest[..length],
            Ok(httparse::Status::Partial) => return false,
            Err(_) => return !refused.rest.windows(4).any(|end| end == b"\r\n\r\n"),
        };
        return (0..section.len()).any(|at| section[at] == b'\n' && (at == 0 || section[at - 1] != b'\r'));
    }
    let Some((lengths, coded)) = lengths(refused.rest) else { return false };
    match refused.reason {
        Reason::BodyTooLarge => {
            lengths.is_some_and(|lengths| lengths.iter().all(|length| i64::try_from(*length).is_err()))
        }
        _ => coded && lengths.is_none_or(|lengths| lengths.iter().any(|length| *length != lengths[0])),
    }
}

/// Where a head stays different that is taken all the same: it keeps both of two framings, so that admission sees and
/// refuses them; a length that is said several times is said in its shortest form.
fn evened(mut taking: Taking) -> Taking {
    for Message { head: (.., headers), .. } in &mut taking.requests {
        if headers.contains_key(TRANSFER_ENCODING) {
            headers.remove(CONTENT_LENGTH);
        } else if let Some(length) = headers.get(CONTENT_LENGTH) {
            let length: u64 = length.to_str().unwrap().parse().unwrap();
            headers.insert(CONTENT_LENGTH, length.into());
        }
    }
    taking
}

/// The request after which hyper may think differently of the connection: it takes no option out of a line with bytes
/// beyond ASCII, and so misses a `close`.
fn undecided(taking: &Taking) -> Option<usize> {
    let beyond = |message: &Message| message.head.3.get_all(CONNECTION).iter().any(|value| value.to_str().is_err());
    taking.requests.iter().position(beyond)
}

fn agrees(text: &[u8]) {
    // Byte by byte, so that what is refused begins where its first byte is looked at.
    let (mut ours, refused) = taken(text, 1);
    for size in [2, 3, 5, 7, 16, text.len().max(1)] {
        let (cut, refused_cut) = taken(text, size);
        assert_eq!(cut, ours, "{:?} in pieces of {size}", String::from_utf8_lossy(text));
        assert_eq!(refused_cut.map(|refused| refused.reason), refused.as_ref().map(|refused| refused.reason));
    }
    let mut hypers = taken_by_hyper(text);
    if let Some(refused) = refused.filter(is_stricter) {
        hypers.requests.truncate(ours.requests.len());
        (hypers.end, hypers.go_aheads) = (End::Refused, ours.go_aheads);
        if refused.in_trailers {
            let last = hypers.requests.last_mut().unwrap();
            (last.trailers, last.whole) = (None, false);
        }
    }
    if let Some(last) = undecided(&ours) {
        for taking in [&mut ours, &mut hypers] {
            taking.requests.truncate(last + 1);
            (taking.end, taking.go_aheads) = (End::Closes, 0);
        }
    }
    assert_eq!(evened(ours), evened(hypers), "{:?}", String::from_utf8_lossy(text));
}

const NEXT: &str = "GET /next HTTP/1.1\r\nhost: next\r\n\r\n";

#[test]
fn requests_are_taken_for_what_hyper_takes_them_for_however_they_are_cut() {
    for request in REQUESTS {
        agrees(request.as_bytes());
        agrees(format!("{request}{NEXT}").as_bytes());
    }
}

proptest! {
    #[test]
    fn mangled_requests_are_taken_for_what_hyper_takes_them_for(requests in mangled(prop::collection::vec(prop::sample::select(REQUESTS.to_vec()), 1..4))) {
        agrees(&requests);
    }
}
