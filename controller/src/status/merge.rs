//! What we say, put among what an object's status holds: others' conditions stay, in their order, and a transition is
//! dated only where `status` changed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use sluicegate_crds::status::{ConditionType, Reason};

/// One condition without its times and generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) type_: &'static str,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
}

impl Said {
    /// This.
    pub(super) fn new(type_: ConditionType, status: &str, reason: Reason, message: String) -> Self {
        Self { type_: type_.as_str(), status: status.to_owned(), reason: reason.as_str().to_owned(), message }
    }

    /// What was said before.
    pub(super) fn repeat(type_: ConditionType, condition: &Condition) -> Self {
        Self {
            type_: type_.as_str(),
            status: condition.status.clone(),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
        }
    }
}

/// Whether a condition is `True`.
pub(super) fn holds(condition: &Condition) -> bool {
    condition.status == "True"
}

/// The conditions that an object should have. `now` dates transitions.
pub(super) fn merged(there: &[Condition], said: &[Said], generation: i64, now: Timestamp) -> Vec<Condition> {
    let ours = |condition: &Condition| ConditionType::ALL.iter().any(|type_| condition.type_ == type_.as_str());
    let dated = |said: &Said| {
        let before = there.iter().find(|condition| condition.type_ == said.type_);
        let unchanged = before.filter(|before| before.status == said.status);
        Condition {
            type_: said.type_.to_owned(),
            status: said.status.clone(),
            reason: said.reason.clone(),
            message: said.message.clone(),
            observed_generation: Some(generation),
            last_transition_time: unchanged.map_or_else(|| Time(now), |before| before.last_transition_time.clone()),
        }
    };
    let kept = there.iter().filter_map(|condition| match said.iter().find(|said| said.type_ == condition.type_) {
        Some(said) => Some(dated(said)),
        None if ours(condition) => None,
        None => Some(condition.clone()),
    });
    let new = said.iter().filter(|said| !there.iter().any(|condition| condition.type_ == said.type_));
    kept.chain(new.map(dated)).collect()
}

/// The beginning of a text, of at most so many bytes.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}
