//! A file's text as reports may show it, and places in it.

use std::fmt;
use std::sync::Arc;

use super::yaml::Span;

/// A file that was read. Its text has the values of Secrets and control characters masked, byte for byte, so that spans stay
/// true and no report can show them.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceFile {
    name: String,
    shown: Arc<str>,
}

impl SourceFile {
    /// A file and its text, with `masks` taken out of it.
    pub(crate) fn new(name: &str, text: &str, masks: &[Mask]) -> Self {
        Self { name: name.to_owned(), shown: mask(text, masks).into() }
    }

    /// Its path, as the user gave it or below the folder that the user gave.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its text, the values of Secrets masked.
    pub fn text(&self) -> &Arc<str> {
        &self.shown
    }
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SourceFile").field(&self.name).finish()
    }
}

/// A range of text that no one may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mask {
    /// All of it, quotes aside.
    Value(Span),
    /// What stands behind the first colon of each line, and lines without one: for a text that could not be read.
    Lines(Span),
}

impl Mask {
    /// Its bytes.
    pub(crate) fn span_mut(&mut self) -> &mut Span {
        match self {
            Self::Value(span) | Self::Lines(span) => span,
        }
    }

    /// The same, so many bytes further on.
    pub(crate) fn moved(&self, by: usize) -> Self {
        let mut mask = self.clone();
        let span = mask.span_mut();
        *span = span.start + by..span.end + by;
        mask
    }
}

fn mask(text: &str, masks: &[Mask]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for mask in masks {
        match mask {
            Mask::Value(span) => hide(&mut bytes, span.clone()),
            Mask::Lines(span) => {
                let mut start = span.start;
                for line in text.get(span.clone()).unwrap_or_default().split_inclusive('\n') {
                    let value = line.find(':').map_or(0, |colon| colon + 1);
                    if !names_the_object(line) {
                        hide(&mut bytes, start + value..start + line.len());
                    }
                    start += line.len();
                }
            }
        }
    }
    // A terminal would obey them.
    let obeyed = |character: &char| character.is_control() && !['\n', '\r', '\t', '\u{85}'].contains(character);
    for (start, character) in text.char_indices().filter(|(_, character)| obeyed(character)) {
        bytes.iter_mut().skip(start).take(character.len_utf8()).for_each(|byte| *byte = b'.');
    }
    // Only whole runs of non-ASCII bytes were replaced by ASCII; where a span cut a character, show nothing at all.
    String::from_utf8(bytes).unwrap_or_else(|_| "x".repeat(text.len()))
}

/// Document markers, and the fields that tell which object it is.
fn names_the_object(line: &str) -> bool {
    let line = line.trim();
    let Some((key, value)) = line.split_once(':') else { return line == "---" };
    let key = key.trim_start_matches(['-', ' ']);
    matches!(key, "apiVersion" | "kind" | "metadata" | "name" | "namespace") && !value.contains(':')
}

/// Replaces a value by as many letters, which keeps the text readable as YAML: quotes, a block's `|` and spaces stay.
fn hide(bytes: &mut [u8], span: Span) {
    let Some(value) = bytes.get_mut(span) else { return };
    let outer = value.len().saturating_sub(1);
    for (position, byte) in value.iter_mut().enumerate() {
        let quote = (position == 0 || position == outer) && matches!(byte, b'"' | b'\'' | b'|' | b'>');
        if !quote && !byte.is_ascii_whitespace() {
            *byte = b'x';
        }
    }
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<SourceFile>,
    /// The bytes.
    pub span: Span,
}

/// A line and a column, both counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    /// The key or value that begins at a position, in a file of which everything may be shown.
    pub fn at(name: &str, text: &str, at: Position) -> Self {
        let lines = text.split_inclusive('\n').take(at.line.saturating_sub(1));
        let line: usize = lines.map(str::len).sum();
        let rest = text.get(line..).unwrap_or_default();
        let column = rest.char_indices().nth(at.column.saturating_sub(1)).map_or(rest.len(), |(column, _)| column);
        let start = line + column;
        let span = start..start + word(text.get(start..).unwrap_or_default());
        Self { file: Arc::new(SourceFile::new(name, text, &[])), span }
    }

    /// Where it begins.
    pub fn start(&self) -> Position {
        self.position(self.span.start)
    }

    /// Where it ends: one behind its last character.
    pub fn end(&self) -> Position {
        self.position(self.span.end)
    }

    fn position(&self, at: usize) -> Position {
        let before = self.file.shown.get(..at).unwrap_or(&self.file.shown);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Position { line: before.matches('\n').count() + 1, column }
    }
}

/// How many bytes the YAML key or value has that stands in front.
fn word(text: &str) -> usize {
    let line = text.lines().next().unwrap_or_default();
    if let Some(quote @ ('"' | '\'')) = line.chars().next() {
        return line.get(1..).and_then(|rest| rest.find(quote)).map_or(line.len(), |end| end + 2);
    }
    let ends = [": ", " #", ",", "]", "}"].map(|end| line.find(end));
    let end = ends.into_iter().flatten().min().unwrap_or(line.len());
    line.get(..end).unwrap_or_default().trim_end().trim_end_matches(':').len()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.start();
        write!(f, "{}:{line}:{column}", self.file.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_by_its_position_has_the_key_or_value_there() {
        let text = "listeners:\n- {address: \"::1, x\", b: é}\nworkers: -1 # few\n\nadmin: {a: [x, y]}\n";
        let shown = |line, column| {
            let place = Place::at("file", text, Position { line, column });
            assert_eq!(place.start(), Position { line, column });
            text.get(place.span).map(ToOwned::to_owned)
        };
        for (line, column, wanted) in [
            (1, 1, "listeners"),
            (2, 4, "address"),
            (2, 13, "\"::1, x\""),
            (2, 26, "é"),
            (3, 1, "workers"),
            (3, 10, "-1"),
            (5, 16, "y"),
            (5, 1, "admin"),
        ] {
            assert_eq!(shown(line, column).as_deref(), Some(wanted), "{line}:{column}");
        }
        for outside in
            [Position { line: 4, column: 9 }, Position { line: 99, column: 1 }, Position { line: 0, column: 0 }]
        {
            let place = Place::at("file", text, outside);
            assert!(place.file.text().get(place.span.clone()).is_some(), "{outside:?}");
        }
    }
}
