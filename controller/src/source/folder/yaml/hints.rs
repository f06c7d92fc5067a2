//! What to write where a text is no YAML.

/// Help with the mistakes that are made most.
pub(crate) fn syntax_hint(text: &str, at: usize, message: &str) -> Option<String> {
    if message.contains("surrogate") {
        return Some("write both halves, such as \\ud83d\\ude00, or the character itself".to_owned());
    }
    if message.starts_with("unexpected character") {
        return Some("a control character is written in double quotes, such as \"\\u0007\"".to_owned());
    }
    let before = text.get(..at)?;
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
    if value.starts_with(['*', '&', '@', '`', '%', '!', '{', '[']) && !message.starts_with("unclosed") && !is_json {
        return Some("a text that begins with one of * & ! @ ` % { [ needs quotes".to_owned());
    }
    (value.contains(": ") && !value.starts_with(['"', '\'']))
        .then(|| "a text that contains `: ` needs quotes".to_owned())
}
