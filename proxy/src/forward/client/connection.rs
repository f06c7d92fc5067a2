//! One client connection, served as HTTP/1.1 or HTTP/2.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;

use super::early;
use super::io::{ClientIo, ClientStream};
use super::state::{ConnectionState, Verdict};
use crate::forward::exchange;
use crate::forward::headers::ForwardedFacts;
use crate::worker::{LocalExecutor, Worker};

/// What clients of HTTP/2 with prior knowledge send first (RFC 9113, 3.4); no HTTP/1 method begins like it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// Windows as for targets: a hundred slow uploads fit the connection's window, so that none stalls the others.
const STREAMS: u32 = 100;
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = STREAMS * STREAM_WINDOW;

/// What all exchanges on one client connection share.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    pub(crate) worker: Rc<Worker>,
    pub(crate) state: Arc<ConnectionState>,
    pub(crate) forwarded: ForwardedFacts,
    pub(crate) tls: bool,
}

impl ClientConnection {
    /// Serves the connection to its end. `http2` is what ALPN agreed on, `None` where the first bytes tell.
    pub(super) async fn serve(self, mut stream: ClientStream, http2: Option<bool>) {
        let this = Rc::new(self);
        let watched = Watched::begin(&this);
        let (http2, ahead) = match http2 {
            Some(http2) => (http2, Bytes::new()),
            None => match this.first_bytes(&mut stream).await {
                Some(ahead) => (ahead.starts_with(PREFACE.get(..4).unwrap_or_default()), ahead),
                None => return,
            },
        };
        let io = TokioIo::new(ClientIo::new(stream, &this.state, ahead, !http2));
        if http2 {
            this.serve_http2(io).await;
        } else {
            this.serve_http1(io).await;
        }
        drop(watched);
    }

    async fn serve_http1(self: Rc<Self>, io: TokioIo<ClientIo>) {
        let this = Rc::clone(&self);
        let state = Arc::clone(&self.state);
        let limit = self.worker.settings().limits.request_headers;
        let service = service_fn(move |request| early::serve(&self, request));
        let connection = http1::Builder::new()
            .half_close(false)
            .max_buf_size(limit.max(MIN_BUFFER))
            .max_header_size(limit)
            .serve_connection(io, service)
            .with_upgrades();
        // `ClientIo` answers a head that does not come in time.
        run(&state, pin!(connection), http1::UpgradeableConnection::graceful_shutdown, false).await;
        if let Some(reason) = state.refused() {
            this.worker.record_unread(reason, this.forwarded.peer());
        }
    }

    async fn serve_http2(self: Rc<Self>, io: TokioIo<ClientIo>) {
        let state = Arc::clone(&self.state);
        // Twice the limit: h2 refuses what is larger without a word of why, and admission what is between the two.
        let limit = u32::try_from(self.worker.settings().limits.request_headers * 2).unwrap_or(u32::MAX);
        let service = service_fn(move |request| exchange::serve(Rc::clone(&self), request));
        let connection = http2::Builder::new(LocalExecutor)
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(limit)
            .serve_connection(io, service);
        run(&state, pin!(connection), http2::Connection::graceful_shutdown, true).await;
    }

    /// The first bytes, enough to tell HTTP/2 from HTTP/1.1; `None` when there are none to come in time.
    async fn first_bytes(&self, stream: &mut ClientStream) -> Option<Bytes> {
        let mut bytes = BytesMut::with_capacity(MIN_BUFFER);
        loop {
            let read = stream.read_buf(&mut bytes);
            let read = until_closed(&self.state, read).await?.ok()?;
            let told = bytes.len() >= 4 || !PREFACE.starts_with(&bytes);
            if told || read == 0 {
                return (!bytes.is_empty()).then(|| bytes.freeze());
            }
        }
    }
}

/// hyper's smallest buffer.
const MIN_BUFFER: usize = 8192;

/// Runs a connection until it ends or is to be closed. `at_header_timeout`: what has not begun its first request in time
/// is told so and closed.
async fn run<C>(
    state: &ConnectionState,
    mut connection: Pin<&mut C>,
    close: impl Fn(Pin<&mut C>),
    at_header_timeout: bool,
) where
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
            Verdict::HeaderTimeout if at_header_timeout => {
                close(connection.as_mut());
                // Once, for the GOAWAY: a client that has said nothing so far may never answer it.
                let _ = poll_logged(connection.as_mut(), cx);
                return Poll::Ready(());
            }
            Verdict::None | Verdict::Graceful | Verdict::HeaderTimeout => {}
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

/// The future's result, or `None` once the connection is to be closed for whatever reason.
async fn until_closed<T>(state: &ConnectionState, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        state.register(cx.waker());
        if state.verdict() != Verdict::None {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
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
