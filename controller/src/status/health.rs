//! The states of Targets, and the condition `Healthy`.
//!
//! A Target's state is first what its user wants, then whether requests can be sent at all (its credentials, its
//! authorities, the pods behind its Service), then what the proxies find.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sluicegate_crds::status::{BreakerState, ConditionType, Reason, State};
use sluicegate_crds::upstream::MemberStatus;
use sluicegate_table::watch::{self, UnhealthyReason};
use sluicegate_table::{Level, Member, ObjectKey, Pool, Table, TargetState, TrustRoots, Weight};

use super::circuit::Circuit;
use super::merge::{Said, holds};
use super::witnesses::{Seen, Witnesses};

/// The most Targets that one message names.
const MOST_NAMED: usize = 8;

/// What has become of a Target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) state: State,
    /// Why it is not healthy, or not as all proxies see it.
    pub(super) reason: Option<String>,
    /// How many proxies send it requests, of how many, where they do not agree.
    pub(super) proxies: Option<String>,
    /// The circuit breaker that keeps the most from it, where a proxy tells of one.
    pub(super) breaker: Option<BreakerState>,
}

/// The reasons that only proxies find, with the words of messages for them.
const OBSERVED: [(Reason, &str); 6] = [
    (Reason::CircuitOpen, "its circuit breaker is open"),
    (Reason::Resting, "it asked for a rest"),
    (Reason::Ejected, "it is ejected, since requests to it failed"),
    (Reason::FailedChecks, "its health checks fail"),
    (Reason::NotChecked, "no health check of it has succeeded yet"),
    (Reason::Unhealthy, "it does not answer as it should"),
];

/// The words between the count of proxies and the reason, where proxies do not agree.
const SEND_IT: &str = " proxies send it requests, for the others ";

impl Health {
    fn of(state: State, reason: impl AsRef<str>) -> Self {
        Self { state, reason: Some(reason.as_ref().to_owned()), proxies: None, breaker: None }
    }

    /// As proxies see a Target that can get requests.
    fn observed(seen: Seen) -> Self {
        let Seen { known, unchecked, unhealthy, reason, breaker } = seen;
        if known == 0 && unchecked > 0 {
            return Self::of(State::Unhealthy, Reason::NotChecked.as_str());
        }
        let reason = match reason {
            Some(UnhealthyReason::CircuitOpen) => Reason::CircuitOpen,
            Some(UnhealthyReason::Resting) => Reason::Resting,
            Some(UnhealthyReason::Ejected) => Reason::Ejected,
            Some(UnhealthyReason::FailedChecks) => Reason::FailedChecks,
            Some(UnhealthyReason::NotChecked) => Reason::NotChecked,
            None => Reason::Unhealthy,
        };
        let all = unhealthy > 0 && unhealthy == known;
        let breaker = breaker.map(shown);
        Self {
            state: if all { State::Unhealthy } else { State::Healthy },
            reason: (unhealthy > 0).then(|| reason.as_str().to_owned()),
            proxies: (unhealthy > 0 && !all).then(|| format!("{}/{known}", known - unhealthy)),
            breaker,
        }
    }

    /// What a Target's condition said of it. The count of proxies, and their reason, are in the message only.
    pub(super) fn told(state: State, condition: &Condition) -> Self {
        let of_some = condition.message.split_once(SEND_IT);
        let reason = match of_some {
            _ if !holds(condition) => Some(condition.reason.clone()),
            Some((_, words)) => {
                let reason = OBSERVED.iter().find(|(_, text)| *text == words).map(|(reason, _)| *reason);
                Some(reason.unwrap_or(Reason::Unhealthy).as_str().to_owned())
            }
            None => None,
        };
        Self { state, reason, proxies: of_some.map(|(proxies, _)| proxies.to_owned()), breaker: None }
    }

    /// Whether it is what proxies find, rather than what follows from the objects.
    pub(super) fn is_observed(&self) -> bool {
        let by_reason = |reason: &str| OBSERVED.iter().any(|(observed, _)| observed.as_str() == reason);
        let by_breaker = self.breaker.is_some_and(|state| state != BreakerState::Closed);
        self.proxies.is_some() || by_breaker || self.reason.as_deref().is_some_and(by_reason)
    }
}

/// The health of a Target in the table. `unresolved`: the reason for which a reference of it does not resolve, if so.
/// `None`: the table has no such Target.
pub(super) fn of_target(
    key: &ObjectKey,
    table: &Table,
    unresolved: Option<&str>,
    witnesses: &Witnesses,
) -> Option<Health> {
    let target = table.targets.get(key)?;
    match target.state {
        TargetState::Draining => return Some(Health::of(State::Draining, Reason::Draining.as_str())),
        TargetState::Disabled => return Some(Health::of(State::Disabled, Reason::Disabled.as_str())),
        TargetState::Enabled => {}
    }
    if target.credential.as_ref().is_some_and(|credential| credential.value.is_none()) {
        return Some(Health::of(State::Unhealthy, unresolved.unwrap_or(Reason::SecretNotFound.as_str())));
    }
    if target.tls.roots == TrustRoots::Missing {
        return Some(Health::of(State::Unhealthy, unresolved.unwrap_or(Reason::ConfigMapNotFound.as_str())));
    }
    let addresses = table.endpoints.get(key).map_or(0, |endpoints| endpoints.addresses.len());
    if target.discovered && addresses == 0 {
        return Some(Health::of(State::Unhealthy, unresolved.unwrap_or(Reason::NoReadyEndpoints.as_str())));
    }
    Some(Health::observed(witnesses.see(key, target.discovered.then_some(addresses))))
}

/// `Healthy` of a Target.
pub(super) fn target_condition(health: Option<&Health>) -> Said {
    let Some(Health { state, reason, proxies, .. }) = health else { return of_a_refused_object() };
    let said = |status: &str, reason: &str, message: String| Said {
        type_: ConditionType::Healthy.as_str(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
    };
    let reason = reason.as_deref().unwrap_or(Reason::Healthy.as_str());
    match (state, proxies) {
        (State::Healthy, None) => said("True", Reason::Healthy.as_str(), "it gets requests".to_owned()),
        (State::Healthy, Some(proxies)) => {
            let open = Reason::CircuitOpen.as_str();
            // Clients of those proxies may get a fallback already.
            let shown = if reason == open { open } else { Reason::Healthy.as_str() };
            said("True", shown, format!("{proxies}{SEND_IT}{}", because(reason)))
        }
        (State::Unhealthy, _) => said("False", reason, format!("it gets no requests: {}", because(reason))),
        (State::Draining, _) => said("False", reason, "it finishes what is in flight, as spec.state says".to_owned()),
        (State::Disabled, _) => said("False", reason, "it gets no requests, as spec.state says".to_owned()),
    }
}

fn because(reason: &str) -> &'static str {
    let known = |word: Reason| word.as_str() == reason;
    if known(Reason::SecretNotFound) {
        "its Secret is missing or cannot be used"
    } else if known(Reason::ConfigMapNotFound) {
        "its certificate authorities are missing or cannot be used"
    } else if known(Reason::NoReadyEndpoints) {
        "no pod behind its Service is ready"
    } else if let Some((_, words)) = OBSERVED.iter().find(|(observed, _)| known(*observed)) {
        words
    } else {
        "what it refers to is missing or cannot be used"
    }
}

/// A breaker's state as a status shows it.
pub(super) fn shown(state: watch::BreakerState) -> BreakerState {
    match state {
        watch::BreakerState::Closed => BreakerState::Closed,
        watch::BreakerState::Open => BreakerState::Open,
        watch::BreakerState::HalfOpen => BreakerState::HalfOpen,
    }
}

/// The Targets of a pool as its Upstream's status lists them, in the order that users wrote within each level. `circuit`: the
/// breaker that the pool has as a whole. `health_of`: as [`of_target`], with the reason where there is no such Target.
pub(super) fn members(
    pool: &Pool,
    circuit: Option<&Circuit>,
    health_of: impl Fn(&ObjectKey) -> Result<Health, Reason>,
) -> Vec<(MemberStatus, Weight)> {
    let members = pool.levels.iter().flat_map(|Level { members, .. }| members);
    members
        .map(|Member { target, weight }| {
            let health = health_of(target);
            let health = health.unwrap_or_else(|reason| Health::of(State::Unhealthy, reason.as_str()));
            let Health { state, reason, proxies, breaker } = health;
            // Proxies tell of breakers that are not closed.
            let breaker = circuit.map(|circuit| circuit.state).or(breaker).unwrap_or(BreakerState::Closed);
            let breaker = pool.circuit_breaker.as_ref().map(|_| breaker);
            (MemberStatus { name: target.name.clone(), state, reason, proxies, breaker }, *weight)
        })
        .collect()
}

/// `Healthy` of an Upstream, and how many of its Targets are healthy, of how many. `None`: it is refused, and no version of
/// it is in force.
pub(super) fn upstream_condition(
    members: Option<&[(MemberStatus, Weight)]>,
    circuit: Option<&Circuit>,
) -> (Said, Option<String>) {
    let Some(members) = members else { return (of_a_refused_object(), None) };
    let healthy = |member: &MemberStatus| member.state == State::Healthy;
    let ratio = format!("{}/{}", members.iter().filter(|(member, _)| healthy(member)).count(), members.len());
    let serves = members.iter().any(|(member, weight)| healthy(member) && *weight > Weight::ZERO);
    let faulty = members.iter().any(|(member, _)| member.state == State::Unhealthy);
    let (status, reason, message) = if !serves {
        ("False", Reason::NoHealthyTargets, format!("no Target gets requests{}", named(members)))
    } else if faulty {
        ("True", Reason::SomeTargetsUnhealthy, format!("{ratio} Targets are healthy{}", named(members)))
    } else {
        ("True", Reason::Healthy, format!("{ratio} Targets are healthy"))
    };
    let said = Said::new(ConditionType::Healthy, status, reason, message);
    let said = match circuit {
        Some(circuit) => circuit.condition(said),
        None => said,
    };
    (said, Some(ratio))
}

/// The Targets that are not healthy, with their reasons.
fn named(members: &[(MemberStatus, Weight)]) -> String {
    let others: Vec<String> = members
        .iter()
        .filter(|(member, _)| member.state != State::Healthy)
        .filter_map(|(member, _)| Some(format!("{} ({})", member.name, member.reason.as_ref()?)))
        .collect();
    let (shown, more) = others.split_at(others.len().min(MOST_NAMED));
    match (shown, more.len()) {
        ([], _) => String::new(),
        (shown, 0) => format!(": {}", shown.join(", ")),
        (shown, more) => format!(": {} and {more} more", shown.join(", ")),
    }
}

fn of_a_refused_object() -> Said {
    let message = "the object is refused, and no valid version is in force".to_owned();
    Said::new(ConditionType::Healthy, "Unknown", Reason::Invalid, message)
}
