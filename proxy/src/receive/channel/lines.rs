//! Lines out of the pieces that a body comes in.

use std::collections::VecDeque;

/// The longest line that is taken: an entry is far smaller.
const LONGEST: usize = 16 * 1024 * 1024;

/// Puts pieces together into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    whole: VecDeque<String>,
    begun: Vec<u8>,
}

/// What came is no text in lines.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the controller sent something that is no line of text")]
pub(super) struct NoLine;

impl Lines {
    /// Takes a piece.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), NoLine> {
        let mut rest = piece;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            self.begun.extend_from_slice(line);
            let line = String::from_utf8(std::mem::take(&mut self.begun)).map_err(|_| NoLine)?;
            self.whole.push_back(line);
            rest = after.get(1..).unwrap_or_default();
        }
        self.begun.extend_from_slice(rest);
        if self.begun.len() > LONGEST { Err(NoLine) } else { Ok(()) }
    }

    /// The next whole line.
    pub(super) fn next(&mut self) -> Option<String> {
        self.whole.pop_front()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{LONGEST, Lines, NoLine};

    #[test]
    fn lines_are_whole_wherever_the_pieces_end() {
        let text = "ein\nzwei ü\n\ndrei\nvi";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            for piece in text.as_bytes().chunks(size) {
                lines.push(piece).unwrap();
            }
            let read: Vec<String> = std::iter::from_fn(|| lines.next()).collect();
            assert_eq!(read, ["ein", "zwei ü", "", "drei"], "pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        assert_eq!(Lines::default().push(b"\xff\n"), Err(NoLine));
        assert_eq!(Lines::default().push(&vec![b'a'; LONGEST + 1]), Err(NoLine));
    }
}
