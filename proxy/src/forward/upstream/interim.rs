//! Interim answers of targets (RFC 9110, 15.2), such as `103 Early Hints`, on their way to the client.
//!
//! hyper reads them and drops them. Its callback for them would cost every request four allocations, so they are taken
//! out of the target's bytes before hyper sees them. A request of an HTTP/1.1 client says whose it is when it is sent;
//! the target's side looks at the first bytes that come after it, and only where they begin like an interim answer does
//! more than that happen: the heads are laid down here, and the client's task is woken to fetch them.
//!
//! ```text
//! Asking      the request says that its client takes interim answers        one store a request
//! Look        reads the target's bytes up to the answer's final head        one load and one comparison a request
//! Interim     what both share: who asks, and heads that wait to be fetched
//! ```

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue, VIA};
use http::{StatusCode, Version};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc::UnboundedSender;

use crate::forward::client::ClientConnection;
use crate::forward::headers::strip_response;

/// Number of a client connection in the worker's sweep.
pub(crate) type ClientKey = usize;

/// What every interim answer begins with; 101 does, too, and is a final one.
const BEGINNING: &[u8] = b"HTTP/1.1 1";
/// An interim head that is longer is left to hyper, which drops it.
const LONGEST_HEAD: usize = 16 * 1024;
/// As many header fields as hyper takes in an answer.
const MOST_FIELDS: usize = 100;
/// While the client does not read, no more than this is kept for it; what comes beyond is dropped.
const MOST_WAITING: usize = 64 * 1024;

/// What a connection to a target and the request that it carries share.
#[derive(Debug)]
pub(crate) struct Interim {
    /// One more than the key of the client that awaits the final head; 0: nobody who takes interim answers.
    asker: AtomicUsize,
    any: AtomicBool,
    heads: Mutex<BytesMut>,
    wake: UnboundedSender<ClientKey>,
}

impl Interim {
    /// Nobody asks. `wake` makes the worker wake a client's task.
    pub(super) fn new(wake: UnboundedSender<ClientKey>) -> Arc<Self> {
        Arc::new(Self { asker: AtomicUsize::new(0), any: AtomicBool::new(false), heads: Mutex::default(), wake })
    }

    /// Awaits an exchange's final head and passes interim ones on to `client`, whose task this must run on. `None`: a
    /// client that takes none.
    pub(crate) async fn passed_on<F>(&self, client: Option<&ClientConnection>, mut sending: Pin<&mut F>) -> F::Output
    where
        F: Future,
    {
        let Some(client) = client else { return sending.await };
        let _asking = Asking::begin(self, client.key());
        poll_fn(|cx| {
            let polled = sending.as_mut().poll(cx);
            if self.any.load(Ordering::Relaxed) {
                self.fetch(client);
            }
            polled
        })
        .await
    }

    #[cold]
    fn fetch(&self, client: &ClientConnection) {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        if client.state.may_interject() {
            client.state.interject(heads.split().freeze());
            self.any.store(false, Ordering::Relaxed);
        }
    }

    fn is_asked(&self) -> bool {
        self.asker.load(Ordering::Relaxed) != 0
    }

    fn settle(&self) {
        self.asker.store(0, Ordering::Relaxed);
    }

    /// Lays a head down for the client.
    fn lay_down(&self, head: &[u8]) {
        let Some(client) = self.asker.load(Ordering::Relaxed).checked_sub(1) else { return };
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        if heads.len() + head.len() <= MOST_WAITING {
            heads.extend_from_slice(head);
            self.any.store(true, Ordering::Relaxed);
            // A worker that has stopped wakes nobody any more, and nobody is left to be woken.
            let _ = self.wake.send(client);
        }
    }
}

/// A request that awaits its final head. What is left when it goes is nobody's.
struct Asking<'a>(&'a Interim);

impl<'a> Asking<'a> {
    fn begin(interim: &'a Interim, client: ClientKey) -> Self {
        interim.asker.store(client + 1, Ordering::Relaxed);
        Self(interim)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.settle();
        if self.0.any.swap(false, Ordering::Relaxed) {
            self.0.heads.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}

/// The target's side: takes interim heads out of what is read.
#[derive(Debug)]
pub(super) struct Look {
    interim: Arc<Interim>,
    /// Something was written since the last final head: what is read may be an answer. Before that it is an intrusion,
    /// and hyper's to refuse.
    sent: bool,
    /// Bytes that were read and that hyper has not seen.
    held: BytesMut,
}

impl Look {
    pub(super) fn new(interim: Arc<Interim>) -> Self {
        Self { interim, sent: false, held: BytesMut::new() }
    }

    /// Something is written to the target.
    pub(super) fn sent(&mut self) {
        self.sent = self.interim.is_asked();
    }

    /// Whether the next bytes are to be read through [`Look::poll_read`].
    pub(super) fn looks(&self) -> bool {
        self.sent && self.interim.is_asked() || !self.held.is_empty()
    }

    /// Reads what is not an interim answer.
    pub(super) fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut *stream).poll_read(cx, buf))?;
            let read = buf.filled().get(before..).unwrap_or_default();
            if read.is_empty() || !may_be_interim(read) {
                self.settle();
                return Poll::Ready(Ok(()));
            }
            self.held.extend_from_slice(read);
            buf.set_filled(before);
        }
        self.poll_held(stream, cx, buf)
    }

    #[cold]
    fn poll_held<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.interim.is_asked() {
            match next_head(&self.held) {
                Next::Interim { length, forwarded } => {
                    drop(self.held.split_to(length));
                    if let Some(head) = forwarded {
                        self.interim.lay_down(&head);
                    }
                }
                Next::Unfinished if self.held.len() < LONGEST_HEAD => {
                    let mut piece = [0; 4096];
                    let mut piece = ReadBuf::new(&mut piece);
                    ready!(Pin::new(&mut *stream).poll_read(cx, &mut piece))?;
                    self.held.extend_from_slice(piece.filled());
                    if piece.filled().is_empty() {
                        self.settle();
                    }
                }
                Next::Unfinished | Next::Other => self.settle(),
            }
        }
        let length = self.held.len().min(buf.remaining());
        buf.put_slice(&self.held.split_to(length));
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    fn settle(&mut self) {
        self.sent = false;
        self.interim.settle();
    }
}

/// Whether these are the first bytes of an interim answer, as far as they go.
fn may_be_interim(bytes: &[u8]) -> bool {
    bytes.starts_with(BEGINNING) || BEGINNING.starts_with(bytes)
}

/// What the bytes begin with.
enum Next {
    /// An interim head of this length, and what the client gets of it; nothing of a `100 Continue`.
    Interim { length: usize, forwarded: Option<Bytes> },
    /// What may become one.
    Unfinished,
    /// Something else, or what hyper shall judge.
    Other,
}

fn next_head(bytes: &[u8]) -> Next {
    if !may_be_interim(bytes) {
        return Next::Other;
    }
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut head = httparse::Response::new(&mut fields);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Next::Unfinished,
        Err(_) => return Next::Other,
    };
    match head.code.and_then(|code| StatusCode::from_u16(code).ok()) {
        Some(StatusCode::CONTINUE) => Next::Interim { length, forwarded: None },
        Some(status) if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS => {
            Next::Interim { length, forwarded: forwarded(status, head.headers) }
        }
        _ => Next::Other,
    }
}

/// The head as the client gets it, without what is for one hop only; `None` where it cannot be passed on.
fn forwarded(status: StatusCode, fields: &[httparse::Header<'_>]) -> Option<Bytes> {
    let mut headers = HeaderMap::with_capacity(fields.len() + 1);
    for field in fields {
        headers.append(HeaderName::from_bytes(field.name.as_bytes()).ok()?, HeaderValue::from_bytes(field.value).ok()?);
    }
    strip_response(&mut headers, status, Version::HTTP_11).ok()?;
    // There is no body to frame (RFC 9110, 8.6), and nobody shall take the next bytes for one.
    headers.remove(http::header::CONTENT_LENGTH);
    headers.append(VIA, HeaderValue::from_static("1.1 sluicegate"));
    let mut raw = BytesMut::with_capacity(256);
    raw.put_slice(b"HTTP/1.1 ");
    raw.put_slice(status.as_str().as_bytes());
    raw.put_u8(b' ');
    raw.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    raw.put_slice(b"\r\n");
    for (name, value) in &headers {
        raw.put_slice(name.as_str().as_bytes());
        raw.put_slice(b": ");
        raw.put_slice(value.as_bytes());
        raw.put_slice(b"\r\n");
    }
    raw.put_slice(b"\r\n");
    Some(raw.freeze())
}

#[cfg(test)]
#[path = "interim_tests.rs"]
mod tests;
