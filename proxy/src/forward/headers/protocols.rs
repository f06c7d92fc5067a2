//! What a request asks to be switched to, and whether an answer does that (RFC 9110, 7.8).
//!
//! A target that switches to something else would have a client speak one protocol and the target another, on a connection
//! that nobody looks into any more.

use http::header::UPGRADE;
use http::{HeaderMap, HeaderValue};

use super::hop_by_hop::{members, members_of};

/// The protocols that a request names in `Upgrade`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Protocols(Box<[HeaderValue]>);

impl Protocols {
    /// Those of a request.
    pub(crate) fn asked(headers: &HeaderMap) -> Self {
        Self(headers.get_all(UPGRADE).into_iter().cloned().collect())
    }

    /// Whether an answer that switches protocols says to which, and all of these were asked for.
    pub(crate) fn include(&self, answer: &HeaderMap) -> bool {
        let mut named = members(answer, &UPGRADE).peekable();
        named.peek().is_some() && named.all(|named| self.0.iter().flat_map(members_of).any(|asked| is(named, asked)))
    }
}

/// Whether two protocols are the same as far as both say which version they mean.
fn is(one: &[u8], other: &[u8]) -> bool {
    let parts = |protocol: &[u8]| {
        let slash = protocol.iter().position(|byte| *byte == b'/');
        let (name, version) = protocol.split_at(slash.unwrap_or(protocol.len()));
        (name.to_ascii_lowercase(), version.to_ascii_lowercase())
    };
    let ((name, version), (other_name, other_version)) = (parts(one), parts(other));
    name == other_name && (version == other_version || version.is_empty() || other_version.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (UPGRADE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn an_answer_may_switch_to_what_was_asked_for_and_to_nothing_else() {
        for (asked, answer, agrees) in [
            (&["websocket"][..], &["websocket"][..], true),
            (&["websocket"], &["WebSocket"], true),
            (&["one/1.0, two", "three"], &["three"], true),
            (&["one/1.0, two"], &["two, ONE/1.0"], true),
            (&["one/1.0"], &["one"], true),
            (&["one"], &["one/1.0"], true),
            (&["one/1.0"], &["one/2.0"], false),
            (&["websocket"], &["other"], false),
            (&["websocket"], &["websocket, other"], false),
            (&["websocket"], &["websocket", "other"], false),
            (&["websocket"], &["websockets"], false),
            (&["websocket"], &[" , "], false),
            (&["websocket"], &[], false),
            (&[], &["websocket"], false),
        ] {
            assert_eq!(Protocols::asked(&fields(asked)).include(&fields(answer)), agrees, "{asked:?}, {answer:?}");
        }
    }
}
