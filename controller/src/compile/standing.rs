//! What is said of an object, as it is kept from version to version: compact, since there is one for every object.

use super::ObjectStatus;
use super::conditions::conditions;
use super::referrers::Reference;
use crate::problem::Problem;

/// What an object came to. It follows from the objects alone, so that a controller that has just started, and one that
/// knows what was in force before, say the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It is in the table.
    #[default]
    InForce,
    /// It is valid, but its user switched it off.
    SwitchedOff,
    /// It is refused. Its last valid version, where there is one here or in the proxies, stays in force.
    Refused,
    /// It asks for what its namespace may not have. Nothing of it is in force, its last valid version neither.
    NotPermitted,
}

/// What is said of an object.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) standing: Standing,
    /// As [`ObjectStatus::stale`].
    pub(super) stale: bool,
    pub(super) generation: Option<i64>,
    /// What is wrong with the object and what it refers to.
    pub(super) problems: Box<[Problem]>,
    /// What of it other objects hide.
    pub(super) hidden: Box<[Problem]>,
    /// What it depends on.
    pub(super) references: Box<[Reference]>,
}

impl Said {
    /// Whether both give the same status, as far as one object decides it.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        (self.standing, self.stale, self.generation) == (other.standing, other.stale, other.generation)
            && self.problems == other.problems
    }

    pub(super) fn status(&self) -> ObjectStatus {
        let problems = [&*self.problems, &*self.hidden].concat();
        let conditions = conditions(self.generation, self.standing, &problems);
        ObjectStatus { conditions, problems, standing: self.standing, stale: self.stale }
    }
}
