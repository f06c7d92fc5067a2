//! Consistent hashing: a ring of hashes on which each member has points in proportion to its weight.
//!
//! A request belongs to the first point at or after its hash. A member is a Target, or an endpoint of one Target. One that leaves takes only its own points along, so only
//! its own requests move; one that joins takes only those that are its own from then on. Points depend on the member's key
//! alone, and a member of the greatest weight always has [`POINTS`], however many members there are: a number that
//! depended on theirs would move requests between members that stay.

use super::super::fast_random::mix;

/// Points of a member of the greatest weight. Shares are then even to about 1/√256 = 6 %.
const POINTS: u32 = 256;

/// A ring of points.
#[derive(Debug)]
pub(crate) struct Ring {
    /// In the order of their hashes.
    points: Box<[Point]>,
    /// For each value of a hash's upper bits, the first point at or after it. There are about as many entries as points,
    /// so that a search looks at one or two.
    index: Box<[u32]>,
    /// How far a hash is shifted for its upper bits to be left.
    shift: u32,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    hash: u32,
    position: u32,
}

impl Ring {
    /// A ring of members: what stands for each, its weight and its position. The greatest weight is that of the whole
    /// level, so that a member's points do not depend on whether others are usable.
    pub(crate) fn new(members: impl Iterator<Item = (u64, u32, u32)>, greatest_weight: u32) -> Self {
        let mut points: Vec<Point> = members
            .flat_map(|(id, weight, position)| {
                let count = (POINTS * weight).div_ceil(greatest_weight.max(1));
                (0..count).map(move |number| Point { hash: point_hash(id, number), position })
            })
            .collect();
        points.sort_unstable_by_key(|point| (point.hash, point.position));
        let bits = usize::BITS - points.len().leading_zeros();
        let shift = u32::BITS - bits;
        let mut next = 0;
        let index = (0..1_u64 << bits)
            .map(|upper| {
                while points.get(next).is_some_and(|point| u64::from(point.hash) < upper << shift) {
                    next += 1;
                }
                next as u32
            })
            .collect();
        Self { points: points.into(), index, shift }
    }

    /// What a hash belongs to: what `free` makes of the position of the next point, or of the next after that, all around.
    pub(crate) fn find(&self, hash: u64, free: impl Fn(usize) -> Option<usize>) -> Option<usize> {
        // Hashes of request values are mixed apart from those of members.
        let hash = (mix(hash) >> 32) as u32;
        let upper = u64::from(hash) >> self.shift;
        let start = self.index.get(upper as usize).copied().unwrap_or(0) as usize;
        let (before, after) = self.points.split_at_checked(start)?;
        let ahead = after.iter().skip_while(|point| point.hash < hash);
        let around = before.iter().chain(after);
        ahead.chain(around).find_map(|point| free(point.position as usize))
    }
}

fn point_hash(id: u64, number: u32) -> u32 {
    (mix(id ^ mix(u64::from(number) + 1)) >> 32) as u32
}

#[cfg(test)]
mod tests;
