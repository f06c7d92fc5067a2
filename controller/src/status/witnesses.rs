//! The ready proxies, and what each has said in this term.
//!
//! Who is ready comes from the proxies' Service, what they have from their reports. A ready proxy that loses its watch
//! keeps serving what it had, so its last word stands until it speaks again or is ready no more. One that has not spoken
//! yet (to a controller that has just begun to lead, or because it has just become ready) is given [`GRACE`]: until then it
//! is unknown what it has, and nothing that was said before is taken back for it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sluicegate_table::ObjectKey;
use sluicegate_table::watch::{BreakerState, EndpointReport, EndpointState, EntryId, Report, UnhealthyReason};
use tokio::time::Instant;

use crate::collect::{Proxy, ProxyId};

/// How long it is left open what a ready proxy has that has not said so.
pub(super) const GRACE: Duration = Duration::from_secs(30);

/// The ready proxies.
#[derive(Debug, Default)]
pub(super) struct Witnesses {
    epoch: String,
    /// `None`: it is not known yet which there are.
    ready: Option<BTreeMap<String, Witness>>,
}

/// One ready proxy.
#[derive(Debug)]
struct Witness {
    /// When it was first seen to be ready.
    since: Instant,
    /// What it has said in this term.
    word: Option<Word>,
}

/// What a proxy has said.
#[derive(Debug, Default)]
struct Word {
    applied: u64,
    refused: BTreeMap<EntryId, String>,
    missing: BTreeSet<EntryId>,
    endpoints: Vec<EndpointReport>,
    /// Upstreams whose own circuit breaker is not closed.
    upstreams: BTreeMap<ObjectKey, BreakerState>,
}

/// What is new, as far as the status of single objects may depend on it.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Entries that a proxy refuses or misses, or no longer does.
    pub(super) entries: BTreeSet<EntryId>,
    /// Targets of which a proxy sees the endpoints in other states.
    pub(super) targets: BTreeSet<ObjectKey>,
    /// Upstreams of which a proxy sees the circuit breaker in another state.
    pub(super) upstreams: BTreeSet<ObjectKey>,
}

/// How the ready proxies see a Target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Proxies that know what it is like.
    pub(super) known: usize,
    /// Proxies that have not checked it yet, as those that have just started. They say nothing against it.
    pub(super) unchecked: usize,
    /// Those of them that send it no requests.
    pub(super) unhealthy: usize,
    /// Why, where these say it: the first in the order of reasons.
    pub(super) reason: Option<UnhealthyReason>,
    /// The circuit breaker that keeps the most from it; `None`: nobody tells of one.
    pub(super) breaker: Option<BreakerState>,
}

/// How the ready proxies see the circuit breaker that an Upstream has as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SeenBreaker {
    /// Proxies that have said something.
    pub(super) known: usize,
    /// Those of them that send the Upstream no requests, or only probes.
    pub(super) broken: usize,
    /// The state that keeps the most from it.
    pub(super) state: BreakerState,
}

/// How many ready proxies have an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Ready proxies.
    pub(super) total: usize,
    /// Those that have it in use.
    pub(super) have: usize,
    /// Those that have said nothing for long enough to be waited for.
    pub(super) unknown: usize,
    /// Those that have looked at it and refused it.
    pub(super) refused: usize,
    /// Why, as the first of them says.
    pub(super) refusal: Option<String>,
    /// Those that were told to keep what they had, and had nothing.
    pub(super) missing: usize,
}

impl Count {
    /// Those of which more is to be heard.
    pub(super) fn open(&self) -> usize {
        self.total - self.have - self.refused
    }
}

impl Witnesses {
    /// Nobody has said anything in this term.
    pub(super) fn new(epoch: &str) -> Self {
        Self { epoch: epoch.to_owned(), ready: None }
    }

    /// Takes in who is ready (uids of pods) and what the connected proxies report.
    pub(super) fn hear<'a>(
        &mut self,
        ready: Option<impl IntoIterator<Item = &'a String>>,
        fleet: &BTreeMap<ProxyId, Proxy>,
        now: Instant,
    ) -> News {
        let mut news = News::default();
        let Some(ready) = ready else { return news };
        let mut before = self.ready.take().unwrap_or_default();
        let mut after = BTreeMap::new();
        for uid in ready {
            let mut witness = before.remove(uid).unwrap_or(Witness { since: now, word: None });
            let report = fleet.get(&ProxyId(uid.clone())).map(|proxy| &proxy.report);
            if let Some(word) = report.and_then(|report| self.word(report)) {
                let old = witness.word.replace(word);
                news.compare(&old.unwrap_or_default(), witness.word.as_ref());
            }
            after.insert(uid.clone(), witness);
        }
        for gone in before.into_values().filter_map(|witness| witness.word) {
            news.compare(&gone, None);
        }
        self.ready = Some(after);
        news
    }

    /// What a report says of this term; `None`: nothing.
    fn word(&self, report: &Report) -> Option<Word> {
        let applied = report.applied.as_ref().filter(|version| version.epoch == self.epoch)?.number;
        let refused = report.refused.iter().map(|refusal| (refusal.id.clone(), refusal.reason.clone()));
        // Of an older release than this controller: it does without.
        let unknown = report.unknown.iter().filter_map(|text| text.parse::<EntryId>().ok());
        let unknown = unknown.map(|id| {
            let why = format!("the proxy's release ({}) does not know entries of the kind {}", report.program, id.kind);
            (id, why)
        });
        let refused = refused.chain(unknown).collect();
        let missing = report.missing.iter().cloned().collect();
        let upstreams = report.upstreams.iter().map(|told| (told.upstream.clone(), told.breaker)).collect();
        Some(Word { applied, refused, missing, endpoints: report.endpoints.clone(), upstreams })
    }

    /// Whether it is known who is ready.
    pub(super) fn are_known(&self) -> bool {
        self.ready.is_some()
    }

    /// The version that every ready proxy has reached; `None` while one has said nothing, or none is ready.
    pub(super) fn floor(&self) -> Option<u64> {
        let words = self.ready.as_ref()?.values().map(|witness| witness.word.as_ref().map(|word| word.applied));
        words.collect::<Option<Vec<_>>>()?.into_iter().min()
    }

    /// Who has the entry as it became in the version `required`.
    pub(super) fn count(&self, entry: &EntryId, required: u64, now: Instant) -> Count {
        let mut count = Count::default();
        for witness in self.ready.iter().flat_map(BTreeMap::values) {
            count.total += 1;
            match &witness.word {
                None if now < witness.since + GRACE => count.unknown += 1,
                Some(word) if word.applied >= required => {
                    if let Some(reason) = word.refused.get(entry) {
                        count.refused += 1;
                        count.refusal.get_or_insert_with(|| reason.clone());
                    } else {
                        count.have += 1;
                        count.missing += usize::from(word.missing.contains(entry));
                    }
                }
                None | Some(_) => {}
            }
        }
        count
    }

    /// How the ready proxies see a Target. `addresses`: how many it has, where it has several.
    pub(super) fn see(&self, target: &ObjectKey, addresses: Option<usize>) -> Seen {
        self.words().fold(Seen::default(), |seen, word| seen.and(word, target, addresses))
    }

    /// How the ready proxies see the circuit breaker of an Upstream as a whole.
    pub(super) fn see_breaker(&self, upstream: &ObjectKey) -> SeenBreaker {
        let states = || self.words().filter_map(|word| word.upstreams.get(upstream).copied());
        let broken = || states().filter(|state| *state != BreakerState::Closed);
        SeenBreaker {
            known: self.words().count(),
            broken: broken().count(),
            state: broken().max_by_key(|state| gravity(*state)).unwrap_or(BreakerState::Closed),
        }
    }

    /// What the ready proxies have said.
    fn words(&self) -> impl Iterator<Item = &Word> {
        self.ready.iter().flat_map(BTreeMap::values).filter_map(|witness| witness.word.as_ref())
    }

    /// Whether a ready proxy has still time to say what it has.
    pub(super) fn are_heard(&self, now: Instant) -> bool {
        let heard = |witness: &Witness| witness.word.is_some() || witness.since + GRACE <= now;
        self.ready.as_ref().is_some_and(|ready| ready.values().all(heard))
    }
}

impl Seen {
    /// With what one more proxy says.
    fn and(self, word: &Word, target: &ObjectKey, addresses: Option<usize>) -> Self {
        let reports = || word.endpoints.iter().filter(|report| report.target == *target);
        let bad = || reports().filter(|report| report.state == EndpointState::Unhealthy);
        let whole = bad().any(|report| report.address.is_none());
        let single = bad().filter(|report| report.address.is_some()).count();
        let unhealthy = whole || addresses.is_some_and(|addresses| addresses > 0 && single >= addresses);
        let reason = bad().filter_map(|report| report.reason).min().filter(|_| unhealthy);
        if reason == Some(UnhealthyReason::NotChecked) {
            return Self { unchecked: self.unchecked + 1, ..self };
        }
        let breaker = reports().filter_map(|report| report.breaker);
        Self {
            known: self.known + 1,
            unhealthy: self.unhealthy + usize::from(unhealthy),
            unchecked: self.unchecked,
            reason: self.reason.into_iter().chain(reason).min(),
            breaker: self.breaker.into_iter().chain(breaker).max_by_key(|state| gravity(*state)),
        }
    }
}

/// How much a circuit breaker in this state keeps away.
fn gravity(state: BreakerState) -> u8 {
    match state {
        BreakerState::Closed => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open => 2,
    }
}

impl News {
    fn compare(&mut self, old: &Word, new: Option<&Word>) {
        let nothing = Word::default();
        let new = new.unwrap_or(&nothing);
        let differing = |a: &Word, b: &Word| {
            let refused = a.refused.iter().filter(|(id, reason)| b.refused.get(*id) != Some(*reason));
            let missing = a.missing.difference(&b.missing);
            refused.map(|(id, _)| id).chain(missing).cloned().collect::<Vec<_>>()
        };
        self.entries.extend(differing(old, new).into_iter().chain(differing(new, old)));
        let breakers = |a: &Word, b: &Word| {
            let upstreams = a.upstreams.iter().filter(|(key, state)| b.upstreams.get(*key) != Some(*state));
            upstreams.map(|(key, _)| key.clone()).collect::<Vec<_>>()
        };
        self.upstreams.extend(breakers(old, new).into_iter().chain(breakers(new, old)));
        let seen = |a: &Word, b: &Word| {
            let endpoints = a.endpoints.iter().filter(|report| !b.endpoints.contains(report));
            endpoints.map(|report| report.target.clone()).collect::<Vec<_>>()
        };
        if old.endpoints != new.endpoints {
            self.targets.extend(seen(old, new).into_iter().chain(seen(new, old)));
        }
    }
}
