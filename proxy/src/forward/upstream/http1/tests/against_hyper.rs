//! What answers are taken for: the same as hyper's client takes them for, however they are cut.

use bytes::BytesMut;
use http::{HeaderMap, Method, Request, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::super::answer_head;
use crate::forward::http1::mangled::mangled;
use crate::forward::http1::{Framing, Taken};

/// An answer as far as it was taken.
#[derive(Clone, Debug, PartialEq)]
struct Taking {
    head: Option<(StatusCode, Version, HeaderMap)>,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    /// It came to its end.
    whole: bool,
}

impl Taking {
    const NOTHING: Self = Self { head: None, body: Vec::new(), trailers: None, whole: false };
}

/// Takes an answer apart that comes in pieces of `size`, after which the connection is closed.
fn taken(answer: &[u8], size: usize, to_head: bool) -> Taking {
    let mut taking = Taking::NOTHING;
    let (mut bytes, mut seen, mut headers) = (BytesMut::new(), 0, HeaderMap::new());
    let mut framing = None;
    for piece in answer.chunks(size) {
        bytes.extend_from_slice(piece);
        while framing.is_none() {
            let Ok(head) = answer_head::take(&mut bytes, &mut seen, &mut headers) else { return taking };
            let Some(head) = head else { break };
            let mut parts = head.parts;
            if parts.status.is_informational() && parts.status != StatusCode::SWITCHING_PROTOCOLS {
                continue;
            }
            let Ok(of) = answer_head::framing(&mut parts, to_head) else { return taking };
            framing = Some(of);
            taking.head = Some((parts.status, parts.version, parts.headers));
        }
        let Some(framing) = &mut framing else { continue };
        loop {
            match framing.take(&mut bytes) {
                Ok(Taken::Frame(frame)) => match frame.into_data() {
                    Ok(data) => taking.body.extend_from_slice(&data),
                    Err(frame) => taking.trailers = frame.into_trailers().ok(),
                },
                Ok(Taken::Nothing) => break,
                Ok(Taken::End) => {
                    taking.whole = true;
                    return taking;
                }
                Err(_) => return taking,
            }
        }
    }
    taking.whole = framing.is_some_and(|framing| framing == Framing::UntilClose || framing.is_end());
    taking
}

/// As hyper takes it.
async fn taken_by_hyper(answer: &[u8], to_head: bool) -> Taking {
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(256 * 1024)
        .handshake(TokioIo::new(ours))
        .await
        .unwrap();
    let driving = tokio::spawn(connection);
    let method = if to_head { Method::HEAD } else { Method::GET };
    let asking =
        sender.send_request(Request::builder().method(method).uri("/").body(Empty::<bytes::Bytes>::new()).unwrap());
    let answering = async {
        // Not before the request: what comes unasked is no answer.
        let mut request = [0; 16];
        tokio::io::AsyncReadExt::read(&mut theirs, &mut request).await.unwrap();
        theirs.write_all(answer).await.unwrap();
        drop(theirs);
    };
    let (asked, ()) = tokio::join!(asking, answering);
    let mut taking = Taking::NOTHING;
    if let Ok(response) = asked {
        let (parts, mut body) = response.into_parts();
        taking.head = Some((parts.status, parts.version, parts.headers));
        taking.whole = loop {
            match body.frame().await {
                None => break true,
                Some(Err(_)) => break false,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => taking.body.extend_from_slice(&data),
                    Err(frame) => taking.trailers = frame.into_trailers().ok(),
                },
            }
        };
    }
    driving.abort();
    taking
}

/// Where we are stricter: a length is one number, said once, also where there is no body or it is in chunks.
fn stricter(mut taking: Taking) -> Taking {
    let Some((_, _, headers)) = &mut taking.head else { return taking };
    let lengths: Vec<_> = headers.get_all("content-length").iter().cloned().collect();
    let text = lengths.iter().map(|value| value.to_str().unwrap_or("?")).collect::<Vec<_>>().join(",");
    let mut numbers = text.split(',').map(|number| number.trim().trim_start_matches('0'));
    let Some(first) = numbers.next().filter(|_| !lengths.is_empty()) else { return taking };
    let same = numbers.all(|number| number == first) && first.bytes().all(|digit| digit.is_ascii_digit());
    let all = text.split(',').all(|number| number.trim().parse::<u64>().is_ok());
    if !same || !all {
        return Taking::NOTHING;
    }
    if lengths.len() > 1 || text.contains(',') || text.trim() != text {
        headers.insert("content-length", text.split(',').next().unwrap().trim().parse::<u64>().unwrap().into());
    }
    taking
}

/// Whether it speaks of chunks, and has an LF that no CR is before.
fn has_lone_lf_and_chunks(answer: &[u8]) -> bool {
    let chunked = answer.windows(7).any(|word| word.eq_ignore_ascii_case(b"chunked"));
    chunked && answer.iter().enumerate().any(|(at, byte)| *byte == b'\n' && (at == 0 || answer[at - 1] != b'\r'))
}

async fn agrees(answer: &[u8]) {
    for to_head in [false, true] {
        let expected = stricter(taken_by_hyper(answer, to_head).await);
        let whole = taken(answer, answer.len().max(1), to_head);
        // In the chunked coding, where hyper takes an LF alone for the end of a trailer line.
        let refused = has_lone_lf_and_chunks(answer) && !whole.whole && expected.body.starts_with(&whole.body);
        let expected = if refused && whole.head == expected.head { whole } else { expected };
        for size in [1, 2, 3, 5, 7, 16, answer.len().max(1)] {
            let ours = taken(answer, size, to_head);
            assert_eq!(ours, expected, "{:?} in pieces of {size}", String::from_utf8_lossy(answer));
        }
    }
}

/// Answers of all framings, whole ones and broken ones.
const ANSWERS: [&str; 47] = [
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
    "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 200 Quite Fine\r\nx: \r\ny:\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
    "HTTP/1.0 200 OK\r\n\r\nall of it",
    "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nuntil the end",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\nhello!",
    "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\nhello",
    "HTTP/1.1 200 OK\r\ncontent-length: 0x5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;name=value\r\nhello\r\n00\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5 ; a\r\nhello\r\n0\r\nx-sum: 7\r\ny: z\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-sum: 7\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\nx-sum: 7\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\nuntil the end",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 99\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nno name: x\r\n\r\n",
    "HTTP/2.0 200 OK\r\n\r\n",
    "nonsense",
];

#[tokio::test]
async fn answers_are_taken_for_what_hyper_takes_them_for_however_they_are_cut() {
    for answer in ANSWERS {
        agrees(answer.as_bytes()).await;
    }
}

proptest! {
    #[test]
    fn mangled_answers_are_taken_for_what_hyper_takes_them_for(answer in mangled(prop::sample::select(ANSWERS.to_vec()).prop_map(|answer| vec![answer]))) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(agrees(&answer));
    }
}
