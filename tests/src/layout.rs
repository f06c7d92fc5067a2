//! The rules of the source tree's structure, each a function from a [`Tree`] to what breaks it.
//!
//! Each rule is tested on a small made-up tree that breaks it, so that a rule that could never fail is noticed.

mod imports;
mod leftovers;
mod names;
mod reach;
mod size;
mod tree;

pub use imports::imports_go_one_way;
pub use leftovers::{nothing_is_left_over, nothing_names_its_surroundings};
pub use names::one_name_everywhere;
pub use reach::every_file_is_reached;
pub use size::files_hold_one_idea;
pub use tree::Tree;

/// What breaks a rule: a file, or a crate, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    /// Where.
    pub place: String,
    /// What.
    pub what: String,
}

impl Breach {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}
