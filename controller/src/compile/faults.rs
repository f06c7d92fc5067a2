//! What checks find. A check of one value returns a [`Fault`] and knows neither the object nor the field; [`Problems`]
//! puts it in its place. So every check can be used for every field that holds such a value.

use sluicegate_crds::status::{ConditionType, Reason};

use crate::problem::{FieldPath, Problem, Severity};

/// Why a value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    reason: Reason,
    message: String,
    hint: Option<String>,
}

impl Fault {
    /// The value is malformed.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { reason: Reason::Invalid, message: message.into(), hint: None }
    }

    /// The value is well formed, but nothing can be done with it.
    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self { reason: Reason::UnsupportedValue, ..Self::invalid(message) }
    }

    /// What to write instead.
    #[must_use]
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// What to write instead, where nothing more precise is known.
    #[must_use]
    pub(super) fn or_hint(self, hint: &str) -> Self {
        Self { hint: self.hint.or_else(|| Some(hint.to_owned())), ..self }
    }

    /// What follows from it.
    #[must_use]
    pub(super) fn so(self, consequence: &str) -> Self {
        Self { message: format!("{}, so {consequence}", self.message), ..self }
    }

    /// What is wrong, for checks that build on others.
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

/// A result of checking one value.
pub(super) type Checked<T> = Result<T, Fault>;

/// The problems of one object, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    /// Problems that were found before compile.
    pub(super) fn found(problems: &[Problem]) -> Self {
        Self(problems.to_vec())
    }

    /// The value, or `None` and a problem that refuses the object.
    pub(super) fn check<T>(&mut self, field: &FieldPath, checked: Checked<T>) -> Option<T> {
        match checked {
            Ok(value) => Some(value),
            Err(fault) => {
                self.refuse(field, fault);
                None
            }
        }
    }

    /// A problem that refuses the object.
    pub(super) fn refuse(&mut self, field: &FieldPath, fault: Fault) {
        self.add(field, Severity::Error, ConditionType::Accepted, fault);
    }

    /// A problem that refuses the object for this reason.
    pub(super) fn refuse_because(&mut self, field: &FieldPath, reason: Reason, fault: Fault) {
        self.refuse(field, Fault { reason, ..fault });
    }

    /// Something that is not there or cannot be used; the object is in force without it.
    pub(super) fn unresolved(&mut self, field: &FieldPath, reason: Reason, fault: Fault) {
        self.add(field, Severity::Warning, ConditionType::ResolvedRefs, Fault { reason, ..fault });
    }

    /// The same, where nobody would notice before it is needed: a warning is too little.
    pub(super) fn refuse_field(&mut self, field: &FieldPath, reason: Reason, fault: Fault) {
        self.add(field, Severity::FieldRefused, ConditionType::ResolvedRefs, Fault { reason, ..fault });
    }

    /// Something of which it is not known what it is; the object is refused until it is.
    pub(super) fn unknown(&mut self, field: &FieldPath, reason: Reason, fault: Fault) {
        self.add(field, Severity::Error, ConditionType::ResolvedRefs, Fault { reason, ..fault });
    }

    /// Something that is done in another way than written. The message begins with `Fall Back` or `Dropped`.
    pub(super) fn altered(&mut self, field: &FieldPath, reason: Reason, fault: Fault) {
        self.add(field, Severity::Warning, ConditionType::PartiallyInvalid, Fault { reason, ..fault });
    }

    /// Those of this reason.
    pub(super) fn because(mut self, reason: Reason) -> Self {
        self.0.retain(|problem| problem.reason == reason);
        self
    }

    /// Puts others in front.
    pub(super) fn begin_with(&mut self, others: Self) {
        self.0.splice(..0, others.0);
    }

    /// Whether any of them is about this field.
    pub(super) fn has(&self, field: &FieldPath) -> bool {
        self.0.iter().any(|problem| problem.field == *field)
    }

    /// Whether any of them refuses the object.
    pub(super) fn refused(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The problems as the object's status holds them.
    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.0
    }

    fn add(&mut self, field: &FieldPath, severity: Severity, condition: ConditionType, fault: Fault) {
        let Fault { reason, message, hint } = fault;
        self.0.push(Problem { field: field.clone(), severity, condition, reason, message, hint });
    }
}

/// A value between back quotes as a message shows it: in one line, control characters escaped, cut where it is long.
pub(super) fn shown(value: &str) -> String {
    const MOST: usize = 100;
    let mut text = String::from("`");
    for (position, character) in value.chars().enumerate() {
        if position == MOST {
            text.push('…');
            break;
        }
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text.push('`');
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use super::shown;

    #[test]
    fn a_shown_value_stays_in_one_line_and_short() {
        assert_eq!(shown("a\nb\u{7}"), "`a\\nb\\u{7}`");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), 103);
        assert_eq!(shown(r"^/v\d$"), r"`^/v\d$`");
    }
}
