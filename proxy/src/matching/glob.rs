//! Globs over paths: `*` stands for any text within a path element, a final `*` for any text at all, the empty text
//! included. So `/api/*` takes `/api/` and `/api/a/b` but not `/api`.
//!
//! One pass from left to right, each literal part at its first possible place: that decides rightly, because a part
//! without a slash found later only lengthens the text of a star within the same element, and a part with a slash has
//! only one possible place.

/// What stands before the first star.
pub(crate) fn before_star(pattern: &str) -> &str {
    pattern.split_once('*').map_or(pattern, |(literal, _)| literal)
}

/// What follows the literal part of a glob, first star included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GlobRest {
    /// The literal parts between stars; none is empty.
    middle: Box<[Box<str>]>,
    /// The literal part after the last star; `None` when the glob ends with a star.
    last: Option<Box<str>>,
}

impl GlobRest {
    /// The rest of `pattern` after [`before_star`]; `None` for a pattern without a star.
    pub(crate) fn of(pattern: &str) -> Option<Self> {
        let (_, rest) = pattern.split_once('*')?;
        let mut parts: Vec<Box<str>> = rest.split('*').map(Box::from).collect();
        let last = parts.pop().filter(|part| !part.is_empty());
        // Two stars in a row say no more than one.
        parts.retain(|part| !part.is_empty());
        Some(Self { middle: parts.into_boxed_slice(), last })
    }

    /// The literal parts, all of which stand in what matches.
    pub(crate) fn literals(&self) -> Vec<Box<[u8]>> {
        self.middle.iter().chain(&self.last).map(|part| part.as_bytes().into()).collect()
    }

    /// Whether `text`, what follows the literal part in a path, fits.
    pub(crate) fn matches(&self, mut text: &str) -> bool {
        for part in &self.middle {
            let element = text.find('/').unwrap_or(text.len());
            // The part begins within this element and may go on past its end.
            let window = text.get(..floor_boundary(text, element + part.len())).unwrap_or(text);
            let Some(at) = window.find(&**part) else { return false };
            text = text.get(at + part.len()..).unwrap_or_default();
        }
        match &self.last {
            None => true,
            Some(last) => text.strip_suffix(&**last).is_some_and(|gap| !gap.contains('/')),
        }
    }
}

/// The last character boundary of `text` at or before `at`, or its end.
fn floor_boundary(text: &str, at: usize) -> usize {
    if at >= text.len() { text.len() } else { (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        path.strip_prefix(before_star(pattern)).is_some_and(|rest| GlobRest::of(pattern).unwrap().matches(rest))
    }

    #[test]
    fn a_star_stays_within_an_element_and_a_final_one_does_not() {
        for (pattern, path, expected) in [
            ("/api/*", "/api", false),
            ("/api/*", "/api/", true),
            ("/api/*", "/api/a/b", true),
            ("/api/*", "/apix", false),
            ("/*", "/", true),
            ("/a*", "/a/b", true),
            ("/a/*/c", "/a/b/c", true),
            ("/a/*/c", "/a//c", true),
            ("/a/*/c", "/a/b/b/c", false),
            ("/a/*/c", "/a/b/c/d", false),
            ("/a/*/c/*", "/a/b/c/d/e", true),
            ("/a/*/c/*", "/a/b/c", false),
            ("/*.png", "/x.png", true),
            ("/*.png", "/x.png.png", true),
            ("/*.png", "/d/x.png", false),
            ("/*b/c", "/ab/c", true),
            ("/*b/c", "/xb/yb/c", false),
            ("/*a*a", "/aa", true),
            ("/*a*a", "/a", false),
            ("/*a*b/*x*", "/aab/yx/z", true),
            ("/*a*b/*x*", "/aab/y/x", false),
            ("/a/**", "/a/b/c", true),
            ("/a/**/c", "/a/b/b/c", false),
            ("/é*é/x", "/éaé/x", true),
            ("/*é", "/aéé", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }
}
