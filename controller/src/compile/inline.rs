//! Targets written in a Rule: a pool and its targets inside the route's entry.

use sluicegate_crds::rule::InlineTarget;
use sluicegate_table::{InlinePool, Level, Member, ObjectKey, Pool, Target, Weight};

use super::faults::Problems;
use super::urls::{TargetUrl, target_url};
use super::weights::{self, Asked};
use crate::problem::FieldPath;

/// The one priority level of targets written in a Rule.
const PRIORITY: u16 = 1;

/// The pool of a Rule's own targets; `None` if the object is refused.
pub(super) fn pool(
    rule: &ObjectKey,
    written: &[InlineTarget],
    field: &FieldPath,
    problems: &mut Problems,
) -> Option<InlinePool> {
    let urls: Vec<Option<TargetUrl>> = written
        .iter()
        .enumerate()
        .map(|(position, target)| problems.check(&field.index(position).key("url"), target_url(&target.url)))
        .collect();
    let asked = written
        .iter()
        .enumerate()
        .map(|(position, target)| Asked { member: &target.url, weight: target.weight, field: field.index(position) })
        .collect();
    let levels = [(PRIORITY, asked)];
    let algorithm = weights::algorithm(None, &levels, field, problems);
    let [(_, asked)] = &levels;
    let weights: Vec<Weight> = weights::level(PRIORITY, asked, problems)?;
    let urls: Vec<TargetUrl> = urls.into_iter().collect::<Option<_>>()?;
    let targets: Vec<(ObjectKey, Target)> =
        urls.into_iter().enumerate().map(|(position, url)| (key(rule, position), target(url))).collect();
    let members =
        targets.iter().zip(weights).map(|((key, _), weight)| Member { target: key.clone(), weight }).collect();
    let pool = Pool::new(algorithm, vec![Level { priority: PRIORITY, members }]);
    Some(InlinePool { pool, targets })
}

/// The key of a Rule's own target. No object can have it: brackets are not in names.
fn key(rule: &ObjectKey, position: usize) -> ObjectKey {
    ObjectKey::new(rule.namespace.clone(), format!("{}[{position}]", rule.name))
}

fn target(url: TargetUrl) -> Target {
    let TargetUrl { protocol, host, port, path } = url;
    Target { path, ..Target::new(host, port, protocol) }
}
