//! Which members may get requests at all, and why the others may not.

use std::fmt;

use serde::Serialize;
use sluicegate_table::{TargetState, TrustRoots};

use crate::endpoint::TargetRuntime;

/// Whether a member may get requests. Static for a version of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum State {
    /// It may.
    Usable,
    /// The Target is not there, or cannot be used for a reason that receiving it has reported.
    TargetMissing,
    /// A person switched it off.
    Disabled,
    /// It finishes what is in flight and gets nothing new.
    Draining,
    /// The Secret of its credential is missing; nothing is sent without.
    CredentialMissing,
    /// The certificate authorities it is to be checked against are missing.
    TrustRootsMissing,
    /// Its weight is 0.
    NoWeight,
    /// It is to be found at discovered addresses, and there is none: no pod of its Service is ready, say.
    NoAddress,
}

impl State {
    /// The state of a member with this Target and weight. What a person asked for is named before what is missing.
    pub(crate) fn of(runtime: Option<&TargetRuntime>, weight: u32) -> Self {
        let Some(runtime) = runtime else { return Self::TargetMissing };
        let target = &runtime.target;
        match target.state {
            TargetState::Disabled => Self::Disabled,
            TargetState::Draining => Self::Draining,
            TargetState::Enabled if target.credential.as_ref().is_some_and(|credential| credential.value.is_none()) => {
                Self::CredentialMissing
            }
            TargetState::Enabled if target.tls.roots == TrustRoots::Missing => Self::TrustRootsMissing,
            TargetState::Enabled if weight == 0 => Self::NoWeight,
            TargetState::Enabled if runtime.endpoints.is_empty() => Self::NoAddress,
            TargetState::Enabled => Self::Usable,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Usable => "usable",
            Self::TargetMissing => "target missing",
            Self::Disabled => "disabled",
            Self::Draining => "draining",
            Self::CredentialMissing => "credential missing",
            Self::TrustRootsMissing => "trust roots missing",
            Self::NoWeight => "weight 0",
            Self::NoAddress => "no ready address",
        })
    }
}
