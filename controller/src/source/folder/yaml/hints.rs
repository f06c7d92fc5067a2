//! What to write where a text is no YAML.

/// What no text without quotes begins with.
const RESERVED: [char; 8] = ['*', '&', '@', '`', '%', '!', '{', '['];
const BEGINS_WITH: &str = "a text that begins with one of * & ! @ ` % { [ needs quotes";
/// What the parser says of wrong indentation and of keys without their colon.
const LAYOUT: [&str; 4] =
    ["mapping values are not allowed", "expected key", "expected '-' indicator", "simple key expected ':'"];

/// Help with the mistakes that are made most.
pub(crate) fn syntax_hint(text: &str, at: usize, message: &str) -> Option<String> {
    if message.contains("surrogate") {
        return Some("write both halves, such as \\ud83d\\ude00, or the character itself".to_owned());
    }
    let before = text.get(..at)?;
    if message.starts_with("unexpected character") {
        let hint = if text.get(at..)?.starts_with(RESERVED) {
            BEGINS_WITH
        } else {
            "a control character is written in double quotes, such as \"\\u0007\""
        };
        return Some(hint.to_owned());
    }
    if message.contains("trailing content after single-quoted") {
        return Some("a single quote within single quotes is written twice: 'it''s'".to_owned());
    }
    if message.contains("<document start>") && before.trim_end().ends_with(['}', ']']) {
        return Some("two objects in one file need a line with --- between them".to_owned());
    }
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(line_start..)?.lines().next()?;
    let indent = line.split(|c: char| !c.is_whitespace()).next().unwrap_or_default();
    if indent.contains('\t') {
        return Some("YAML indents with spaces, not tabs".to_owned());
    }
    let value = line.split_once(": ").map_or(line, |(_, value)| value).trim_start();
    let value = value.strip_prefix("- ").unwrap_or(value);
    // A line that begins with a brace is JSON rather than a text.
    let is_json = line.trim_start().starts_with(['{', '[', '"']);
    // What these say is about the lines around, whatever this one's value begins with.
    let is_layout = LAYOUT.iter().any(|part| message.contains(part));
    if message.starts_with("unclosed") || message.starts_with("misplaced") {
        return None;
    }
    if value.starts_with(RESERVED) && !is_layout && !is_json {
        return Some(BEGINS_WITH.to_owned());
    }
    if value.contains(": ") && !value.starts_with(['"', '\'']) {
        return Some("a text that contains `: ` needs quotes".to_owned());
    }
    is_layout
        .then(|| "keys of one object begin in the same column, and have a colon and a space behind them".to_owned())
}
