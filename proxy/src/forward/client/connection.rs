//! One client connection, served as HTTP/1.1 or HTTP/2.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;

use super::body::ClientBody;
use super::http1::{self, ClientSwitched};
use super::io::{ClientIo, ClientStream};
use super::state::{ConnectionState, Verdict};
use crate::forward::exchange;
use crate::forward::headers::ForwardedFacts;
use crate::forward::http1::Prefixed;
use crate::worker::{LocalExecutor, Worker};

/// What clients of HTTP/2 with prior knowledge send first (RFC 9113, 3.4); no HTTP/1 method begins like it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// Windows as for targets: a hundred slow uploads fit the connection's window, so that none stalls the others.
const STREAMS: u32 = 100;
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = STREAMS * STREAM_WINDOW;
/// Room for the first bytes.
const FIRST_ROOM: usize = 8192;

/// What all exchanges on one client connection share.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    pub(crate) worker: Rc<Worker>,
    pub(crate) state: Rc<ConnectionState>,
    pub(crate) forwarded: ForwardedFacts,
    pub(crate) tls: bool,
    /// HTTP/1.1: interim answers that the connection has not taken yet.
    interim: RefCell<Vec<u8>>,
    /// HTTP/1.1: who gets the byte stream after a 101.
    switching: RefCell<Option<oneshot::Sender<ClientSwitched>>>,
}

impl ClientConnection {
    pub(super) fn new(worker: Rc<Worker>, forwarded: ForwardedFacts, tls: bool) -> Self {
        let state = ConnectionState::new();
        Self { worker, state, forwarded, tls, interim: RefCell::default(), switching: RefCell::default() }
    }

    /// Whether an interim answer goes out at once: nothing waits for the client to read.
    pub(crate) fn takes_interim(&self) -> bool {
        self.interim.borrow().is_empty() && self.state.takes()
    }

    /// Interim answers of a target, from the exchange that the connection waits for.
    pub(crate) fn interim(&self, heads: Vec<u8>) {
        *self.interim.borrow_mut() = heads;
    }

    /// Gives the connection what there is of them.
    pub(super) fn put_interim(&self, put: impl FnOnce(&[u8])) {
        if !self.interim.borrow().is_empty() {
            put(&self.interim.take());
        }
    }

    /// The byte stream, once a 101 has gone to the client. It fails where that does not come about.
    pub(crate) fn switched(&self) -> oneshot::Receiver<ClientSwitched> {
        let (give, get) = oneshot::channel();
        *self.switching.borrow_mut() = Some(give);
        get
    }

    /// Gives the byte stream to who waits for it.
    pub(super) fn switch(&self, stream: ClientSwitched) {
        if let Some(give) = self.switching.borrow_mut().take() {
            // Who has gone needs it no more.
            let _ = give.send(stream);
        }
    }

    /// Serves the connection to its end. `http2` is what ALPN agreed on, `None` where the first bytes tell.
    pub(super) async fn serve(self, mut stream: ClientStream, http2: Option<bool>) {
        let this = Rc::new(self);
        let watched = Watched::begin(&this);
        let mut read = BytesMut::new();
        let http2 = match http2 {
            Some(http2) => http2,
            None => match this.tell(&mut stream, &mut read).await {
                Some(http2) => http2,
                None => return,
            },
        };
        if http2 {
            this.serve_http2(stream, read).await;
        } else {
            let state = Rc::clone(&this.state);
            let io = ClientIo::new(stream, &state);
            unless_closed(&state, pin!(http1::serve(this, io, read))).await;
        }
        drop(watched);
    }

    async fn serve_http2(self: Rc<Self>, stream: ClientStream, read: BytesMut) {
        let state = Rc::clone(&self.state);
        let io = TokioIo::new(Prefixed::new(read, ClientIo::new(stream, &state), ()));
        // Twice the limit: h2 refuses what is larger without a word of why, and admission what is between the two.
        let limit = u32::try_from(self.worker.settings().limits.request_headers * 2).unwrap_or(u32::MAX);
        let service = service_fn(move |request| {
            exchange::serve(Rc::clone(&self), http::Request::map(request, ClientBody::Http2))
        });
        let connection = http2::Builder::new(LocalExecutor)
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(limit)
            .serve_connection(io, service);
        run(&state, pin!(connection), http2::Connection::graceful_shutdown).await;
    }

    /// Reads enough to tell HTTP/2 from HTTP/1.1; `None`: nothing comes.
    async fn tell(&self, stream: &mut ClientStream, read: &mut BytesMut) -> Option<bool> {
        read.reserve(FIRST_ROOM);
        let mut ended = false;
        while !ended && read.len() < 4 && PREFACE.starts_with(read) {
            let reading = pin!(stream.read_buf(read));
            match until_told(&self.state, reading).await {
                Some(Ok(read)) => ended = read == 0,
                Some(Err(_)) => return None,
                None => ended = true,
            }
        }
        (!read.is_empty()).then(|| read.starts_with(PREFACE.get(..4).unwrap_or_default()))
    }
}

/// Runs an HTTP/2 connection until it ends or is to be closed. What has not begun its first request in time is told so and
/// closed.
async fn run<C>(state: &ConnectionState, mut connection: Pin<&mut C>, close: impl Fn(Pin<&mut C>))
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut closing = false;
    poll_fn(|cx| {
        state.register(cx.waker());
        match state.verdict() {
            Verdict::Close => return Poll::Ready(()),
            Verdict::Graceful if !closing => {
                closing = true;
                close(connection.as_mut());
            }
            Verdict::HeaderTimeout => {
                close(connection.as_mut());
                // Once, for the GOAWAY: a client that has said nothing so far may never answer it.
                let _ = poll_logged(connection.as_mut(), cx);
                return Poll::Ready(());
            }
            Verdict::None | Verdict::Graceful => {}
        }
        poll_logged(connection.as_mut(), cx)
    })
    .await;
}

fn poll_logged<C>(connection: Pin<&mut C>, cx: &mut Context<'_>) -> Poll<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    connection.poll(cx).map(|result| {
        if let Err(error) = result {
            tracing::debug!(%error, "a client connection ended early");
        }
    })
}

/// The future's result, or `None` once anything was decided about the connection.
async fn until_told<T>(state: &ConnectionState, mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    poll_fn(|cx| {
        state.register(cx.waker());
        if state.verdict() != Verdict::None {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Runs what ends by itself, unless the connection is to be closed before.
async fn unless_closed(state: &ConnectionState, mut serving: Pin<&mut impl Future<Output = ()>>) {
    poll_fn(|cx| {
        state.register(cx.waker());
        if state.verdict() == Verdict::Close { Poll::Ready(()) } else { serving.as_mut().poll(cx) }
    })
    .await;
}

/// Keeps a connection in the worker's sweep.
struct Watched {
    connection: Rc<ClientConnection>,
    key: usize,
}

impl Watched {
    fn begin(connection: &Rc<ClientConnection>) -> Self {
        let key = connection.worker.watch(&connection.state);
        Self { connection: Rc::clone(connection), key }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.connection.worker.unwatch(self.key);
    }
}
