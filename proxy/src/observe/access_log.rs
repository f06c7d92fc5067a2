//! The access log: one JSON line per request, or per every Nth.
//!
//! A worker decides at the request's head whether the request is logged ([`WorkerLog::wants`], a branch when the log is
//! off), fills an [`Entry`] only then, and hands it to a thread that formats and writes. The queue between them is bounded
//! and is never waited for: what does not fit is dropped and counted, so that a stuck standard output cannot hold up
//! traffic. Lines hold no query, no headers but `User-Agent` and the ids, and no body: those are where secrets are.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, Method, Version, header};
use serde::{Serialize, Serializer};

use super::timestamp::Timestamp;
use crate::answer::Reason;

/// Entries that may wait for the writing thread.
const QUEUE: usize = 4096;

/// The most bytes of a text that clients choose; longer ones are cut. With [`QUEUE`] it bounds the memory of the queue.
const LONGEST: usize = 1024;

/// How long [`AccessLog::finish`] waits for what is queued to be written.
const FINISH: Duration = Duration::from_secs(2);

/// The access log of the process; clones are the same log.
#[derive(Clone, Debug)]
pub struct AccessLog(Option<Queue>);

#[derive(Clone)]
struct Queue {
    every: u32,
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("every", &self.every).finish_non_exhaustive()
    }
}

enum Message {
    Entry(Box<Entry>),
    /// Write everything out and say so.
    Finish(SyncSender<()>),
}

impl AccessLog {
    /// No access log.
    pub fn off() -> Self {
        Self(None)
    }

    /// A log of one in `every` requests into `sink`, written by a thread of its own; 0: no log.
    ///
    /// # Errors
    /// The system would not start a thread.
    pub fn start(every: u32, sink: impl Write + Send + 'static) -> io::Result<Self> {
        if every == 0 {
            return Ok(Self::off());
        }
        let (sender, receiver) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        thread::Builder::new().name("access-log".to_owned()).spawn(move || write_lines(&receiver, sink, &lost))?;
        Ok(Self(Some(Queue { every, sender, dropped })))
    }

    /// The log as one worker uses it.
    pub fn worker(&self) -> WorkerLog {
        let every = self.0.as_ref().map_or(0, |queue| queue.every);
        WorkerLog { every, until_next: Cell::new(1), queue: self.0.clone() }
    }

    /// Entries that were lost because the queue was full or the sink refused them.
    pub fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |queue| queue.dropped.load(Ordering::Relaxed))
    }

    /// Waits until what is queued is written, or for two seconds. To be called when the workers have ended.
    pub fn finish(&self) {
        self.finish_within(FINISH);
    }

    fn finish_within(&self, limit: Duration) {
        let Some(queue) = &self.0 else { return };
        let (done, wait) = sync_channel(1);
        let sender = queue.sender.clone();
        // A full queue takes the mark when there is room; only a thread of its own can wait for that.
        let asked = thread::Builder::new().spawn(move || {
            // Fails only when the writing thread is gone, and `wait` with it.
            let _ = sender.send(Message::Finish(done));
        });
        if asked.is_err() || wait.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the access log is stuck: its last entries are lost");
        }
    }
}

fn write_lines(queue: &Receiver<Message>, sink: impl Write, lost: &AtomicU64) {
    let mut sink = BufWriter::with_capacity(64 * 1024, sink);
    let mut line = Vec::with_capacity(1024);
    loop {
        let message = match queue.try_recv() {
            Ok(message) => message,
            Err(TryRecvError::Disconnected) => return,
            // Nothing left to do: let readers have what there is, then sleep.
            Err(TryRecvError::Empty) => {
                if sink.flush().is_err() {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
                let Ok(message) = queue.recv() else { return };
                message
            }
        };
        match message {
            Message::Entry(entry) => {
                line.clear();
                let written = serde_json::to_writer(&mut line, &*entry).map_err(io::Error::from).and_then(|()| {
                    line.push(b'\n');
                    sink.write_all(&line)
                });
                if written.is_err() {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            }
            Message::Finish(done) => {
                if sink.flush().is_err() {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
                // Nobody waits any more if this fails.
                let _ = done.try_send(());
            }
        }
    }
}

/// The access log as one worker uses it.
#[derive(Debug)]
pub struct WorkerLog {
    /// 0: the log is off.
    every: u32,
    until_next: Cell<u32>,
    queue: Option<Queue>,
}

impl WorkerLog {
    /// Whether the request that begins now is to be logged. Ask once per request: this counts.
    pub fn wants(&self) -> bool {
        if self.every == 0 {
            return false;
        }
        let left = self.until_next.get() - 1;
        self.until_next.set(if left == 0 { self.every } else { left });
        left == 0
    }

    /// Queues an entry, or counts it as dropped where the queue is full.
    pub fn write(&self, mut entry: Box<Entry>) {
        let Some(queue) = &self.queue else { return };
        entry.bound();
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = queue.sender.try_send(Message::Entry(entry))
        {
            queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One line of the access log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When the request's head was read.
    #[serde(serialize_with = "rfc3339")]
    pub time: SystemTime,
    /// The method; left out, as host and path are empty, where the head was refused before it was known.
    #[serde(serialize_with = "word_of_method", skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// The host, as for matching.
    pub host: String,
    /// The path as the client sent it, without the query, which may hold secrets.
    pub path: String,
    /// The protocol the client speaks.
    #[serde(serialize_with = "debug")]
    pub protocol: Version,
    /// The status that the client got; left out when it went away before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why Sluicegate answered itself, or why the answer broke off.
    #[serde(serialize_with = "word", skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The Rule's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The Upstream's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// The Target's key: the last one tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How often it was sent, or tried to be sent, to a target.
    pub attempts: u32,
    /// From the request's head until the end of the answer's body.
    #[serde(rename = "durationSeconds", serialize_with = "seconds")]
    pub duration: Duration,
    /// Bytes of the request's body.
    pub bytes_received: u64,
    /// Bytes of the answer's body.
    pub bytes_sent: u64,
    /// The client's address, as the trusted proxies tell it.
    #[serde(rename = "clientIP")]
    pub client_ip: IpAddr,
    /// The `User-Agent` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The `X-Request-ID` header.
    #[serde(rename = "requestID", skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The trace's id from the `traceparent` header (W3C Trace Context).
    #[serde(rename = "traceID", skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

impl Entry {
    /// An entry with what a request's head tells; the rest is filled in when the answer has ended.
    pub fn begin(
        method: &Method,
        host: &str,
        path: &str,
        protocol: Version,
        headers: &HeaderMap,
        client_ip: IpAddr,
    ) -> Box<Self> {
        Box::new(Self {
            time: SystemTime::now(),
            method: Some(method.clone()),
            host: host.to_owned(),
            path: path.to_owned(),
            protocol,
            status: None,
            reason: None,
            route: None,
            upstream: None,
            target: None,
            attempts: 0,
            duration: Duration::ZERO,
            bytes_received: 0,
            bytes_sent: 0,
            client_ip,
            user_agent: text(headers, &header::USER_AGENT),
            request_id: text(headers, &HeaderName::from_static("x-request-id")),
            trace_id: trace_id(headers),
        })
    }

    /// An entry of an HTTP/1.1 request whose head was refused, or did not come in time.
    pub fn unread(reason: Reason, peer: IpAddr) -> Box<Self> {
        let entry = Self::begin(&Method::GET, "", "", Version::HTTP_11, &HeaderMap::new(), peer);
        Box::new(Self { method: None, status: Some(reason.status().as_u16()), reason: Some(reason), ..*entry })
    }

    /// Cuts what clients choose the length of.
    fn bound(&mut self) {
        let chosen =
            [&mut self.host, &mut self.path].into_iter().chain(&mut self.user_agent).chain(&mut self.request_id);
        for text in chosen {
            if text.len() > LONGEST {
                text.truncate(text.floor_char_boundary(LONGEST));
                text.shrink_to_fit();
            }
        }
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The second field of `traceparent`: 32 hexadecimal digits that are not all 0.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("traceparent")?.to_str().ok()?.split('-').nth(1)?;
    let good = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && id.bytes().any(|byte| byte != b'0');
    good.then(|| id.to_ascii_lowercase())
}

fn rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Timestamp(*time))
}

// Serde passes fields by reference.
#[allow(clippy::ref_option)]
fn word_of_method<S: Serializer>(method: &Option<Method>, serializer: S) -> Result<S::Ok, S::Error> {
    method.as_ref().map(Method::as_str).serialize(serializer)
}

/// `Version` has no `Display`; its `Debug` is the protocol's name.
fn debug<S: Serializer>(value: &impl fmt::Debug, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:?}"))
}

// Serde passes fields by reference.
#[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref)]
fn word<S: Serializer>(reason: &Option<Reason>, serializer: S) -> Result<S::Ok, S::Error> {
    reason.map(Reason::word).serialize(serializer)
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // Microseconds are enough, and keep binary fractions out of the line.
    serializer.serialize_f64(duration.as_micros() as f64 / 1e6)
}

#[cfg(test)]
#[path = "access_log_tests.rs"]
mod tests;
