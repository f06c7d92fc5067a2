//! Problems become conditions: one place, so that every condition of every kind reads alike.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use sluicegate_crds::status::{ConditionType, Reason};

use super::standing::Standing;
use crate::problem::{Problem, Severity};

/// The most problems that one message names. The list of all is in `sluicegate check`; etcd is no place for it.
const MOST_NAMED: usize = 8;

const RESOLVED: ConditionType = ConditionType::ResolvedRefs;

/// The conditions of an object of this generation.
pub(super) fn conditions(generation: Option<i64>, standing: Standing, problems: &[Problem]) -> Vec<Condition> {
    let condition = |type_: ConditionType, status: &str, reason: Reason, message: String| Condition {
        type_: type_.as_str().to_owned(),
        status: status.to_owned(),
        reason: reason.as_str().to_owned(),
        message,
        observed_generation: generation,
        // Compile is pure and knows no time; who writes the status sets it.
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    };
    let refused = match standing {
        Standing::InForce | Standing::SwitchedOff => None,
        Standing::Refused => Some("the last valid version, if there was one, stays in force"),
        Standing::NotPermitted => Some("nothing of it is in force"),
    };
    if let Some(consequence) = refused {
        let errors: Vec<&Problem> = problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
        let reason = errors.first().map_or(Reason::Invalid, |problem| problem.reason);
        let unknown: Vec<&Problem> = errors.iter().filter(|error| error.condition == RESOLVED).copied().collect();
        let resolved = match unknown.first() {
            Some(first) => condition(RESOLVED, "False", first.reason, texts(&unknown)),
            None => condition(RESOLVED, "Unknown", Reason::Invalid, "the object is refused".to_owned()),
        };
        let why = format!("{}; {consequence}", texts(&errors));
        return vec![condition(ConditionType::Accepted, "False", reason, why), resolved];
    }
    let accepted = match standing {
        Standing::SwitchedOff => "spec.active is false: the rule is switched off and takes no requests",
        _ => "the object is valid and in force",
    };
    let mut conditions = vec![condition(ConditionType::Accepted, "True", Reason::Accepted, accepted.to_owned())];

    let of = |type_: ConditionType| problems.iter().filter(|problem| problem.condition == type_).collect::<Vec<_>>();
    let unresolved = of(RESOLVED);
    let resolved = || "everything that the object refers to is there".to_owned();
    conditions.push(match unresolved.first() {
        Some(first) => condition(RESOLVED, "False", first.reason, texts(&unresolved)),
        None => condition(RESOLVED, "True", Reason::ResolvedRefs, resolved()),
    });
    let altered = of(ConditionType::PartiallyInvalid);
    if let Some(first) = altered.first() {
        // The message must begin with what happens instead, so the field comes last.
        let message = joined(&altered, |problem| format!("{} ({})", problem.message, problem.field));
        conditions.push(condition(ConditionType::PartiallyInvalid, "True", first.reason, message));
    }
    conditions
}

fn texts(problems: &[&Problem]) -> String {
    joined(problems, ToString::to_string)
}

fn joined(problems: &[&Problem], text: impl Fn(&Problem) -> String) -> String {
    let named = problems.iter().take(MOST_NAMED).map(|problem| text(problem));
    let more = problems.len().checked_sub(MOST_NAMED).filter(|more| *more > 0).map(|more| format!("and {more} more"));
    named.chain(more).collect::<Vec<_>>().join("; ")
}
