//! Header names and values, and the changes that users ask for.

use std::collections::BTreeMap;

use http::uri::Authority;
use http::{HeaderName, HeaderValue};
use sluicegate_crds::rule;
use sluicegate_table::HeaderEdits;

use super::faults::{Checked, Fault, Problems, shown};
use crate::problem::FieldPath;

/// Headers that frame messages or belong to one connection. They are the proxy's own: a change of theirs would be
/// undone, or would let a request be read in two ways.
const RESERVED: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A header's name in lower case.
pub(super) fn name(text: &str) -> Checked<String> {
    if text.is_empty() {
        return Err(Fault::invalid("the header's name is empty"));
    }
    HeaderName::from_bytes(text.as_bytes()).map(|name| name.as_str().to_owned()).map_err(|_| {
        Fault::invalid(format!("{} is no header name", shown(text)))
            .hint("a name consists of letters, digits and any of !#$%&'*+-.^_`|~")
    })
}

/// The name, in lower case, of a header that users may change.
pub(super) fn own_name(text: &str) -> Checked<String> {
    let name = name(text)?;
    if RESERVED.contains(&name.as_str()) {
        return Err(Fault::unsupported(format!(
            "the header {} belongs to the proxy and cannot be changed",
            shown(text)
        )));
    }
    Ok(name)
}

/// A header's value. The fault does not show it: it may be a secret.
pub(super) fn value(text: &str) -> Checked<String> {
    if text.trim_matches([' ', '\t']).len() != text.len() {
        return Err(Fault::invalid("the header's value begins or ends with white space"));
    }
    match HeaderValue::from_str(text) {
        Ok(_) if text.is_ascii() => Ok(text.to_owned()),
        _ => Err(Fault::invalid("the header's value holds a character that headers cannot carry")
            .hint("a value consists of visible ASCII characters, spaces and tabs")),
    }
}

/// The value of a Host header: a host, and a port if need be.
pub(super) fn authority(text: &str) -> Checked<String> {
    match text.parse::<Authority>() {
        Ok(authority) if !authority.host().is_empty() && !text.contains('@') => Ok(text.to_owned()),
        _ => Err(Fault::invalid(format!("{} is no value for Host", shown(text)))
            .hint("write a host name, and a port if need be, such as api.example.com or localhost:8080")),
    }
}

/// The name, in lower case, of a header that users may set. Other than the rest of the framing, the host that a target is
/// told may be chosen: it takes the place of the target's own.
pub(super) fn settable_name(text: &str) -> Checked<String> {
    if text.eq_ignore_ascii_case("host") { name(text) } else { own_name(text) }
}

/// Headers that get a fixed value, by name. A name may be in another case twice in the map; that is refused.
pub(super) fn fixed(
    headers: &BTreeMap<String, String>,
    allowed: impl Fn(&str) -> Checked<String>,
    field: &FieldPath,
    seen: &mut Seen,
    problems: &mut Problems,
) -> Vec<(String, String)> {
    let mut fixed: Vec<(String, String)> = headers
        .iter()
        .filter_map(|(written, text)| {
            let field = field.key(written);
            let name = problems.check(&field, allowed(written));
            let value = match name.as_deref() {
                Some("host") => problems.check(&field, authority(text)),
                _ => problems.check(&field, value(text)),
            };
            let name = name.and_then(|name| problems.check(&field, seen.once(name, &field)));
            Some((name?, value?))
        })
        .collect();
    fixed.sort();
    fixed
}

/// The header changes of a Rule.
pub(super) fn edits(edits: &rule::HeaderEdits, field: &FieldPath, problems: &mut Problems) -> HeaderEdits {
    let mut seen = Seen::default();
    let set = fixed(&edits.set, settable_name, &field.key("set"), &mut seen, problems);
    let add = fixed(&edits.add, own_name, &field.key("add"), &mut seen, problems);
    let mut remove = Vec::with_capacity(edits.remove.len());
    for (position, written) in edits.remove.iter().enumerate() {
        let field = field.key("remove").index(position);
        if let Some(name) = problems.check(&field, own_name(written)) {
            remove.extend(problems.check(&field, seen.once(name, &field)));
        }
    }
    HeaderEdits { set, add, remove }
}

/// Which headers were named, and where: each may be named once, so that no change undoes another.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeMap<String, FieldPath>);

impl Seen {
    /// The name, in lower case, if it was not named before.
    pub(super) fn once(&mut self, name: String, field: &FieldPath) -> Checked<String> {
        if let Some(before) = self.0.insert(name.clone(), field.clone()) {
            return Err(Fault::invalid(format!("the header {} is also in {before}", shown(&name)))
                .hint("name each header once; names differ in more than upper and lower case"));
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use super::{name, own_name, settable_name, value};

    #[test]
    fn names_are_tokens_in_lower_case() {
        assert_eq!(name("X-AI-Model").as_deref(), Ok("x-ai-model"));
        assert_eq!(name("Host").as_deref(), Ok("host"));
        for wrong in ["", "a b", "a:", "ä", "a\n"] {
            assert!(name(wrong).is_err(), "{wrong:?} must be refused");
        }
    }

    #[test]
    fn framing_headers_cannot_be_changed() {
        for reserved in ["Transfer-Encoding", "content-length", "Connection", "Host"] {
            assert!(own_name(reserved).is_err(), "{reserved} must be refused");
        }
        assert_eq!(own_name("X-Forwarded-Proto").as_deref(), Ok("x-forwarded-proto"));
        assert_eq!(settable_name("Host").as_deref(), Ok("host"));
        assert!(settable_name("Connection").is_err());
    }

    #[test]
    fn a_value_that_cannot_be_sent_is_refused_without_showing_it() {
        for wrong in ["s3cret\r\nX: y", "s3cret\u{0}", " s3cret", "s3cret ", "s3crét"] {
            let fault = value(wrong).expect_err("must be refused");
            assert!(!format!("{fault:?}").contains("s3cr"), "{fault:?}");
        }
        assert_eq!(value("Bearer a b\tc").as_deref(), Ok("Bearer a b\tc"));
        assert_eq!(value("").as_deref(), Ok(""));
    }
}
