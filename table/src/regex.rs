//! How regular expressions of the table are built, so that compile refuses exactly what a proxy could not build.

/// The most bytes that one built expression may take (`RegexBuilder::size_limit`). It is far above what a path or a
/// header needs, and keeps ten thousand rules from filling a proxy's memory.
pub const REGEX_SIZE_LIMIT: usize = 1 << 20;

/// The deepest nesting of groups in one expression (`RegexBuilder::nest_limit`).
pub const REGEX_NEST_LIMIT: u32 = 64;

/// The expression that matches where `pattern`, as users wrote it, matches a whole value.
pub fn whole_value(pattern: &str) -> String {
    format!(r"\A(?:{pattern})\z")
}
