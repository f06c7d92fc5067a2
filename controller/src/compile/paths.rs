//! Paths: those that requests are compared with, and those put in front of a request's path.
//!
//! Requests are compared after their dot segments are resolved, in percent-encoded form. So a path here that holds a dot
//! segment or a raw non-ASCII character could never match; it is refused rather than kept in vain.

use http::uri::PathAndQuery;
use sluicegate_crds::rule;
use sluicegate_table::PathMatch;

use super::faults::{Checked, Fault, shown};
use super::regular_expression::regular_expression;

/// A path condition in normal form.
pub(super) fn path_match(path: &rule::PathMatch) -> Checked<PathMatch> {
    let value = path.value.as_str();
    match path.type_ {
        rule::PathMatchType::Exact => plain(value).map(|()| PathMatch::Exact(value.to_owned())),
        rule::PathMatchType::Prefix => prefix(value).map(PathMatch::Prefix),
        rule::PathMatchType::Glob => glob(value).map(PathMatch::Glob),
        rule::PathMatchType::RegularExpression => regular_expression(value).map(PathMatch::RegularExpression),
    }
}

/// A path put in front of requests' paths: empty, or beginning with `/` and not ending with one.
pub(super) fn base(path: &str) -> Checked<String> {
    if path.is_empty() {
        return Ok(String::new());
    }
    plain(path).map(|()| path.trim_end_matches('/').to_owned())
}

/// The path, and the query if need be, of a request that proxies make themselves.
pub(super) fn with_query(text: &str) -> Checked<String> {
    let path = text.split_once('?').map_or(text, |(path, _)| path);
    plain(path)?;
    // Beyond what a path may hold, a query may hold a `?`.
    if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') && text.parse::<PathAndQuery>().is_ok() {
        return Ok(text.to_owned());
    }
    Err(Fault::invalid(format!("{} is no path with a query", shown(text)))
        .hint("write other characters percent-encoded, and no `#`"))
}

fn prefix(value: &str) -> Checked<String> {
    if value.contains('*') {
        return Err(Fault::invalid(format!("the prefix {} holds a `*`", shown(value)))
            .hint("a prefix takes everything below it as it is; write type: Glob for a pattern"));
    }
    plain(value)?;
    let kept = value.trim_end_matches('/');
    Ok(if kept.is_empty() { "/" } else { kept }.to_owned())
}

/// A glob, as it is written.
pub(super) fn glob(value: &str) -> Checked<String> {
    plain(value)?;
    if value.contains("**") {
        return Err(Fault::invalid(format!("the glob {} holds `**`", shown(value)))
            .hint("a `*` at the end takes any text, slashes included; elsewhere it stays within a path element"));
    }
    if let Some(special) = value.chars().find(|c| matches!(c, '[' | ']' | '{' | '}' | '\\')) {
        return Err(Fault::invalid(format!("the glob {} holds {}", shown(value), shown(&special.to_string())))
            .hint("only `*` is special in a glob; write type: RegularExpression for more"));
    }
    Ok(value.to_owned())
}

/// Checks what holds for every path that is no regular expression.
fn plain(path: &str) -> Checked<()> {
    if !path.starts_with('/') {
        return Err(Fault::invalid(format!("the path {} does not begin with `/`", shown(path))));
    }
    if path.contains('?') {
        return Err(Fault::invalid(format!("the path {} holds a `?`", shown(path)))
            .hint("a path ends before the `?`; use `query` to match parameters"));
    }
    if let Some(wrong) = path.chars().find(|c| !c.is_ascii_graphic() || *c == '#') {
        return Err(Fault::invalid(format!("the path {} holds {}", shown(path), shown(&wrong.to_string())))
            .hint("write it percent-encoded, as requests carry it"));
    }
    if !percent_signs_are_escapes(path) {
        return Err(Fault::invalid(format!("the path {} holds a `%` without two hexadecimal digits", shown(path)))
            .hint("write %25 for a percent sign"));
    }
    if path.split('/').any(is_dot_segment) {
        return Err(Fault::invalid(format!("the path {} holds a dot segment", shown(path)))
            .hint("requests have theirs resolved before they are matched; write the resolved path"));
    }
    Ok(())
}

fn percent_signs_are_escapes(path: &str) -> bool {
    path.split('%').skip(1).all(|rest| {
        let mut bytes = rest.bytes();
        let mut hexadecimal = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
        hexadecimal() && hexadecimal()
    })
}

fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use sluicegate_crds::rule;
    use sluicegate_table::PathMatch;

    use super::{base, path_match};

    fn of(type_: rule::PathMatchType, value: &str) -> Option<PathMatch> {
        path_match(&rule::PathMatch { type_, value: value.to_owned() }).ok()
    }

    #[test]
    fn a_prefix_loses_its_final_slash() {
        for (written, kept) in [("/", "/"), ("/api", "/api"), ("/api/", "/api"), ("//", "/")] {
            assert_eq!(of(rule::PathMatchType::Prefix, written), Some(PathMatch::Prefix(kept.to_owned())));
        }
    }

    #[test]
    fn what_could_never_match_is_refused() {
        use rule::PathMatchType::{Exact, Glob, Prefix};
        for (type_, value) in [
            (Prefix, "/api/*"),
            (Prefix, "api"),
            (Prefix, ""),
            (Exact, "/a?b=c"),
            (Exact, "/a#b"),
            (Exact, "/a b"),
            (Exact, "/ä"),
            (Exact, "/a/../b"),
            (Exact, "/a/%2E%2e/b"),
            (Exact, "/%zz"),
            (Exact, "/%2"),
            (Glob, "/**"),
            (Glob, "/[ab]*"),
            (Glob, "/{a,b}"),
        ] {
            assert_eq!(of(type_, value), None, "{type_:?} {value} must be refused");
        }
    }

    #[test]
    fn exact_paths_and_globs_are_kept_as_they_are() {
        use rule::PathMatchType::{Exact, Glob};
        assert_eq!(of(Exact, "/api/"), Some(PathMatch::Exact("/api/".to_owned())));
        assert_eq!(of(Exact, "/a/..b/%20"), Some(PathMatch::Exact("/a/..b/%20".to_owned())));
        assert_eq!(of(Glob, "/v*/chat/*"), Some(PathMatch::Glob("/v*/chat/*".to_owned())));
    }

    #[test]
    fn a_base_path_never_ends_with_a_slash() {
        for (written, kept) in [("", ""), ("/", ""), ("/v1", "/v1"), ("/v1/", "/v1")] {
            assert_eq!(base(written).as_deref(), Ok(kept));
        }
        assert!(base("v1").is_err());
    }
}
