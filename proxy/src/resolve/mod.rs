//! From a target's host name to its addresses.
//!
//! Workers ask on connect only. Lookups run on the control runtime, one at a time for a name, and their results are shared
//! by all workers, so that neither the number of workers nor a burst of connects multiplies questions to the name server.
//! The names are those of the table; clients cannot add any.
//!
//! A name server that fails takes nothing down: addresses that were good stay in use for up to [`STALE`] after they
//! expired (RFC 8767), and a connect does not wait longer than [`PATIENCE`] for newer ones. Only the name server's word that
//! a name is gone ends that, and it must give it twice: with search domains, one lost packet can make a name look gone.
//!
//! A host that moves may leave addresses behind that count for minutes yet: where none of them takes a connection, the name
//! server is asked again, at most every [`RETRY`].

mod system;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use system::SystemLookup;

/// The longest and shortest time that addresses count as good, whatever the name server says.
const TTL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));
/// The longest and shortest time that a name counts as not there.
const NEGATIVE_TTL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// How long not to ask again after a name server failed.
const RETRY: Duration = Duration::from_secs(5);
/// How long expired addresses may still be used when there is no better answer.
pub const STALE: Duration = Duration::from_hours(1);
/// How long a connect waits for new addresses while expired ones are at hand.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Why a name has no addresses. For the log; clients get the reason alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The name server says that there is no such name, or none with an address.
    #[error("`{0}` does not exist")]
    NotFound(String),
    /// The name server gave no answer.
    #[error("`{host}` could not be looked up: {error}")]
    Failed {
        /// The name.
        host: String,
        /// What happened.
        error: String,
    },
}

/// What a lookup found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    addresses: Vec<IpAddr>,
    ttl: Duration,
}

/// What a lookup says instead of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Unfound {
    /// There is no such name; ask again after this time.
    NoSuchName(Duration),
    /// No answer.
    Failed(String),
}

type Outcome = Result<Found, Unfound>;
type Lookup = Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

/// The addresses of a host, never empty. They are tried in [`Resolved::iter`]'s order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// IPv4 addresses, then IPv6 addresses.
    addresses: Arc<[IpAddr]>,
    /// Which of each kind comes first.
    turn: usize,
}

impl Resolved {
    fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Self { addresses: addresses.into_iter().collect(), turn: 0 }
    }

    /// The addresses, IPv4 before IPv6; within each, every call to [`Resolver::resolve`] puts another one first, so that
    /// connections spread over all.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> {
        let (v4, v6) = self.addresses.split_at(self.addresses.partition_point(IpAddr::is_ipv4));
        let rotated = |kind| <[IpAddr]>::iter(kind).cycle().skip(self.turn % kind.len().max(1)).take(kind.len());
        rotated(v4).chain(rotated(v6)).copied()
    }
}

/// Resolves host names for all workers; clones share what is known.
#[derive(Clone)]
pub struct Resolver(Arc<Shared>);

struct Shared {
    runtime: Handle,
    lookup: Lookup,
    names: Mutex<HashMap<String, Name>>,
}

/// What is known of a name. At least one of the fields `good`, `refused` and `flight` is set.
#[derive(Default)]
struct Name {
    good: Option<Good>,
    /// Why the last lookup gave none, and until when not to ask again.
    refused: Option<(ResolveError, Instant)>,
    /// A lookup on its way. It says `true` when it takes longer than [`PATIENCE`], and closes when it is done.
    flight: Option<watch::Receiver<bool>>,
    turn: usize,
}

/// The last addresses of a name.
struct Good {
    addresses: Arc<[IpAddr]>,
    learned: Instant,
    until: Instant,
}

/// What to do about a name now.
enum State {
    Known(Result<Resolved, ResolveError>),
    /// Ask; meanwhile these might do.
    Ask(Option<Resolved>),
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("names", &self.0.names().len()).finish_non_exhaustive()
    }
}

impl Resolver {
    /// Resolves as the system is configured: the hosts file, then the name servers of `resolv.conf` with its search
    /// domains. Lookups run on `runtime`.
    pub fn system(runtime: Handle) -> Self {
        let system = Arc::new(SystemLookup::new());
        Self::with_lookup(
            runtime,
            Box::new(move |host| {
                let system = Arc::clone(&system);
                Box::pin(async move { system.lookup(&host).await })
            }),
        )
    }

    fn with_lookup(runtime: Handle, lookup: Lookup) -> Self {
        Self(Arc::new(Shared { runtime, lookup, names: Mutex::default() }))
    }

    /// The addresses of `host`: a name, or an IP address without brackets. May be awaited on any runtime.
    pub async fn resolve(&self, host: &str) -> Result<Resolved, ResolveError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Resolved::new([address]));
        }
        if is_localhost(host) {
            return Ok(Resolved::new([Ipv4Addr::LOCALHOST.into(), IpAddr::from(Ipv6Addr::LOCALHOST)]));
        }
        let (stale, mut flight) = {
            let mut names = self.0.names();
            let name = names.entry(host.to_owned()).or_default();
            let stale = match name.state(Instant::now()) {
                State::Known(known) => return known,
                State::Ask(stale) => stale,
            };
            // A flight that is closed but still here has panicked.
            let flying = name.flight.clone().filter(|flight| flight.has_changed().is_ok());
            (stale, flying.unwrap_or_else(|| name.flight.insert(self.ask(host)).clone()))
        };
        if let Some(stale) = stale {
            // `wait_for` fails when the flight is over; else it is late.
            if flight.wait_for(|late| *late).await.is_ok() {
                return Ok(stale);
            }
        } else {
            while flight.changed().await.is_ok() {}
        }
        match self.0.names().get_mut(host).map(|name| name.state(Instant::now())) {
            Some(State::Known(known)) => known,
            Some(State::Ask(Some(stale))) => Ok(stale),
            Some(State::Ask(None)) | None => {
                Err(ResolveError::Failed { host: host.to_owned(), error: "the lookup broke off".to_owned() })
            }
        }
    }

    /// No address of `host` took a connection: the next one to ask gets new ones, if there are any.
    pub fn doubt(&self, host: &str) {
        if let Some(good) = self.0.names().get_mut(host).and_then(|name| name.good.as_mut()) {
            let now = Instant::now();
            if good.learned + RETRY <= now {
                good.until = good.until.min(now);
            }
        }
    }

    /// Starts a lookup on the control runtime.
    fn ask(&self, host: &str) -> watch::Receiver<bool> {
        let (sender, flight) = watch::channel(false);
        let (shared, host) = (Arc::clone(&self.0), host.to_owned());
        self.0.runtime.spawn(async move {
            let mut lookup = (shared.lookup)(host.clone());
            let outcome = if let Ok(outcome) = timeout(PATIENCE, &mut lookup).await {
                outcome
            } else {
                // Nobody may be waiting any more.
                let _ = sender.send(true);
                lookup.await
            };
            let now = Instant::now();
            let mut names = shared.names();
            if let Some(name) = names.get_mut(&host) {
                name.learn(host, outcome, now);
            }
            names.retain(|_, name| name.is_worth_keeping(now));
        });
        flight
    }
}

impl Shared {
    fn names(&self) -> MutexGuard<'_, HashMap<String, Name>> {
        // A panic elsewhere leaves no name half written.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Name {
    fn state(&mut self, now: Instant) -> State {
        let good_for = |grace: Duration| {
            self.good.as_ref().filter(|good| now < good.until + grace).map(|good| Arc::clone(&good.addresses))
        };
        let (fresh, stale) = (good_for(Duration::ZERO), good_for(STALE));
        self.turn = self.turn.wrapping_add(1);
        let turn = self.turn;
        let resolved = |addresses| Resolved { addresses, turn };
        if let Some(addresses) = fresh {
            return State::Known(Ok(resolved(addresses)));
        }
        let stale = stale.map(resolved);
        match &self.refused {
            Some((error, until)) if now < *until => State::Known(stale.ok_or_else(|| error.clone())),
            _ => State::Ask(stale),
        }
    }

    fn learn(&mut self, host: String, outcome: Outcome, now: Instant) {
        self.flight = None;
        match outcome {
            Ok(found) if !found.addresses.is_empty() => {
                let mut addresses = found.addresses;
                addresses.sort_by_key(IpAddr::is_ipv6);
                let until = now + found.ttl.clamp(TTL.0, TTL.1);
                self.good = Some(Good { addresses: addresses.into(), learned: now, until });
                self.refused = None;
            }
            Ok(Found { ttl, .. }) | Err(Unfound::NoSuchName(ttl)) => {
                let confirmed = matches!(self.refused, Some((ResolveError::NotFound(_), _)));
                let wait = if self.good.is_some() && !confirmed {
                    RETRY
                } else {
                    self.good = None;
                    ttl.clamp(NEGATIVE_TTL.0, NEGATIVE_TTL.1)
                };
                self.refused = Some((ResolveError::NotFound(host), now + wait));
            }
            Err(Unfound::Failed(error)) => {
                self.refused = Some((ResolveError::Failed { host, error }, now + RETRY));
            }
        }
    }

    fn is_worth_keeping(&self, now: Instant) -> bool {
        self.flight.is_some()
            || self.good.as_ref().is_some_and(|good| now < good.until + STALE)
            || self.refused.as_ref().is_some_and(|(_, until)| now < *until)
    }
}

/// `localhost` and what is under it is this machine, and no name server's business (RFC 6761, 6.3).
fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let label = host.rsplit('.').next().unwrap_or(host);
    label.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests;
