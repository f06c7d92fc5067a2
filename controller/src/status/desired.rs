//! What an object's status should be: a pure function of what compile said, what the proxies said, and what the cluster
//! holds.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use sluicegate_crds::rule::RuleStatus;
use sluicegate_crds::status::{ConditionType, Reason};
use sluicegate_crds::target::TargetStatus;
use sluicegate_crds::upstream::{MemberStatus, UpstreamStatus};
use sluicegate_table::{BreakerScope, ObjectKey, Weight};
use tokio::time::Instant;

use super::circuit::Circuit;
use super::health::{self, Health};
use super::merge::{Said, holds, merged};
use super::object::{Known, Status, entry_of};
use super::programmed::{Programmed, programmed};
use super::witnesses::Witnesses;
use crate::compile::ObjectStatus;
use crate::objects::{Kind, ObjectId};
use crate::publish::Published;

/// What statuses are made of.
pub(super) struct Facts<'a> {
    pub(super) published: &'a Published,
    pub(super) witnesses: &'a Witnesses,
    /// Why references of Targets do not resolve, by the Target; `None` in it: they do.
    pub(super) targets: &'a BTreeMap<ObjectKey, Option<String>>,
    pub(super) now: Instant,
    /// The time of day, in whole seconds.
    pub(super) date: Timestamp,
}

/// What a status should be.
pub(super) struct Desired {
    pub(super) status: Status,
    /// Proxies have still to speak, so that it may soon be another one.
    pub(super) open: bool,
}

/// The generation that compile spoke of; `None`: it could not be read.
pub(super) fn generation(verdict: &ObjectStatus) -> Option<i64> {
    verdict.conditions.first().and_then(|condition| condition.observed_generation)
}

/// Why the references of an object do not resolve.
pub(super) fn unresolved(verdict: &ObjectStatus) -> Option<String> {
    let conditions = verdict.conditions.iter();
    let mut refs = conditions.filter(|condition| condition.type_ == ConditionType::ResolvedRefs.as_str());
    refs.find(|condition| condition.status == "False").map(|condition| condition.reason.clone())
}

impl Facts<'_> {
    /// The status that an object should have. `required`: the version in which its entry became what it is.
    pub(super) fn desired(&self, id: &ObjectId, verdict: &ObjectStatus, required: u64, known: &Known) -> Desired {
        let accepted = verdict
            .conditions
            .iter()
            .any(|condition| condition.type_ == ConditionType::Accepted.as_str() && holds(condition));
        let types = [ConditionType::Accepted, ConditionType::ResolvedRefs, ConditionType::PartiallyInvalid];
        let mut said: Vec<Said> = types
            .iter()
            .filter_map(|type_| {
                let condition = verdict.conditions.iter().find(|condition| condition.type_ == type_.as_str())?;
                Some(Said::repeat(*type_, condition))
            })
            .collect();
        let entry = entry_of(id);
        let Programmed { said: programmed, open } =
            programmed(accepted, &entry, required, self.published, self.witnesses, known, self.now);
        said.push(programmed);
        let conditions = |said: &[Said]| merged(known.status.conditions(), said, known.generation, self.date);
        let status = match id.kind {
            Kind::Rule => Status::Rule(RuleStatus { conditions: conditions(&said) }),
            Kind::Target => {
                let unresolved = unresolved(verdict);
                let health = self.settled(self.health(&id.key, unresolved.as_deref()), || before(known));
                said.push(health::target_condition(health.as_ref()));
                let state = health.map(|health| health.state);
                Status::Target(TargetStatus { conditions: conditions(&said), state })
            }
            Kind::Upstream => {
                let circuit = self.circuit(&id.key, known);
                let members = self.members(&id.key, circuit.as_ref(), known);
                let (condition, targets_healthy) = health::upstream_condition(members.as_deref(), circuit.as_ref());
                said.push(condition);
                let targets = members.into_iter().flatten().map(|(member, _)| member).collect();
                Status::Upstream(UpstreamStatus { conditions: conditions(&said), targets_healthy, targets })
            }
        };
        Desired { status, open }
    }

    fn health(&self, key: &ObjectKey, unresolved: Option<&str>) -> Option<Health> {
        health::of_target(key, &self.published.table, unresolved, self.witnesses)
    }

    /// Before every proxy has spoken, what was found of a Target stands, as far as only proxies can find it.
    fn settled(&self, health: Option<Health>, before: impl FnOnce() -> Option<Health>) -> Option<Health> {
        let health = health?;
        let may_stand = health.reason.is_none() || health.is_observed();
        if may_stand
            && !self.witnesses.are_heard(self.now)
            && let Some(before) = before().filter(Health::is_observed)
        {
            return Some(before);
        }
        Some(health)
    }

    /// The circuit breaker that an Upstream has as a whole. Before every proxy has spoken, an open one stands.
    fn circuit(&self, key: &ObjectKey, known: &Known) -> Option<Circuit> {
        let breaker = self.published.table.pools.get(key)?.circuit_breaker.as_ref()?;
        if breaker.scope != BreakerScope::Upstream {
            return None;
        }
        let circuit = Circuit::observed(self.witnesses.see_breaker(key));
        if circuit.is_closed() && !self.witnesses.are_heard(self.now) {
            return before_of_circuit(known).or(Some(circuit));
        }
        Some(circuit)
    }

    fn members(
        &self,
        key: &ObjectKey,
        circuit: Option<&Circuit>,
        known: &Known,
    ) -> Option<Vec<(MemberStatus, Weight)>> {
        let pool = self.published.table.pools.get(key)?;
        Some(health::members(pool, circuit, |target| {
            // A Target that compile knows and the table does not is refused.
            let unresolved = self.targets.get(target);
            let absent = if unresolved.is_some() { Reason::Invalid } else { Reason::BackendNotFound };
            let health = self.health(target, unresolved.and_then(Option::as_deref));
            self.settled(health, || before_of_member(known, &target.name)).ok_or(absent)
        }))
    }
}

/// What a Target's status says of its health.
fn before(known: &Known) -> Option<Health> {
    let Status::Target(TargetStatus { state, .. }) = &known.status else { return None };
    let condition = known.status.condition(ConditionType::Healthy)?;
    Some(Health::told((*state)?, condition))
}

/// What an Upstream's status says of its own circuit breaker, where that is not closed.
fn before_of_circuit(known: &Known) -> Option<Circuit> {
    let Status::Upstream(UpstreamStatus { targets, .. }) = &known.status else { return None };
    let state = targets.iter().find_map(|member| member.breaker);
    Circuit::told(known.status.condition(ConditionType::Healthy)?, state)
}

/// What an Upstream's status says of a member's health.
fn before_of_member(known: &Known, name: &str) -> Option<Health> {
    let Status::Upstream(UpstreamStatus { targets, .. }) = &known.status else { return None };
    let MemberStatus { state, reason, proxies, breaker, .. } =
        targets.iter().find(|member| member.name == name)?.clone();
    Some(Health { state, reason, proxies, breaker })
}
