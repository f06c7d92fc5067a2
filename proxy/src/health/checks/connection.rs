//! A connection for checks, driven by whoever uses it.

use std::future::pending;
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::Instant;

use super::dial::Stream;
use crate::forward::error::ForwardError;

/// How long a connection is used. A check then also finds out whether a new one comes about, and where the name leads by
/// now.
const USED_FOR: Duration = Duration::from_mins(1);
/// How large an answer's head may be.
const READ_BUFFER: usize = 64 * 1024;

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// A connection for checks. It makes progress within its methods only.
pub(super) struct Connection {
    sender: Sender,
    /// `None` once it is closed.
    driver: Option<Driver>,
    until: Instant,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Begins HTTP on a stream.
    pub(super) async fn begin(stream: Box<dyn Stream>, http2: bool) -> Result<Self, ForwardError> {
        let io = TokioIo::new(stream);
        let (sender, driver): (_, Driver) = if http2 {
            let handshake = http2::Builder::new(TokioExecutor::new()).handshake(io);
            let (sender, connection) = handshake.await.map_err(ForwardError::Handshake)?;
            (Sender::Http2(sender), Box::pin(connection))
        } else {
            let handshake = http1::Builder::new().max_buf_size(READ_BUFFER).handshake(io);
            let (sender, connection) = handshake.await.map_err(ForwardError::Handshake)?;
            (Sender::Http1(sender), Box::pin(connection))
        };
        Ok(Self { sender, driver: Some(driver), until: Instant::now() + USED_FOR })
    }

    /// Whether it is HTTP/2 that is spoken.
    pub(super) fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    /// Whether another request may be sent.
    pub(super) fn is_usable(&self) -> bool {
        self.driver.is_some() && Instant::now() < self.until
    }

    /// Sends a request and waits for its answer's head.
    pub(super) async fn ask(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        let Self { sender, driver, .. } = self;
        driven(driver, async {
            match sender {
                Sender::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Sender::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        })
        .await
    }

    /// Does work that needs the connection to make progress.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        driven(&mut self.driver, work).await
    }

    /// Returns when it is closed; may be dropped before.
    pub(super) async fn closed(&mut self) {
        match &mut self.driver {
            Some(driver) => {
                // How it ended makes no difference to the next check, which opens another one.
                let _ = driver.await;
                self.driver = None;
            }
            None => pending().await,
        }
    }
}

async fn driven<T>(driver: &mut Option<Driver>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Some(connection) = driver {
        tokio::select! {
            biased;
            done = &mut work => return done,
            // Whoever waits for something from it is told why it will not come.
            _ = connection => *driver = None,
        }
    }
    work.await
}
