//! Connections: TLS, HTTP/2, and their ends.
//!
//! A connection whose sender has not proved who it is within a few seconds is closed: without that, strangers could hold
//! all there may be. Every connection ends at once when this controller stops leading, so that nothing which waits in
//! one is delivered in the name of a leader that is none.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::requests::Shared;
use crate::lead::{Leadership, Standing};

/// The most connections at a time.
const MOST: usize = 4096;
/// How long the TLS handshake may take, and then the proof of who asks.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the system may refuse new connections before they are tried again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long nothing may come from a proxy before it is asked whether it lives.
const PING_AFTER: Duration = Duration::from_secs(15);
/// How long the answer may take.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// What may wait in memory for one proxy.
const SEND_BUFFER: usize = 64 * 1024;

/// Accepts connections for as long as it is polled.
pub(super) async fn serve(listener: TcpListener, tls: TlsAcceptor, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(MOST));
    // Connections end with the server, not each by itself.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the watch channel cannot accept a connection");
                sleep(PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(most = MOST, "the watch channel has as many connections as it may; one more is closed");
            continue;
        };
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            connection(stream, &tls, &shared).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, tls: &TlsAcceptor, shared: &Arc<Shared>) {
    // A line must not wait for the acknowledgement of the one before. If the system refuses, it is slower, not wrong.
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = timeout(PATIENCE, tls.accept(stream)).await else {
        return;
    };
    let (knowing, mut known) = watch::channel(false);
    let service = service_fn(|request| {
        let (shared, knowing) = (Arc::clone(shared), knowing.clone());
        let known = move || {
            knowing.send_replace(true);
        };
        async move { Ok::<_, Infallible>(shared.answer(request, known).await) }
    });
    let serving = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(16)
        .max_header_list_size(32 * 1024)
        .max_send_buf_size(SEND_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let stranger = async {
        if timeout(PATIENCE, known.wait_for(|known| *known)).await.is_ok_and(|known| known.is_ok()) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = serving => if let Err(error) = ended {
            tracing::debug!(%error, "a connection of the watch channel ended");
        },
        () = stranger => tracing::debug!("a connection of the watch channel was closed: its sender did not say who it is"),
        () = lost(shared.leadership.clone()) => {}
    }
}

/// Returns when this controller, having led, leads no more, or leads again after another one may have led.
async fn lost(mut leadership: Leadership) {
    let mut led = None;
    loop {
        let term = leadership.term();
        if led.is_some() && term != led {
            return;
        }
        led = term;
        match leadership.standing() {
            Standing::Leads { until, .. } if term.is_some() => tokio::select! {
                () = leadership.changed() => {}
                () = sleep_until(until) => {}
            },
            _ => leadership.changed().await,
        }
    }
}
