//! What is wrong with an object: one shape for the schema walk, CEL, and compile, so that a condition's message and the
//! report of `sluicegate check` are the same text.

use std::fmt;

use sluicegate_crds::status::{ConditionType, Reason};

/// One thing that is wrong with one field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field.
    pub field: FieldPath,
    /// Whether it keeps the object from being accepted.
    pub severity: Severity,
    /// The condition it belongs to.
    pub condition: ConditionType,
    /// The condition's reason.
    pub reason: Reason,
    /// What is wrong: names the thing and its value, without the field's path.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    /// `field: message (hint)`, or `message (hint)` where it concerns the whole object: the text of a condition's message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.steps().is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The object is in force; the user should know.
    Warning,
    /// The field is refused, and the object is in force without it: what it asks for would not be missed before it is needed.
    FieldRefused,
    /// The object is refused.
    Error,
}

/// The path of a field, such as `spec.targets[0].weight`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath(Vec<Step>);

/// One step of a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// A key of a mapping.
    Key(String),
    /// A position in a list.
    Index(usize),
}

impl FieldPath {
    /// The path `spec`.
    pub fn spec() -> Self {
        Self::default().key("spec")
    }

    /// This path and a key.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    /// This path and a position.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if key.contains(['.', '[', '/']) => write!(f, "[{key:?}]")?,
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
