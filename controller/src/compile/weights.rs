//! Weights: percentages within a priority level, and what happens where they are not.
//!
//! A level whose weights do not add up to 100 is not refused, because a sum that is wrong for a moment (one object edited
//! before another, a member taken out in a hurry) must not stop traffic. It falls back to equal shares, visibly.

use sluicegate_crds::status::Reason;
use sluicegate_crds::upstream;
use sluicegate_table::{Algorithm, Weight};

use super::faults::{Checked, Fault, Problems, shown};
use crate::problem::FieldPath;

/// A member's weight as it was asked for.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// How messages name the member.
    pub(super) member: &'a str,
    /// The weight that the user wrote.
    pub(super) weight: Option<u8>,
    /// The member's field; its weight is the key `weight` of it.
    pub(super) field: FieldPath,
}

/// The weights of the members of one priority level, in the same order; `None` if the object is refused.
///
/// - None is set: equal shares.
/// - Some are set: all must be, for a member whose share one has to guess is a member forgotten.
/// - They add up to 100: as they are.
/// - They do not: equal shares among those above 0, and a warning. All 0: nobody gets anything, and a warning.
pub(super) fn level(priority: u16, members: &[Asked<'_>], problems: &mut Problems) -> Option<Vec<Weight>> {
    let Some(first) = members.iter().find(|member| member.weight.is_some()) else {
        return Some(vec![Weight::EQUAL; members.len()]);
    };
    let weights: Vec<Option<Weight>> = members
        .iter()
        .map(|member| {
            let field = member.field.key("weight");
            match member.weight {
                Some(number) => problems.check(&field, percentage(number)),
                None => problems.check(&member.field, Err(left_out(member, priority))),
            }
        })
        .collect();
    let weights: Vec<Weight> = weights.into_iter().collect::<Option<_>>()?;
    let sum: u32 = weights.iter().map(|weight| u32::from(weight.get())).sum();
    if sum == 100 {
        return Some(weights);
    }
    let field = first.field.key("weight");
    if sum == 0 {
        let message = format!("Dropped priority level {priority}: all its weights are 0, so it gets no requests");
        problems.altered(&field, Reason::WeightsNotHundred, Fault::invalid(message));
        return Some(weights);
    }
    let message =
        format!("Fall Back to equal shares: the weights of priority level {priority} add up to {sum}, not 100");
    let fault = Fault::invalid(message).hint("weights are percentages; a weight of 0 still gets nothing");
    problems.altered(&field, Reason::WeightsNotHundred, fault);
    Some(weights.into_iter().map(|weight| weight.min(Weight::EQUAL)).collect())
}

fn percentage(number: u8) -> Checked<Weight> {
    Weight::try_from(number).map_err(|error| Fault::invalid(error.to_string()))
}

fn left_out(member: &Asked<'_>, priority: u16) -> Fault {
    let message = format!("{} has no weight, but others of priority level {priority} have", shown(member.member));
    Fault::invalid(message).hint("write weight: 0 for a member that gets no requests")
}

/// The algorithm in force. Left out: weighted where any weight is set. An explicit `RoundRobin` contradicts weights that
/// differ within a level.
pub(super) fn algorithm(
    asked: Option<upstream::Algorithm>,
    levels: &[(u16, Vec<Asked<'_>>)],
    field: &FieldPath,
    problems: &mut Problems,
) -> Algorithm {
    let any_weight = levels.iter().flat_map(|(_, members)| members).any(|member| member.weight.is_some());
    match asked {
        None if any_weight => Algorithm::WeightedRoundRobin,
        None => Algorithm::RoundRobin,
        Some(upstream::Algorithm::RoundRobin) => {
            for (priority, members) in levels {
                if members.iter().any(|member| member.weight != members.first().and_then(|first| first.weight)) {
                    let message = format!(
                        "RoundRobin gives each target the same share, but the weights of priority level {priority} differ"
                    );
                    let fault = Fault::invalid(message).hint("write WeightedRoundRobin, or leave the algorithm out");
                    problems.refuse(field, fault);
                }
            }
            Algorithm::RoundRobin
        }
        Some(upstream::Algorithm::WeightedRoundRobin) => Algorithm::WeightedRoundRobin,
        Some(upstream::Algorithm::LeastConnections) => Algorithm::LeastConnections,
        Some(upstream::Algorithm::Random) => Algorithm::Random,
        Some(upstream::Algorithm::LeastLatency) => Algorithm::LeastLatency,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use proptest::prelude::{any, proptest};
    use sluicegate_table::Weight;

    use super::{Asked, level};
    use crate::compile::faults::Problems;
    use crate::problem::FieldPath;

    fn weights_of(asked: &[Option<u8>]) -> (Option<Vec<u8>>, Problems) {
        let members: Vec<Asked<'_>> = asked
            .iter()
            .enumerate()
            .map(|(position, weight)| Asked { member: "m", weight: *weight, field: FieldPath::spec().index(position) })
            .collect();
        let mut problems = Problems::default();
        let weights = level(1, &members, &mut problems);
        (weights.map(|weights| weights.into_iter().map(Weight::get).collect()), problems)
    }

    #[test]
    fn weights_that_add_up_are_kept() {
        for asked in [vec![95, 5], vec![50, 50], vec![100, 0], vec![34, 33, 33], vec![100]] {
            let (weights, problems) = weights_of(&asked.iter().copied().map(Some).collect::<Vec<_>>());
            assert_eq!(weights, Some(asked));
            assert!(problems.into_vec().is_empty());
        }
    }

    #[test]
    fn weights_that_do_not_add_up_become_equal_among_those_above_0() {
        let (weights, problems) = weights_of(&[Some(60), Some(0), Some(30)]);
        assert_eq!(weights, Some(vec![1, 0, 1]));
        assert!(!problems.refused());
        let problem = problems.into_vec().remove(0);
        assert!(problem.message.starts_with("Fall Back to equal shares"), "{problem}");
        assert_eq!(problem.field.to_string(), "spec[0].weight");
    }

    #[test]
    fn a_level_without_weights_has_equal_shares() {
        let (weights, problems) = weights_of(&[None, None, None]);
        assert_eq!(weights, Some(vec![1, 1, 1]));
        assert!(problems.into_vec().is_empty());
    }

    #[test]
    fn a_weight_left_out_beside_others_is_refused() {
        let (weights, problems) = weights_of(&[Some(100), None]);
        assert_eq!(weights, None);
        assert_eq!(problems.into_vec().remove(0).field.to_string(), "spec[1]");
    }

    proptest! {
        #[test]
        fn a_level_adds_up_to_100_or_is_equal_or_is_refused(asked: Vec<Option<u8>>, more in any::<bool>()) {
            let asked: Vec<Option<u8>> = asked.into_iter().map(|w| if more { w } else { w.map(|w| w % 101) }).collect();
            let (weights, problems) = weights_of(&asked);
            match weights {
                None => assert!(problems.refused()),
                Some(weights) => {
                    assert!(!problems.refused());
                    assert_eq!(weights.len(), asked.len());
                    let sum: u32 = weights.iter().copied().map(u32::from).sum();
                    assert!(sum == 100 || weights.iter().all(|weight| *weight <= 1), "{weights:?}");
                    for (asked, weight) in asked.iter().zip(&weights) {
                        assert_eq!(*asked == Some(0), *weight == 0, "a weight of 0, and no other, gets nothing");
                    }
                }
            }
        }
    }
}
