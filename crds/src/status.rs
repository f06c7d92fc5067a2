//! The words of status: condition types and reasons, each in one place.
//!
//! Where the Gateway API has a word for a thing, that word is used. `sluicegate check` prints the same words that a
//! condition holds, so that a reader meets one vocabulary in both.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What has become of a Target: what its user wants of it, and where that is `Enabled`, whether it can get requests.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It gets requests.
    Healthy,
    /// It gets none, although it should.
    Unhealthy,
    /// It finishes what is in flight and gets nothing new, as its user wants.
    Draining,
    /// It gets nothing, as its user wants.
    Disabled,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The states of a circuit breaker.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Requests go through.
    Closed,
    /// None does.
    Open,
    /// A few do, to find out whether it may close.
    HalfOpen,
}

/// A condition's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionType {
    /// True: the object is valid and in force. False: it was refused; its last valid version, if any, stays in force.
    Accepted,
    /// True: everything that the object refers to exists and is usable.
    ResolvedRefs,
    /// True: the object is in force, but part of it is not as written. The message begins with what happens instead,
    /// `Fall Back` or `Dropped`. Absent where nothing is wrong.
    PartiallyInvalid,
    /// True: every ready proxy has this generation in use. While False the message says how many have, such as
    /// `2/3 proxies`, and where one refused it, why.
    Programmed,
    /// Of an Upstream, True: at least one of its Targets gets requests. Of a Target, True: it gets requests.
    Healthy,
}

impl ConditionType {
    /// Every type, in the order in which they are shown.
    pub const ALL: [Self; 5] =
        [Self::Accepted, Self::ResolvedRefs, Self::PartiallyInvalid, Self::Programmed, Self::Healthy];

    /// The word that stands in a condition's `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::ResolvedRefs => "ResolvedRefs",
            Self::PartiallyInvalid => "PartiallyInvalid",
            Self::Programmed => "Programmed",
            Self::Healthy => "Healthy",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Makes the reasons of one list, so that each stands in one place. Those of the second part are in [`Reason::IN_CLUSTER`].
macro_rules! reasons {
    (
        anywhere: { $($(#[$doc:meta])+ $word:ident,)+ }
        in_cluster: { $($(#[$cluster_doc:meta])+ $cluster_word:ident,)+ }
    ) => {
        /// Why a condition is as it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])+ $word,)+
            $($(#[$cluster_doc])+ $cluster_word,)+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$word,)+ $(Self::$cluster_word,)+];

            /// Those that only an installation in a cluster finds: who may claim which host name, what is behind a Service,
            /// and what the proxies say.
            pub const IN_CLUSTER: &[Self] = &[$(Self::$cluster_word,)+];

            /// The word that stands in a condition's `reason`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => stringify!($word),)+
                    $(Self::$cluster_word => stringify!($cluster_word),)+
                }
            }
        }
    };
}

reasons! {
    anywhere: {
        /// The object is valid.
        Accepted,
        /// All references resolve.
        ResolvedRefs,
        /// A field is malformed, unknown, missing, or contradicts another.
        Invalid,
        /// A field is well formed, but its value is one that cannot be done.
        UnsupportedValue,
        /// Weights do not add up to 100: equal shares instead.
        WeightsNotHundred,
        /// Other rules take all the requests of a match, or of a whole rule.
        NeverMatches,
        /// A referenced object does not exist.
        BackendNotFound,
        /// A referenced Secret or its key does not exist or cannot be used.
        SecretNotFound,
        /// A referenced `ConfigMap` or its key does not exist or cannot be used.
        ConfigMapNotFound,
    }
    in_cluster: {
        /// A host name belongs to other namespaces in this installation.
        HostnameNotPermitted,
        /// The controller has no right to read a referenced object.
        RefNotPermitted,
        /// Every ready proxy has it in use.
        Programmed,
        /// Not every ready proxy has it yet, or none is ready.
        Pending,
        /// A proxy cannot use it; what that proxy had before stays in force there.
        RefusedByProxy,
        /// All is well.
        Healthy,
        /// Some Targets get no requests although they should; others do.
        SomeTargetsUnhealthy,
        /// No Target gets requests.
        NoHealthyTargets,
        /// The Service behind a Target has no ready pod.
        NoReadyEndpoints,
        /// Active checks of a Target fail.
        FailedChecks,
        /// No active check of a Target has succeeded yet.
        NotChecked,
        /// Requests to a Target failed: passive checks keep others from it for a while.
        Ejected,
        /// A Target asked for a rest, by an answer with `Retry-After`.
        Resting,
        /// The circuit breaker of a Target, or of an Upstream as a whole, is open or lets only probes through.
        CircuitOpen,
        /// The proxies find that a Target does not answer as it should, and do not say more.
        Unhealthy,
        /// Its user lets it finish what is in flight.
        Draining,
        /// Its user switched it off.
        Disabled,
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ConditionType, Reason};

    /// The pattern that Kubernetes demands of a condition's reason, without the punctuation that we do not use.
    fn is_camel_case_word(text: &str) -> bool {
        text.starts_with(|c: char| c.is_ascii_uppercase()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
    }

    #[test]
    fn words_are_camel_case_and_distinct() {
        let types: BTreeSet<_> = ConditionType::ALL.iter().map(|word| word.as_str()).collect();
        let reasons: BTreeSet<_> = Reason::ALL.iter().map(|word| word.as_str()).collect();
        assert_eq!(types.len(), ConditionType::ALL.len());
        assert_eq!(reasons.len(), Reason::ALL.len());
        for word in types.iter().chain(&reasons) {
            assert!(is_camel_case_word(word), "{word}");
        }
    }
}
