//! Regular expressions over whole paths and values.

use regex_automata::Input;
use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;
use sluicegate_table::{REGEX_NEST_LIMIT, REGEX_SIZE_LIMIT, whole_value};

/// A regular expression that must match a whole text.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    /// Builds `text`, within the limits that compile checks too.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let hir = syntax::parse_with(&whole_value(text), &syntax::Config::new().nest_limit(REGEX_NEST_LIMIT))
            .map_err(|error| format!("the regular expression `{text}` cannot be read: {error}"))?;
        let regex = Regex::builder()
            .configure(Config::new().nfa_size_limit(Some(REGEX_SIZE_LIMIT)))
            .build_from_hir(&hir)
            .map_err(|error| match error.size_limit() {
                Some(limit) => format!("the regular expression `{text}` takes more than {limit} bytes when built"),
                None => format!("the regular expression `{text}` cannot be built: {error}"),
            })?;
        Ok(Self(regex))
    }

    /// Whether it matches all of `value`.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        self.0.is_match(Input::new(value).earliest(true))
    }
}
