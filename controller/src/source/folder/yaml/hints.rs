//! What to write where a text is no YAML.

/// Help with the mistakes that are made most.
pub(crate) fn syntax_hint(text: &str, at: usize, message: &str) -> Option<String> {
    let before = text.get(..at)?;
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(line_start..)?.lines().next()?;
    let indent = line.split(|c: char| !c.is_whitespace()).next().unwrap_or_default();
    if indent.contains('\t') {
        return Some("YAML indents with spaces, not tabs".to_owned());
    }
    let value = line.split_once(": ").map_or(line, |(_, value)| value).trim_start();
    let value = value.strip_prefix("- ").unwrap_or(value);
    if value.starts_with(['*', '&', '@', '`', '%', '!', '{', '[']) && !message.starts_with("unclosed") {
        return Some("a text that begins with one of * & ! @ ` % { [ needs quotes".to_owned());
    }
    (value.contains(": ") && !value.starts_with(['"', '\'']))
        .then(|| "a text that contains `: ` needs quotes".to_owned())
}
