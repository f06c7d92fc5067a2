//! Which changes of a status are worth an Event: those after which somebody may have to do something, or need no longer.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sluicegate_crds::status::{ConditionType, Reason};

use super::merge::{cut, holds};
use super::object::Status;
use crate::objects::ObjectId;

/// The most of a message that an Event takes; an API server refuses longer notes. In bytes.
const MOST_OF_A_NOTE: usize = 1024;

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The object.
    pub id: ObjectId,
    /// Its UID.
    pub uid: String,
    /// The condition that changed.
    pub action: &'static str,
    /// The condition's reason.
    pub reason: String,
    /// Its message.
    pub note: String,
    /// Somebody should look at it.
    pub warning: bool,
    /// The condition is as it should be.
    pub well: bool,
}

/// Where Events go. It must not wait: an Event is worth less than the next status.
pub trait EventSink: Send + 'static {
    /// Takes an Event, or drops it where there are too many.
    fn publish(&self, transition: Transition);
}

/// What happened between two statuses of an object.
pub(super) fn transitions(id: &ObjectId, uid: &str, before: &Status, after: &Status) -> Vec<Transition> {
    let changes = ConditionType::ALL.iter().filter_map(|type_| {
        let after = after.condition(*type_)?;
        let warning = worth_telling(*type_, before.condition(*type_), after)?;
        Some(Transition {
            id: id.clone(),
            uid: uid.to_owned(),
            action: type_.as_str(),
            reason: after.reason.clone(),
            note: cut(&after.message, MOST_OF_A_NOTE).to_owned(),
            warning,
            well: holds(after),
        })
    });
    changes.collect()
}

/// Whether a change is worth an Event: `Some(true)` for a warning.
fn worth_telling(type_: ConditionType, before: Option<&Condition>, after: &Condition) -> Option<bool> {
    let same = before.is_some_and(|before| before.status == after.status && before.reason == after.reason);
    if same {
        return None;
    }
    let is_well = holds(after);
    match type_ {
        ConditionType::PartiallyInvalid => is_well.then_some(true),
        // What is well from the start goes without saying.
        ConditionType::Accepted | ConditionType::ResolvedRefs | ConditionType::Healthy if is_well => {
            let degraded =
                [Reason::SomeTargetsUnhealthy, Reason::CircuitOpen].map(Reason::as_str).contains(&&*after.reason);
            (degraded || before.is_some()).then_some(degraded)
        }
        ConditionType::Programmed if is_well => Some(false),
        // Waiting for a proxy is no event.
        ConditionType::Programmed => (after.reason == Reason::RefusedByProxy.as_str()).then_some(true),
        ConditionType::Healthy => {
            let is = |reason: Reason| reason.as_str() == after.reason;
            // Checks begin in a moment.
            let told = after.status == "False" && !is(Reason::NotChecked);
            told.then_some(!is(Reason::Draining) && !is(Reason::Disabled))
        }
        ConditionType::Accepted | ConditionType::ResolvedRefs => (after.status == "False").then_some(true),
    }
}
