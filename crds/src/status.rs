//! The words of status: condition types and reasons, each in one place.

/// A condition's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// The object is valid and in force.
    Accepted,
    /// Everything that the object refers to exists and is usable.
    ResolvedRefs,
}

/// Why a condition is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The object is valid.
    Accepted,
    /// All references resolve.
    ResolvedRefs,
    /// A field's value cannot be used.
    Invalid,
    /// Weights do not add up to 100: equal shares instead.
    WeightsNotHundred,
    /// A referenced object does not exist.
    BackendNotFound,
    /// A referenced Secret or ConfigMap, or its key, does not exist or cannot be used.
    SecretNotFound,
    /// A referenced ConfigMap or its key does not exist or cannot be used.
    ConfigMapNotFound,
}
