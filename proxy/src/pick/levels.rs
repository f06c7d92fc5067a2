//! Priority levels: requests go to the first level that has a usable member left.

use std::sync::Arc;
use std::time::Instant;

use sluicegate_table::{Algorithm as AlgorithmName, EgressProxy, HealthChecks, Level as LevelEntry};

use super::MemberIndex;
use super::affinity::{Affinity, Anchors};
use super::algorithm::{Algorithm, AnyAlgorithm, Because, Choice};
use super::candidates::{Candidate, Candidates, Lot, Pass};
use super::sequence::{Run, Sequence};
use super::shares::Share;
use super::states::State;
use super::weights::Weights;
use crate::endpoint::{TargetRuntime, places};
use crate::request::RequestView;

/// The members of one priority number, ready for picking.
#[derive(Debug)]
pub(crate) struct Level {
    pub(crate) priority: u16,
    /// The endpoints of the usable members, in order.
    pub(crate) candidates: Box<[Candidate]>,
    pub(crate) algorithm: AnyAlgorithm,
    anchors: Option<Anchors>,
    /// The most of it that may be ejected, by the pool's passive checks or else by a Target's; `None`: there are none.
    pub(crate) max_ejected_percent: Option<u8>,
    /// Kept even while no member is usable, so that it goes on afterwards.
    pub(crate) sequence: Sequence,
}

/// What the levels of a pool have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Common<'a> {
    pub(crate) algorithm: AlgorithmName,
    pub(crate) affinity: Option<&'a Affinity>,
    /// Those of Targets go before.
    pub(crate) health_checks: &'a HealthChecks,
    /// What active checks go through, as requests do.
    pub(crate) egress_proxy: Option<&'a EgressProxy>,
}

impl Level {
    /// The level of `entry`, whose members are these `targets`; `first_member` numbers the first of their places.
    pub(crate) fn new(
        entry: &LevelEntry,
        targets: &[Option<Arc<TargetRuntime>>],
        first_member: u32,
        common: Common<'_>,
        sequence: Sequence,
    ) -> Self {
        let weights = Weights::of(entry);
        let mut candidates = Vec::with_capacity(targets.len());
        let mut shares = Vec::with_capacity(targets.len());
        let mut endpoints = Vec::with_capacity(targets.len());
        let mut next = first_member;
        for (at, target) in targets.iter().enumerate() {
            let weight = weights.get(at);
            let usable = State::of(target.as_deref(), weight) == State::Usable;
            let first = candidates.len();
            for endpoint in places(target.as_ref()) {
                let member = MemberIndex(next);
                next += 1;
                let Some(endpoint) = endpoint.filter(|_| usable) else { continue };
                let load = Arc::clone(&endpoint.load);
                let settings = endpoint.target.health_checks.active.as_ref().or(common.health_checks.active.as_ref());
                let check = settings.map(|settings| load.health().check(settings, common.egress_proxy));
                let health = Arc::clone(load.health());
                candidates.push(Candidate { load, health, check, member, weight: weight as f32 });
                endpoints.push(endpoint.as_ref());
            }
            let positions = first..candidates.len();
            if !positions.is_empty() {
                let count = positions.len() as f32;
                candidates.iter_mut().skip(first).for_each(|candidate| candidate.weight /= count);
                shares.push(Share::new(at, positions));
            }
        }
        let anchors = common.affinity.map(|affinity| affinity.anchors(&endpoints, &weights, &shares));
        let algorithm = AnyAlgorithm::new(common.algorithm, &weights, &shares, &candidates, sequence.clone());
        let own = endpoints.iter().filter_map(|endpoint| endpoint.target.health_checks.passive.as_ref());
        let max_ejected_percent = match &common.health_checks.passive {
            Some(passive) => Some(passive.max_ejected_percent),
            None => own.map(|passive| passive.max_ejected_percent).max(),
        };
        let priority = entry.priority;
        Self { priority, candidates: candidates.into(), algorithm, anchors, max_ejected_percent, sequence }
    }

    /// The level's candidates, as a request sees them that was received at `now` and has `tried` some.
    pub(crate) fn candidates<'a>(&'a self, now: Instant, tried: &'a [MemberIndex], pass: Pass) -> Candidates<'a> {
        Candidates { all: &self.candidates, tried, now, pass, lot: Lot::Time(now) }
    }

    /// The candidate that gets the request: affinity first, then the algorithm. At least one must be free.
    pub(crate) fn choose(
        &self,
        affinity: Option<&Affinity>,
        request: &RequestView<'_>,
        among: &Candidates<'_>,
        run: Run,
    ) -> Option<Choice> {
        let only = among.all.len() == 1;
        if let (Some(affinity), Some(anchors)) = (affinity, &self.anchors)
            && (!only || affinity.tells_clients())
            && let Some(position) = affinity.find(anchors, request, among)
        {
            return Some(Choice { position, because: Because::Affine });
        }
        if only {
            return Some(Choice { position: 0, because: Because::Only });
        }
        self.algorithm.choose(among, run)
    }
}

#[cfg(test)]
mod tests;
