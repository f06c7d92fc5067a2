//! The words of status: condition types and reasons, each in one place.
//!
//! Where the Gateway API has a word for a thing, that word is used. `sluicegate check` prints the same words that a
//! condition holds, so that a reader meets one vocabulary in both.

use std::fmt;

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
}

impl ConditionType {
    /// Every type, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Accepted, Self::ResolvedRefs, Self::PartiallyInvalid];

    /// The word that stands in a condition's `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::ResolvedRefs => "ResolvedRefs",
            Self::PartiallyInvalid => "PartiallyInvalid",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a condition is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
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

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Accepted,
        Self::ResolvedRefs,
        Self::Invalid,
        Self::UnsupportedValue,
        Self::WeightsNotHundred,
        Self::NeverMatches,
        Self::BackendNotFound,
        Self::SecretNotFound,
        Self::ConfigMapNotFound,
    ];

    /// The word that stands in a condition's `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::ResolvedRefs => "ResolvedRefs",
            Self::Invalid => "Invalid",
            Self::UnsupportedValue => "UnsupportedValue",
            Self::WeightsNotHundred => "WeightsNotHundred",
            Self::NeverMatches => "NeverMatches",
            Self::BackendNotFound => "BackendNotFound",
            Self::SecretNotFound => "SecretNotFound",
            Self::ConfigMapNotFound => "ConfigMapNotFound",
        }
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
