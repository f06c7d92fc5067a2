//! A cursor over JSON bytes that may end early.

use std::borrow::Cow;

use super::super::normalise::hex;

/// Why a scan stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes end within the value.
    Truncated,
    /// This is no JSON, or nested too deep.
    Malformed,
    /// A second key `model`.
    SecondModel,
}

pub(super) type Step<T> = Result<T, Stop>;

/// Values within this many others are refused, as parsers do.
const MAX_DEPTH: u32 = 128;

pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of these bytes; a byte order mark is passed over.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) }
    }

    /// The next byte that is no white space, which stays.
    pub(super) fn peek(&mut self) -> Step<u8> {
        loop {
            match self.rest.split_first() {
                Some((b' ' | b'\t' | b'\n' | b'\r', rest)) => self.rest = rest,
                Some((byte, _)) => return Ok(*byte),
                None => return Err(Stop::Truncated),
            }
        }
    }

    fn take(&mut self) -> Step<u8> {
        let (byte, rest) = self.rest.split_first().ok_or(Stop::Truncated)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn expect(&mut self, wanted: u8) -> Step<()> {
        if self.peek()? == wanted { self.take().map(drop) } else { Err(Stop::Malformed) }
    }

    /// Nothing but white space follows.
    pub(super) fn end(&mut self) -> Step<()> {
        match self.peek() {
            Err(Stop::Truncated) => Ok(()),
            _ => Err(Stop::Malformed),
        }
    }

    /// Goes to the next member of an object, opening brace and commas included; false after the closing brace.
    pub(super) fn next_member(&mut self, first: &mut bool) -> Step<bool> {
        self.next_item(first, b'{', b'}')
    }

    /// Goes to the next element of an array, as [`Self::next_member`] does.
    pub(super) fn next_element(&mut self, first: &mut bool) -> Step<bool> {
        self.next_item(first, b'[', b']')
    }

    fn next_item(&mut self, first: &mut bool, open: u8, close: u8) -> Step<bool> {
        if *first {
            self.expect(open)?;
        }
        let begins = std::mem::replace(first, false);
        match self.peek()? {
            byte if byte == close => self.take().map(|_| false),
            b',' if !begins => {
                self.take()?;
                // A comma promises another item.
                if self.peek()? == close { Err(Stop::Malformed) } else { Ok(true) }
            }
            _ if begins => Ok(true),
            _ => Err(Stop::Malformed),
        }
    }

    /// A member's key and its colon.
    pub(super) fn key(&mut self) -> Step<Cow<'a, [u8]>> {
        let from = self.rest;
        if self.peek()? != b'"' {
            return Err(Stop::Malformed);
        }
        // Few keys are escaped; those that are not need no copy.
        let text = self.rest.get(1..).unwrap_or_default();
        let key = match memchr::memchr2(b'"', b'\\', text) {
            Some(end) if text.get(end) == Some(&b'"') => {
                self.rest = text.get(end + 1..).unwrap_or_default();
                Cow::Borrowed(text.get(..end).unwrap_or_default())
            }
            Some(_) => {
                let mut key = Vec::new();
                self.string(&mut |text| key.extend_from_slice(text))?;
                Cow::Owned(key)
            }
            None => {
                self.rest = from;
                return Err(Stop::Truncated);
            }
        };
        self.expect(b':')?;
        Ok(key)
    }

    /// Reads a string, which comes next, unescaped and piece by piece.
    pub(super) fn string(&mut self, sink: &mut impl FnMut(&[u8])) -> Step<()> {
        self.expect(b'"')?;
        loop {
            let end = memchr::memchr2(b'"', b'\\', self.rest).ok_or(Stop::Truncated)?;
            let (piece, rest) = self.rest.split_at_checked(end).ok_or(Stop::Truncated)?;
            self.rest = rest;
            if !piece.is_empty() {
                sink(piece);
            }
            if self.take()? == b'"' {
                return Ok(());
            }
            let character = self.escape()?;
            sink(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// What stands after a backslash.
    fn escape(&mut self) -> Step<char> {
        Ok(match self.take()? {
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit()?;
                let code = if (0xd800..0xdc00).contains(&unit) {
                    if (self.take()?, self.take()?) != (b'\\', b'u') {
                        return Err(Stop::Malformed);
                    }
                    let low = self.unit()?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return Err(Stop::Malformed);
                    }
                    0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
                } else {
                    unit
                };
                char::from_u32(code).ok_or(Stop::Malformed)?
            }
            _ => return Err(Stop::Malformed),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Step<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit << 4 | u32::from(hex(self.take()?).ok_or(Stop::Malformed)?);
        }
        Ok(unit)
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self) -> Step<()> {
        match self.peek()? {
            b'"' => self.skip_string(),
            b'{' | b'[' => self.skip_nested(),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
                let end = self.rest.iter().position(ends).ok_or(Stop::Truncated)?;
                self.rest = self.rest.get(end..).unwrap_or_default();
                Ok(())
            }
            _ => Err(Stop::Malformed),
        }
    }

    fn skip_string(&mut self) -> Step<()> {
        let mut text = self.rest.get(1..).unwrap_or_default();
        loop {
            let at = memchr::memchr2(b'"', b'\\', text).ok_or(Stop::Truncated)?;
            if text.get(at) == Some(&b'"') {
                self.rest = text.get(at + 1..).unwrap_or_default();
                return Ok(());
            }
            text = text.get(at + 2..).ok_or(Stop::Truncated)?;
        }
    }

    fn skip_nested(&mut self) -> Step<()> {
        // A bit for each open bracket: 1 for a brace.
        let mut braces = 0_u128;
        let mut depth = 0;
        loop {
            // Brackets of either kind differ in one bit; two comparisons fewer matter in long lists of numbers.
            let special = |byte: &u8| matches!(*byte | 0x20, b'{' | b'}') || *byte == b'"';
            let at = self.rest.iter().position(special).ok_or(Stop::Truncated)?;
            self.rest = self.rest.get(at..).unwrap_or_default();
            match self.rest.first().copied().unwrap_or_default() {
                b'"' => {
                    self.skip_string()?;
                    continue;
                }
                open @ (b'{' | b'[') => {
                    if depth == MAX_DEPTH {
                        return Err(Stop::Malformed);
                    }
                    depth += 1;
                    braces = braces << 1 | u128::from(open == b'{');
                }
                close => {
                    if (braces & 1 == 1) != (close == b'}') {
                        return Err(Stop::Malformed);
                    }
                    depth -= 1;
                    braces >>= 1;
                }
            }
            self.take()?;
            if depth == 0 {
                return Ok(());
            }
        }
    }
}
