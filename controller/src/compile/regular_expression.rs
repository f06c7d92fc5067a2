//! Regular expressions: checked with the limits that proxies build them with, so that no proxy ever meets one that it
//! cannot build.

use regex::RegexBuilder;
use regex_syntax::ParserBuilder;
use sluicegate_table::{REGEX_NEST_LIMIT, REGEX_SIZE_LIMIT, whole_value};

use super::faults::{Checked, Fault, shown};

/// The expression as users wrote it, if a proxy can build it.
pub(super) fn regular_expression(pattern: &str) -> Checked<String> {
    // Parsed alone first: `a)(b` is an expression only between the parentheses that matching a whole value needs, and
    // the position in a message must be the one in the user's text.
    let parsed = ParserBuilder::new().nest_limit(REGEX_NEST_LIMIT - 1).build().parse(pattern);
    if let Err(error) = parsed {
        let (what, column) = match &error {
            regex_syntax::Error::Parse(error) => (error.kind().to_string(), Some(error.span().start.column)),
            regex_syntax::Error::Translate(error) => (error.kind().to_string(), Some(error.span().start.column)),
            other => (other.to_string(), None),
        };
        let place = column.map(|column| format!(" at character {column}")).unwrap_or_default();
        return Err(Fault::invalid(format!("{} is no regular expression: {what}{place}", shown(pattern))));
    }
    let built =
        RegexBuilder::new(&whole_value(pattern)).size_limit(REGEX_SIZE_LIMIT).nest_limit(REGEX_NEST_LIMIT).build();
    match built {
        Ok(_) => Ok(pattern.to_owned()),
        Err(regex::Error::CompiledTooBig(limit)) => {
            Err(Fault::unsupported(format!("{} takes more than {limit} bytes when it is built", shown(pattern)))
                .hint(r"use smaller repetitions, or ASCII classes such as [0-9a-z] in place of \w and \d"))
        }
        // What remains are flags and comments that swallow the end of the group around the pattern.
        Err(_) => Err(Fault::invalid(format!("{} cannot be matched against a whole value", shown(pattern)))
            .hint("leave out the flag `x` and comments")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use super::regular_expression;

    fn message(pattern: &str) -> String {
        regular_expression(pattern).expect_err("must be refused").message().to_owned()
    }

    #[test]
    fn errors_tell_the_position_in_the_users_text() {
        assert_eq!(message("/v(1|2"), "`/v(1|2` is no regular expression: unclosed group at character 3");
        assert_eq!(message("a)(b"), "`a)(b` is no regular expression: unopened group at character 2");
        assert!(message("[z-a]").contains("at character 2"), "{}", message("[z-a]"));
        assert!(message(r"\p{Nonsense}").contains("at character 1"), "{}", message(r"\p{Nonsense}"));
    }

    #[test]
    fn what_a_proxy_could_not_build_is_refused() {
        assert!(message(r"(\w{100}){100}").contains("bytes when it is built"));
        assert!(message(&format!("{}a{}", "(".repeat(64), ")".repeat(64))).contains("nest"));
        assert!(message("(?x)a # b").contains("whole value"));
    }

    #[test]
    fn what_a_proxy_can_build_is_kept_as_it_is() {
        for pattern in [r"^/v\d+/.*$", "", "a|b", r"(?i)gpt-4o?", &format!("{}a{}", "(".repeat(60), ")".repeat(60))] {
            assert_eq!(regular_expression(pattern).as_deref(), Ok(pattern));
        }
    }
}
