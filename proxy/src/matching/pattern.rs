//! Regular expressions over whole paths and values.
//!
//! Building an expression costs ten times as much as reading it, and of thousands few are ever tried (see
//! [`super::sieve`]). So one is read at once, which finds its mistakes, and built when it is first tried; only where it
//! might take more than the limit it is built at once, to be refused.

use std::sync::{Arc, OnceLock};

use regex_automata::Input;
use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;
use regex_syntax::hir::{Class, Hir, HirKind, Look};
use sluicegate_table::{REGEX_NEST_LIMIT, REGEX_SIZE_LIMIT, whole_value};

/// A regular expression that must match a whole text.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: Box<str>,
    /// Built when first tried; `None` where that failed, so that it matches nothing.
    regex: OnceLock<Option<Regex>>,
}

/// A regular expression over whole paths, with what it is found by.
#[derive(Debug)]
pub(crate) struct PathPattern {
    pub(crate) pattern: Pattern,
    /// Whatever it matches begins with this.
    pub(crate) beginning: Box<[u8]>,
    /// Whatever it matches contains each of these further on.
    pub(crate) inner: Arc<[Box<[u8]>]>,
}

impl PathPattern {
    /// Reads `text`.
    ///
    /// # Errors
    /// As [`Pattern::new`].
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let (pattern, required) = Pattern::with_required(text)?;
        Ok(Self { pattern, beginning: required.beginning, inner: required.inner.into() })
    }
}

/// Texts that whatever an expression matches must contain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Required {
    /// It begins with this.
    beginning: Box<[u8]>,
    /// It contains each of these further on.
    inner: Vec<Box<[u8]>>,
}

impl Pattern {
    /// Reads `text`, within the limits that compile checks too.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        Self::with_required(text).map(|(pattern, _)| pattern)
    }

    /// Reads `text`, and says what it requires.
    ///
    /// # Errors
    /// As [`Self::new`].
    fn with_required(text: &str) -> Result<(Self, Required), String> {
        let hir = read(text)?;
        let heavy = most_bytes(&hir) > REGEX_SIZE_LIMIT;
        let regex = if heavy { OnceLock::from(Some(build(text, &hir)?)) } else { OnceLock::new() };
        Ok((Self { text: text.into(), regex }, Required::of(&hir)))
    }

    /// Whether it matches all of `value`.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        let regex = self.regex.get_or_init(|| read(&self.text).and_then(|hir| build(&self.text, &hir)).ok());
        regex.as_ref().is_some_and(|regex| regex.is_match(Input::new(value).earliest(true)))
    }
}

fn read(text: &str) -> Result<Hir, String> {
    syntax::parse_with(&whole_value(text), &syntax::Config::new().nest_limit(REGEX_NEST_LIMIT))
        .map_err(|error| format!("the regular expression `{text}` cannot be read: {error}"))
}

fn build(text: &str, hir: &Hir) -> Result<Regex, String> {
    let config = Config::new().nfa_size_limit(Some(REGEX_SIZE_LIMIT)).dfa(false);
    Regex::builder().configure(config).build_from_hir(hir).map_err(|error| match error.size_limit() {
        Some(limit) => format!("the regular expression `{text}` takes more than {limit} bytes when built"),
        None => format!("the regular expression `{text}` cannot be built: {error}"),
    })
}

/// More bytes than the built expression takes: what cannot be over the limit need not be built to know.
fn most_bytes(hir: &Hir) -> usize {
    let own = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Concat(_) | HirKind::Alternation(_) => 64,
        HirKind::Literal(literal) => literal.0.len().saturating_mul(64),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len().saturating_mul(64),
        HirKind::Class(Class::Unicode(class)) => class.ranges().len().saturating_mul(1024),
        HirKind::Capture(_) => 256,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            return most_bytes(&repetition.sub).saturating_add(128).saturating_mul(times as usize);
        }
    };
    hir.kind().subs().iter().map(most_bytes).fold(own, usize::saturating_add)
}

impl Required {
    /// What stands literally in the expression's sequence, outside of alternatives and optional parts.
    fn of(hir: &Hir) -> Self {
        let mut required = Self::default();
        let mut at_beginning = true;
        let parts = match hir.kind() {
            HirKind::Concat(parts) => parts.as_slice(),
            _ => std::slice::from_ref(hir),
        };
        for part in parts {
            match part.kind() {
                HirKind::Look(Look::Start) => {}
                HirKind::Literal(literal) => {
                    if at_beginning {
                        required.beginning.clone_from(&literal.0);
                    } else {
                        required.inner.push(literal.0.clone());
                    }
                    at_beginning = false;
                }
                _ => at_beginning = false,
            }
        }
        required
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_needs_no_building_to_know_its_size_can_be_built(
            text in r"(\\w|\\pL|\\S|a|é|\[\^/\]|\\b|\.|\(\?i:straße\))([*+?]|\{[0-9]{1,3}\}|\{0,9\}){0,1}(\|\\d\{1,40\}){0,2}"
        ) {
            let hir = read(&text).unwrap();
            let size = build(&text, &hir).map(|_| ());
            prop_assert!(size.is_ok() || most_bytes(&hir) > REGEX_SIZE_LIMIT, "{} {:?}", text, size);
        }
    }

    #[test]
    fn what_an_expression_requires_is_read_from_it() {
        for (text, beginning, inner) in [
            ("/v1/users/[0-9]+/items", "/v1/users/", &["/items"][..]),
            ("/v1/[a-z]+/svc7(/.*)?", "/v1/", &["/svc7"]),
            ("/a/(b|c)/d+/e", "/a/", &["/", "/e"]),
            ("/a|/b", "", &[]),
            ("(/a)?/b", "", &["/b"]),
            ("(?i)/a/b", "/", &["/"]),
            ("/plain", "/plain", &[]),
            (".*", "", &[]),
        ] {
            let (_, required) = Pattern::with_required(text).unwrap();
            assert_eq!(&*required.beginning, beginning.as_bytes(), "{text}");
            let found: Vec<&[u8]> = required.inner.iter().map(|text| &**text).collect();
            assert_eq!(found, inner.iter().map(|text| text.as_bytes()).collect::<Vec<_>>(), "{text}");
        }
    }
}
