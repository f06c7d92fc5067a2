//! An object as the cluster holds it, as far as status needs it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;
use sluicegate_crds::rule::RuleStatus;
use sluicegate_crds::status::ConditionType;
use sluicegate_crds::target::TargetStatus;
use sluicegate_crds::upstream::UpstreamStatus;
use sluicegate_table::watch::{EntryId, EntryKind};

use crate::objects::{Kind, ObjectId};

/// The status of an object of any kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Status {
    /// A Rule's.
    Rule(RuleStatus),
    /// An Upstream's.
    Upstream(UpstreamStatus),
    /// A Target's.
    Target(TargetStatus),
}

impl Status {
    /// The status of an object that nobody has looked at.
    pub fn none(kind: Kind) -> Self {
        match kind {
            Kind::Rule => Self::Rule(RuleStatus::default()),
            Kind::Upstream => Self::Upstream(UpstreamStatus::default()),
            Kind::Target => Self::Target(TargetStatus::default()),
        }
    }

    /// Its conditions, others' included.
    pub fn conditions(&self) -> &[Condition] {
        match self {
            Self::Rule(status) => &status.conditions,
            Self::Upstream(status) => &status.conditions,
            Self::Target(status) => &status.conditions,
        }
    }

    /// The condition of this type.
    pub fn condition(&self, type_: ConditionType) -> Option<&Condition> {
        self.conditions().iter().find(|condition| condition.type_ == type_.as_str())
    }
}

/// An object as the cluster holds it, or held it a moment ago.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Tells it from an earlier object of the same name.
    pub uid: String,
    /// The generation of its spec.
    pub generation: i64,
    /// The version that a write must name.
    pub resource_version: String,
    /// Its status.
    pub status: Status,
}

/// The entry of the table that an object becomes.
pub(super) fn entry_of(id: &ObjectId) -> EntryId {
    let kind = match id.kind {
        Kind::Rule => EntryKind::Route,
        Kind::Upstream => EntryKind::Pool,
        Kind::Target => EntryKind::Target,
    };
    EntryId { kind, key: id.key.clone() }
}

/// The object that an entry was made of.
pub(super) fn object_of(entry: &EntryId) -> ObjectId {
    let kind = match entry.kind {
        EntryKind::Route => Kind::Rule,
        EntryKind::Pool => Kind::Upstream,
        EntryKind::Target | EntryKind::Endpoints => Kind::Target,
    };
    ObjectId { kind, key: entry.key.clone() }
}
