//! Which endpoint a hash belongs to: first the Target, by weight, then one of the Target's endpoints.
//!
//! In two steps, so that a pod that comes or goes moves requests between the pods of its own Target only: each Target's
//! part of the requests is its weight's, whatever the number of its pods.

use super::endpoint_id;
use super::ring::Ring;
use crate::endpoint::Endpoint;
use crate::pick::candidates::Candidates;
use crate::pick::fast_random::mix;
use crate::pick::shares::{Share, divided};
use crate::pick::weights::Weights;

/// Parts the second step's hash from the first's, which all requests of a Target have in common by neighbourhood.
const SECOND: u64 = 0x5851_f42d_4c95_7f2d;

/// Which endpoint a hash belongs to.
#[derive(Debug)]
pub(crate) struct Places {
    /// Of candidates; where Targets have several, of shares.
    ring: Ring,
    divided: Option<Box<[Divided]>>,
}

/// A Target among others that have several endpoints.
#[derive(Debug)]
struct Divided {
    share: Share,
    /// Of its candidates.
    ring: Ring,
}

impl Places {
    /// The places of a level's candidates, who lead to these `endpoints`; `weights` are those of all its members, `shares`
    /// those of the usable ones.
    pub(crate) fn new(endpoints: &[&Endpoint], weights: &Weights, shares: &[Share]) -> Self {
        let target = |(at, share): (usize, &Share)| {
            let endpoint = endpoints.get(share.positions().start)?;
            Some((endpoint_id(&endpoint.key, None), weights.get(share.member), at as u32))
        };
        // Where each Target has one candidate, a share has the position of its candidate.
        let ring = Ring::new(shares.iter().enumerate().filter_map(target), weights.max());
        let divided = divided(shares).map(|shares| {
            let each = shares.iter().map(|share| {
                let place = |position: usize| {
                    let endpoint = endpoints.get(position)?;
                    Some((endpoint_id(&endpoint.key, endpoint.address), 1, position as u32))
                };
                Divided { share: *share, ring: Ring::new(share.positions().filter_map(place), 1) }
            });
            each.collect()
        });
        Self { ring, divided }
    }

    /// The position of the free candidate that a hash belongs to.
    pub(crate) fn find(&self, hash: u64, among: &Candidates<'_>) -> Option<usize> {
        let free = |position: usize| among.free(position).then_some(position);
        let Some(divided) = &self.divided else { return self.ring.find(hash, free) };
        self.ring.find(hash, |at| {
            let Divided { share, ring } = divided.get(at)?;
            if !share.positions().any(|position| among.free(position)) {
                return None;
            }
            ring.find(mix(hash ^ SECOND), free)
        })
    }
}
