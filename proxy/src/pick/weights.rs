//! The weights of a level, and the order of slots that makes shares exact.

use sluicegate_table::Level;

/// The members' weights, as the algorithms use them. They add up to 100, or all above 0 are equal: where a level's
/// weights do not add up to 100, each member above 0 gets the same share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Weights(Vec<u32>);

impl Weights {
    /// The weights of a level's members, in their order.
    pub(crate) fn of(level: &Level) -> Self {
        Self::new(level.members.iter().map(|member| u32::from(member.weight.get())).collect())
    }

    fn new(mut weights: Vec<u32>) -> Self {
        if weights.iter().sum::<u32>() != 100 {
            for weight in &mut weights {
                *weight = (*weight).min(1);
            }
        }
        Self(weights)
    }

    /// The weight of the member at `position`; 0: it gets nothing.
    pub(crate) fn get(&self, position: usize) -> u32 {
        self.0.get(position).copied().unwrap_or(0)
    }

    /// The heaviest.
    pub(crate) fn max(&self) -> u32 {
        self.0.iter().copied().max().unwrap_or(0)
    }

    /// Positions of members, one for each slot, such that a member has as many slots as its weight (all divided by their
    /// greatest common divisor) and its slots are spread evenly.
    ///
    /// Among the first `t` slots of the endlessly repeated order, a member of share `s` has more than `t·s - 1` and less
    /// than `t·s + 1`; more exactly, with `n` members above 0, the deviation is at most `1 - 1/(2n - 2)`, which no order can
    /// improve on for all weights. This is Tijdeman's solution of the chairman assignment problem (R. Tijdeman, Discrete
    /// Mathematics 32, 1980): each slot goes to the one whose deviation would be the first to leave the bound, among those
    /// that may have it without leaving the bound on the other side.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut members: Vec<Member> = self
            .0
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight > 0)
            .map(|(position, weight)| Member { position, weight: i64::from(*weight), given: 0 })
            .collect();
        let divisor = members.iter().fold(0, |divisor, member| greatest_common_divisor(divisor, member.weight)).max(1);
        for member in &mut members {
            member.weight /= divisor;
        }
        if members.iter().all(|member| member.weight == 1) {
            return members.iter().map(|member| member.position).collect();
        }
        let slots: i64 = members.iter().map(|member| member.weight).sum();
        // Everything is multiplied by `slots` and by `scale` (the 2n - 2 above) to stay in whole numbers.
        let scale = members.iter().skip(1).map(|_| 2).sum::<i64>();
        let mut order = Vec::new();
        for slot in 1..=slots {
            let behind = |member: &Member| (slot * member.weight - slots * member.given) * scale;
            let room = |member: &Member| slots * (scale - 1) - behind(member);
            let next = members
                .iter_mut()
                .filter(|member| behind(member) >= slots)
                .min_by(|left, right| (room(left) * right.weight).cmp(&(room(right) * left.weight)));
            if let Some(next) = next {
                next.given += 1;
                order.push(next.position);
            }
        }
        order
    }
}

/// A member above 0 while its slots are laid out.
struct Member {
    position: usize,
    weight: i64,
    /// Slots that it has been given.
    given: i64,
}

fn greatest_common_divisor(left: i64, right: i64) -> i64 {
    if right == 0 { left } else { greatest_common_divisor(right, left % right) }
}

#[cfg(test)]
mod tests;
