//! Election by a `Lease`, with the meanings that Kubernetes' own components give its fields.
//!
//! What keeps two controllers from leading at once, whatever is slow, lost or frozen:
//!
//! - A lease is written only in the version that was read, so that of two candidates one wins.
//! - A candidate waits a lease's whole duration from when it *saw* the last change, by its own clock. Times in the lease
//!   were written by other machines' clocks and are for people.
//! - The leader counts from *before* it sent what it wrote, and gives up `renewDeadline` after that, which is shorter than
//!   what others wait. What leads asks [`Leadership::leads`], which looks at the clock, so that a process that was
//!   frozen does nothing when it wakes.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{debug, info, warn};

use super::leadership::{Leadership, Standing};
use super::leases::{LeaseError, Leases};
use crate::config;

#[cfg(test)]
mod tests;

/// Who holds a lease: written `POD_ADDRESS`, so that followers can point to the leader. No name of a pod has a `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The pod's name. A container that starts again in its pod is the same holder, and need not wait for itself.
    pub pod: String,
    /// The host and port of its watch channel.
    pub address: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.pod, self.address)
    }
}

/// The address in a holder's identity.
fn address_of(holder: &str) -> Option<String> {
    holder.split_once('_').map(|(_, address)| address.to_owned())
}

/// A candidate, and the leader once it is elected.
pub struct Election<L> {
    leases: L,
    holder: String,
    settings: config::Lease,
    standing: watch::Sender<Standing>,
    observed: Option<Observed>,
    term: u64,
}

/// The lease as it was last seen.
struct Observed {
    lease: Lease,
    /// When this version of it was first seen.
    at: Instant,
}

impl<L: Leases> Election<L> {
    /// A candidate for `leases`, and the view of where it stands.
    pub fn new(leases: L, identity: &Identity, settings: config::Lease) -> (Self, Leadership) {
        let (standing, view) = watch::channel(Standing::Follows { leader: None });
        let election = Self { leases, holder: identity.to_string(), settings, standing, observed: None, term: 0 };
        (election, Leadership::new(view))
    }

    /// Takes part until `stop` is done, then gives up the lease if it holds it, so that another one can lead at once.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            let begun = Instant::now();
            self.end_if_due();
            // A leader that cannot renew stops at its deadline; a candidate gives up a try that takes as long.
            let deadline = self.leading_until().unwrap_or(begun + self.settings.renew_deadline);
            let tried = tokio::select! {
                biased;
                () = &mut stop => break,
                tried = timeout_at(deadline, self.try_once()) => tried,
            };
            match tried {
                Ok(Ok(())) => {}
                Ok(Err(error @ LeaseError::Conflict)) => debug!(%error, "the lease was not taken"),
                Ok(Err(error)) => warn!(error = %full(&error), "the lease could not be read or written"),
                Err(_) => warn!("the API server did not answer about the lease in time"),
            }
            let next = begun + self.settings.retry_period;
            let wake = self.leading_until().map_or(next, |until| until.min(next));
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = sleep_until(wake) => {}
            }
        }
        let led = self.leading_until().is_some();
        // Nothing is pushed or written any more before anyone else may.
        self.follow(None);
        if led {
            self.release().await;
        }
    }

    fn leading_until(&self) -> Option<Instant> {
        match *self.standing.borrow() {
            Standing::Leads { until, .. } => Some(until),
            Standing::Follows { .. } => None,
        }
    }

    /// Ends leading where its time is over, so that leading again is a new term.
    fn end_if_due(&self) {
        if self.leading_until().is_some_and(|until| until <= Instant::now()) {
            warn!("the lease was not renewed in time: this controller leads no more");
            self.follow(None);
        }
    }

    /// One try to take or renew the lease.
    async fn try_once(&mut self) -> Result<(), LeaseError> {
        if self.leading_until().is_some()
            && let Some(observed) = &self.observed
        {
            // The usual case: nobody has touched it since it was last renewed.
            match self.write(observed.lease.clone()).await {
                Err(LeaseError::Conflict) => {}
                written => return written.map(|written| self.take(written)),
            }
        }
        let lease = self.leases.read().await?;
        if let Some(lease) = &lease
            && let Some(leader) = self.observe(lease)
        {
            self.follow(address_of(&leader));
            return Ok(());
        }
        let written = self.write(lease.unwrap_or_default()).await?;
        self.take(written);
        Ok(())
    }

    /// Notes the lease, and returns the other one that holds it.
    fn observe(&mut self, lease: &Lease) -> Option<String> {
        let now = Instant::now();
        let known = self.observed.as_ref();
        // Any new version is a sign of life. The same version is not, however often it is read.
        let since = match known {
            Some(known) if known.lease.metadata.resource_version == lease.metadata.resource_version => known.at,
            _ => now,
        };
        self.observed = Some(Observed { lease: lease.clone(), at: since });
        let spec = lease.spec.as_ref()?;
        let other = spec.holder_identity.clone().filter(|holder| !holder.is_empty() && *holder != self.holder)?;
        let duration = spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(self.settings.duration, Duration::from_secs);
        (now < since + duration).then_some(other)
    }

    /// Writes `lease` with this controller as its holder. Returns what was written, and until when this controller leads.
    async fn write(&self, mut lease: Lease) -> Result<(Lease, Instant), LeaseError> {
        let now = MicroTime(Timestamp::now());
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_ref() != Some(&self.holder) {
            let before = spec.lease_transitions.unwrap_or_default();
            let transitions = if spec.acquire_time.is_some() { before.saturating_add(1) } else { before };
            *spec = LeaseSpec {
                holder_identity: Some(self.holder.clone()),
                lease_transitions: Some(transitions),
                acquire_time: Some(now.clone()),
                ..LeaseSpec::default()
            };
        }
        spec.lease_duration_seconds = Some(whole_seconds(self.settings.duration));
        spec.renew_time = Some(now);
        let sent = Instant::now();
        let written = if lease.metadata.resource_version.is_some() {
            self.leases.replace(&lease).await?
        } else {
            self.leases.create(&lease).await?
        };
        Ok((written, sent + self.settings.renew_deadline))
    }

    /// The lease was written: leads, unless the answer took too long.
    fn take(&mut self, (lease, until): (Lease, Instant)) {
        let now = Instant::now();
        self.observed = Some(Observed { lease, at: now });
        if until <= now {
            return;
        }
        if self.leading_until().is_none_or(|until| until <= now) {
            self.term += 1;
            info!(term = self.term, "this controller leads");
        }
        self.standing.send_replace(Standing::Leads { term: self.term, until });
    }

    fn follow(&self, leader: Option<String>) {
        self.standing.send_if_modified(|standing| {
            let next = Standing::Follows { leader };
            if *standing == next {
                return false;
            }
            if let Standing::Follows { leader } = &next {
                info!(leader = leader.as_deref().unwrap_or("unknown"), "this controller follows");
            }
            *standing = next;
            true
        });
    }

    /// Gives up the lease. Where that fails it runs out by itself.
    async fn release(&mut self) {
        let deadline = Instant::now() + self.settings.renew_deadline;
        let released = timeout_at(deadline, async {
            // What was under way when the stop came may have been written or not, so it is read anew.
            let Some(mut lease) = self.leases.read().await? else { return Ok(()) };
            let Some(spec) = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_ref() == Some(&self.holder))
            else {
                return Ok(());
            };
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime(Timestamp::now()));
            self.leases.replace(&lease).await.map(drop)
        });
        match released.await {
            Ok(Ok(())) => info!("the lease is given up"),
            Ok(Err(error)) => warn!(error = %full(&error), "the lease could not be given up, and will run out"),
            Err(_) => warn!("the API server did not answer, so the lease was not given up and will run out"),
        }
    }
}

/// Rounded up: others must not take a lease for over earlier than its holder does.
fn whole_seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)
}

/// An error with what caused it.
fn full(error: &LeaseError) -> String {
    match error {
        LeaseError::Unavailable(cause) => match cause.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
        LeaseError::Conflict => error.to_string(),
    }
}
