//! Priority levels: requests go to the first level that has a usable member left.

use std::sync::Arc;

use sluicegate_table::{Algorithm as AlgorithmName, Level as LevelEntry, ObjectKey};

use super::MemberIndex;
use super::affinity::{Affinity, Anchors};
use super::algorithm::{Algorithm, AnyAlgorithm, Because, Choice};
use super::candidates::{Candidate, Candidates};
use super::sequence::{Run, Sequence};
use super::states::State;
use super::weights::Weights;
use crate::endpoint::Endpoint;
use crate::request::RequestView;

/// The members of one priority number, ready for picking.
#[derive(Debug)]
pub(crate) struct Level {
    pub(crate) priority: u16,
    /// The usable members, in order.
    pub(crate) candidates: Box<[Candidate]>,
    pub(crate) algorithm: AnyAlgorithm,
    anchors: Option<Anchors>,
    /// Kept even while no member is usable, so that it goes on afterwards.
    pub(crate) sequence: Sequence,
}

/// What the levels of a pool have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Common<'a> {
    pub(crate) algorithm: AlgorithmName,
    pub(crate) affinity: Option<&'a Affinity>,
}

impl Level {
    /// The level of `entry`, whose members have these `endpoints`; `first_member` numbers the first of them.
    pub(crate) fn new(
        entry: &LevelEntry,
        endpoints: &[Option<Arc<Endpoint>>],
        first_member: u32,
        common: Common<'_>,
        sequence: Sequence,
    ) -> Self {
        let weights = Weights::of(entry);
        let candidates: Box<[Candidate]> = endpoints
            .iter()
            .enumerate()
            .filter_map(|(at, endpoint)| {
                let endpoint = endpoint.as_ref()?;
                let weight = weights.get(at);
                (State::of(Some(endpoint), weight) == State::Usable).then(|| Candidate {
                    load: Arc::clone(&endpoint.load),
                    member: MemberIndex(first_member + at as u32),
                    weight,
                })
            })
            .collect();
        let keys: Vec<&ObjectKey> = entry.members.iter().map(|member| &member.target).collect();
        let anchors = common.affinity.map(|affinity| affinity.anchors(&keys, &weights, first_member, &candidates));
        let algorithm = AnyAlgorithm::new(common.algorithm, &weights, first_member, &candidates, sequence.clone());
        Self { priority: entry.priority, candidates, algorithm, anchors, sequence }
    }

    /// The level's candidates, as a request sees them that has `tried` some.
    pub(crate) fn candidates<'a>(&'a self, request: &RequestView<'_>, tried: &'a [MemberIndex]) -> Candidates<'a> {
        Candidates { all: &self.candidates, tried, now: request.received }
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
