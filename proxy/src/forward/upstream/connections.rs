//! One worker's connections over one link.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::client::conn::http2;
use sluicegate_table::{Priority, Protocol};
use tokio::sync::Notify;

use super::connect::{Dialer, Fresh};
use super::gate::{Admission, Gate, Grant, Permit, Ticket};
use super::http1::Http1;
use super::http2_body::Http2Body;
use super::link::Link;
use crate::forward::clock::Millis;
use crate::forward::error::ForwardError;
use crate::worker::WorkerId;

/// Requests that one HTTP/2 connection carries at a time before another is opened.
const STREAMS: u32 = 100;

/// One worker's connections over one link.
#[derive(Debug)]
pub(crate) struct Connections {
    link: Arc<Link>,
    worker: WorkerId,
    idle: RefCell<Vec<Idle>>,
    reserved: RefCell<Vec<(Ticket, Http1)>>,
    http2: RefCell<Vec<Rc<Http2>>>,
    /// The target is known to speak HTTP/2, so that one connection serves all who wait for it.
    multiplexes: Cell<bool>,
    dialing: Cell<bool>,
    dialed: Notify,
    /// Nothing is kept for another request.
    closing: Cell<bool>,
}

#[derive(Debug)]
struct Idle {
    connection: Http1,
    since: Millis,
}

/// An HTTP/2 connection that requests share.
#[derive(Debug)]
pub(crate) struct Http2 {
    link: Arc<Link>,
    sender: http2::SendRequest<Http2Body>,
    streams: Cell<u32>,
    /// Since when a sweep has seen no streams.
    idle_since: Cell<Option<Millis>>,
}

/// A request's place on an HTTP/2 connection.
#[derive(Debug)]
pub(crate) struct Stream(Rc<Http2>);

/// A connection to send one request on.
#[derive(Debug)]
pub(crate) enum Checkout {
    /// Alone.
    Http1(Http1),
    /// With others.
    Http2(Stream),
}

impl Http2 {
    /// How long no request has used it, as sweeps have seen it.
    fn idle_for(&self, now: Millis) -> Millis {
        if self.streams.get() > 0 {
            self.idle_since.set(None);
            return 0;
        }
        let since = self.idle_since.get().unwrap_or(now);
        self.idle_since.set(Some(since));
        now.saturating_sub(since)
    }
}

impl Stream {
    fn begin(connection: &Rc<Http2>) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        Self(Rc::clone(connection))
    }

    /// A handle that sends the request.
    pub(crate) fn sender(&self) -> http2::SendRequest<Http2Body> {
        self.0.sender.clone()
    }

    /// The link that it is over.
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.0.link
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get().saturating_sub(1));
    }
}

impl Connections {
    /// No connections yet.
    pub(crate) fn new(link: &Arc<Link>, worker: WorkerId) -> Rc<Self> {
        Rc::new(Self {
            link: Arc::clone(link),
            worker,
            idle: RefCell::default(),
            reserved: RefCell::default(),
            http2: RefCell::default(),
            multiplexes: Cell::new(link.terms.protocol == Protocol::H2c),
            dialing: Cell::new(false),
            dialed: Notify::new(),
            closing: Cell::new(false),
        })
    }

    /// The link.
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// A connection that is there, if there is one: the hot path. An upgrade needs HTTP/1.1.
    pub(crate) fn ready(&self, upgrade: bool) -> Option<Checkout> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { mut connection, .. }) = idle.pop() {
            self.link.idle.fetch_sub(1, Ordering::Relaxed);
            if connection.serves() {
                return Some(Checkout::Http1(connection));
            }
        }
        drop(idle);
        if self.shares(upgrade) { self.ready_stream() } else { None }
    }

    /// Whether requests go over connections that others use too.
    fn shares(&self, upgrade: bool) -> bool {
        self.multiplexes.get() && !upgrade && self.link.terms.connections.keep_alive
    }

    fn ready_stream(&self) -> Option<Checkout> {
        let mut connections = self.http2.borrow_mut();
        connections.retain(|connection| !connection.sender.is_closed());
        let free = connections.iter().find(|connection| connection.streams.get() < STREAMS)?;
        Some(Checkout::Http2(Stream::begin(free)))
    }

    /// Opens a connection, or waits for one where `connections.max` are open. Upgrades need HTTP/1.1 for themselves.
    pub(crate) async fn open(
        &self,
        dialer: &Dialer,
        priority: Priority,
        upgrade: bool,
    ) -> Result<Checkout, ForwardError> {
        if self.shares(upgrade) {
            return self.open_stream(dialer, priority).await;
        }
        loop {
            match self.permit(priority).await? {
                Turn::Open(permit) => return Ok(self.adopt(dialer.dial(&self.link, permit, upgrade).await?)),
                Turn::Reserved(mut connection) => {
                    if connection.serves() {
                        return Ok(Checkout::Http1(connection));
                    }
                    // The target has closed it meanwhile; its permit goes to the next, who may be this one.
                }
            }
        }
    }

    /// One dial at a time: the others wait for the connection that all of them will share.
    async fn open_stream(&self, dialer: &Dialer, priority: Priority) -> Result<Checkout, ForwardError> {
        loop {
            let ended = self.dialed.notified();
            if let Some(ready) = self.ready_stream() {
                return Ok(ready);
            }
            if self.dialing.get() {
                ended.await;
                continue;
            }
            let _dialing = Dialing::begin(self);
            // Streams are shared, so that a worker without any connection may always have one: waiting for another
            // worker's to fall idle could be for ever.
            let permit = match self.link.gate.enter(self.worker, priority, self.link.idle()) {
                Ok(Admission::Open(permit)) => permit,
                _ if self.http2.borrow().is_empty() => Gate::beyond(&self.link.gate),
                Ok(Admission::Wait(_)) | Err(_) => return self.crowded_stream(),
            };
            return Ok(self.adopt(dialer.dial(&self.link, permit, false).await?));
        }
    }

    /// All connections that may be open are full: the least full one takes more than its usual number.
    fn crowded_stream(&self) -> Result<Checkout, ForwardError> {
        let connections = self.http2.borrow();
        let least = connections.iter().min_by_key(|connection| connection.streams.get());
        let queue = self.link.terms.connections.max_pending;
        match least {
            Some(connection) if connection.streams.get() < STREAMS.saturating_add(queue) => {
                Ok(Checkout::Http2(Stream::begin(connection)))
            }
            _ => Err(ForwardError::Overloaded),
        }
    }

    async fn permit(&self, priority: Priority) -> Result<Turn, ForwardError> {
        let mut waiting = match self.link.gate.enter(self.worker, priority, self.link.idle())? {
            Admission::Open(permit) => return Ok(Turn::Open(permit)),
            Admission::Wait(waiting) => waiting,
        };
        let claim = Claim { connections: self, ticket: waiting.ticket };
        match (&mut waiting.grant).await {
            Ok(Grant::Open(permit)) => Ok(Turn::Open(permit)),
            Ok(Grant::Reserved) => claim.take().map(Turn::Reserved).ok_or(ForwardError::Overloaded),
            Err(_) => Err(ForwardError::Internal("the connection queue was closed")),
        }
    }

    fn adopt(&self, fresh: Fresh) -> Checkout {
        match fresh {
            Fresh::Http1(connection) => Checkout::Http1(connection),
            Fresh::Http2(sender) => {
                self.multiplexes.set(true);
                let connection = Rc::new(Http2 {
                    link: Arc::clone(&self.link),
                    sender,
                    streams: Cell::new(0),
                    idle_since: Cell::new(None),
                });
                let stream = Stream::begin(&connection);
                if self.link.terms.connections.keep_alive {
                    self.http2.borrow_mut().push(connection);
                }
                Checkout::Http2(stream)
            }
        }
    }

    /// Takes back a connection whose answer was read to its end.
    pub(crate) fn give_back(&self, connection: Http1, now: Millis) {
        if !self.link.terms.connections.keep_alive || self.closing.get() {
            return;
        }
        if self.link.gate.pending() == 0 {
            self.keep(connection, now);
        } else {
            let mut offered = Some(connection);
            self.link.gate.pass_idle(self.worker, |ticket| {
                if let Some(connection) = offered.take() {
                    self.reserved.borrow_mut().push((ticket, connection));
                }
            });
            // Not taken: another worker's request is first. Dropping the connection passes its permit on.
        }
    }

    fn keep(&self, connection: Http1, since: Millis) {
        self.link.idle.fetch_add(1, Ordering::Relaxed);
        self.idle.borrow_mut().push(Idle { connection, since });
    }

    /// One tick: closes what need not stay open. `false`: the table in force leads here no more, so that these may be
    /// forgotten.
    pub(crate) fn tick(&self, now: Millis) -> bool {
        let retired = self.link.is_retired();
        let closing = retired || self.link.is_leaving();
        self.closing.set(closing);
        if closing {
            self.close();
        } else {
            self.sweep(now);
        }
        !retired
    }

    /// Closes what has been idle for too long, what the target closed, and what another worker waits for.
    fn sweep(&self, now: Millis) {
        let limit = u64::try_from(self.link.terms.connections.idle_timeout.as_millis()).unwrap_or(u64::MAX);
        let mut wanted = self.link.gate.pending();
        let mut idle = self.idle.borrow_mut();
        let before = idle.len();
        idle.retain_mut(|idle| {
            if wanted > 0 {
                wanted -= 1;
                return false;
            }
            now.saturating_sub(idle.since) < limit && idle.connection.serves()
        });
        let closed = u32::try_from(before - idle.len()).unwrap_or(u32::MAX);
        self.link.idle.fetch_sub(closed, Ordering::Relaxed);
        self.http2.borrow_mut().retain(|connection| !connection.sender.is_closed() && connection.idle_for(now) < limit);
    }

    /// Closes what is idle; what is in use is closed when its answer ends.
    fn close(&self) {
        self.drop_idle();
        self.http2.borrow_mut().clear();
    }

    fn drop_idle(&self) {
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        self.link.idle.fetch_sub(u32::try_from(idle.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    fn take_reserved(&self, ticket: Ticket) -> Option<Http1> {
        let mut reserved = self.reserved.borrow_mut();
        let place = reserved.iter().position(|(other, _)| *other == ticket)?;
        Some(reserved.swap_remove(place).1)
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.drop_idle();
    }
}

/// A request's turn to have a connection.
enum Turn {
    Open(Permit),
    Reserved(Http1),
}

/// What may have been reserved for a waiter that goes before it hears of it.
struct Claim<'a> {
    connections: &'a Connections,
    ticket: Ticket,
}

impl Claim<'_> {
    fn take(&self) -> Option<Http1> {
        self.connections.take_reserved(self.ticket)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Dropping the connection passes its permit to the next waiter.
        drop(self.take());
    }
}

/// Marks that a dial is under way, and wakes those who wait for it when it ends either way.
struct Dialing<'a>(&'a Connections);

impl<'a> Dialing<'a> {
    fn begin(connections: &'a Connections) -> Self {
        connections.dialing.set(true);
        Self(connections)
    }
}

impl Drop for Dialing<'_> {
    fn drop(&mut self) {
        self.0.dialing.set(false);
        self.0.dialed.notify_waiters();
    }
}
