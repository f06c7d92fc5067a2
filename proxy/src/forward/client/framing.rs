//! Where in HTTP/1 a client's bytes are: between two requests, in a head, or in a body.
//!
//! hyper frames the requests, and tells nobody of what it has read and not yet used: half a head behind a pipelined
//! request looks like an idle connection, and what is left of an upload after its answer looks like the next head. It
//! also follows RFC 9112, 6.1, in reading a message with both `Transfer-Encoding` and `Content-Length` as chunked, of
//! which no word is left for us, who refuse such a message altogether. So the bytes are looked through on their way to
//! hyper. It is a look at the beginnings of lines, not a parser: what is forwarded, and where a request ends, is hyper's
//! to say alone, and what hyper refuses ends the connection.

use memchr::memchr;

/// With the colon, which nothing may stand before (RFC 9112, 5.1).
const LENGTH: &[u8] = b"content-length:";
const CODING: &[u8] = b"transfer-encoding:";

/// What a client's bytes stop in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Place {
    /// Nothing of a request; empty lines before one count as nothing.
    Between,
    /// A request's head.
    Head,
    /// A request's body, or its trailers.
    Body,
    /// Behind a head of which nobody can say where its body ends.
    Lost,
}

/// Looks through a connection's bytes, in as many pieces as they come in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Framing {
    at: At,
    /// Of the head that is looked through: its declared length.
    length: Option<u64>,
    /// Of the head that is looked through: it has a transfer coding.
    coded: bool,
    heads: u32,
    two_framings: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Between,
    RequestLine,
    /// At the beginning of a header line.
    Line,
    /// In the name of a header line, of which this many bytes are those of the name that is looked for.
    Name(&'static [u8], usize),
    /// In a header line that does not matter.
    OtherLine,
    /// In the value of `Content-Length`; `None` before its first digit.
    Length(Option<u64>),
    /// In the value of `Content-Length`, behind its digits.
    AfterLength,
    /// Behind the CR of the empty line that ends a head.
    HeadEnd,
    /// In a body, or in a chunk with its line end, of which this many bytes are to come.
    Body(u64),
    Chunk(u64),
    /// In the line before a chunk; `Some` as long as its digits go on.
    ChunkLine {
        size: u64,
        digits: bool,
    },
    /// At the beginning of a trailer line.
    Trailer,
    /// In a trailer line.
    TrailerLine,
    Lost,
}

impl Framing {
    /// Before the first byte.
    pub(super) fn new() -> Self {
        Self { at: At::Between, length: None, coded: false, heads: 0, two_framings: None }
    }

    /// What the bytes so far stop in.
    pub(super) fn place(&self) -> Place {
        match self.at {
            At::Between => Place::Between,
            At::RequestLine
            | At::Line
            | At::Name(..)
            | At::OtherLine
            | At::Length(_)
            | At::AfterLength
            | At::HeadEnd => Place::Head,
            At::Body(_) | At::Chunk(_) | At::ChunkLine { .. } | At::Trailer | At::TrailerLine => Place::Body,
            At::Lost => Place::Lost,
        }
    }

    /// How many heads have come to their end.
    pub(super) fn heads(&self) -> u32 {
        self.heads
    }

    /// The number, counted from 1, of the head that declares both a length and a transfer coding. It is the last one.
    pub(super) fn two_framings(&self) -> Option<u32> {
        self.two_framings
    }

    /// Begins anew where the last request's end was lost and hyper has found it.
    pub(super) fn found(&mut self) {
        if self.at == At::Lost {
            self.at = At::Between;
        }
    }

    /// Looks through the next bytes.
    pub(super) fn look(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            bytes = match self.at {
                At::Between => {
                    if matches!(first, b'\r' | b'\n') {
                        rest
                    } else {
                        self.at = At::RequestLine;
                        bytes
                    }
                }
                At::RequestLine | At::OtherLine => self.after_line(bytes, At::Line),
                At::TrailerLine => self.after_line(bytes, At::Trailer),
                At::Line => match first {
                    b'c' | b'C' => self.go_on(At::Name(LENGTH, 1), rest),
                    b't' | b'T' => self.go_on(At::Name(CODING, 1), rest),
                    b'\r' => self.go_on(At::HeadEnd, rest),
                    b'\n' => self.end_head(rest),
                    _ => self.go_on(At::OtherLine, bytes),
                },
                At::Name(name, known) => self.name(name, known, bytes),
                At::Length(digits) => self.length(digits, bytes),
                At::AfterLength => match first {
                    b' ' | b'\t' | b'\r' => rest,
                    b'\n' => self.go_on(At::Line, rest),
                    _ => self.go_on(At::Lost, rest),
                },
                At::HeadEnd => self.end_head(rest),
                At::Body(left) => self.skip(bytes, left, At::Body, At::Between),
                At::Chunk(left) => self.skip(bytes, left, At::Chunk, At::ChunkLine { size: 0, digits: true }),
                At::ChunkLine { size, digits } => self.chunk_line(size, digits, bytes),
                At::Trailer => match first {
                    b'\r' => rest,
                    b'\n' => self.go_on(At::Between, rest),
                    _ => self.go_on(At::TrailerLine, rest),
                },
                At::Lost => return,
            };
        }
    }

    fn go_on<'b>(&mut self, at: At, rest: &'b [u8]) -> &'b [u8] {
        self.at = at;
        rest
    }

    /// What is behind the end of this line, where the next one is `next`.
    fn after_line<'b>(&mut self, bytes: &'b [u8], next: At) -> &'b [u8] {
        match memchr(b'\n', bytes) {
            Some(end) => self.go_on(next, bytes.get(end + 1..).unwrap_or_default()),
            None => &[],
        }
    }

    fn name<'b>(&mut self, name: &'static [u8], known: usize, bytes: &'b [u8]) -> &'b [u8] {
        let (Some(wanted), Some((first, rest))) = (name.get(known), bytes.split_first()) else { return &[] };
        if !first.eq_ignore_ascii_case(wanted) {
            return self.go_on(At::OtherLine, bytes);
        }
        if known + 1 < name.len() {
            return self.go_on(At::Name(name, known + 1), rest);
        }
        if name == CODING {
            self.coded = true;
            return self.go_on(At::OtherLine, rest);
        }
        self.go_on(At::Length(None), rest)
    }

    fn length<'b>(&mut self, digits: Option<u64>, bytes: &'b [u8]) -> &'b [u8] {
        let Some((&first, rest)) = bytes.split_first() else { return bytes };
        match (first, digits) {
            (b' ' | b'\t', None) => rest,
            (b'0'..=b'9', _) => {
                let more = digits.unwrap_or(0).checked_mul(10).and_then(|so_far| so_far.checked_add(digit(first)));
                let at = more.map_or(At::Lost, |length| At::Length(Some(length)));
                self.go_on(at, rest)
            }
            (b' ' | b'\t' | b'\r' | b'\n', Some(_)) => {
                self.length = digits;
                self.go_on(At::AfterLength, bytes)
            }
            // hyper refuses it.
            _ => self.go_on(At::Lost, rest),
        }
    }

    fn end_head<'b>(&mut self, rest: &'b [u8]) -> &'b [u8] {
        self.heads = self.heads.wrapping_add(1);
        let (length, coded) = (self.length.take(), std::mem::take(&mut self.coded));
        self.at = match (length, coded) {
            (Some(_), true) => {
                self.two_framings = Some(self.heads);
                At::Lost
            }
            (None, true) => At::ChunkLine { size: 0, digits: true },
            (None | Some(0), false) => At::Between,
            (Some(length), false) => At::Body(length),
        };
        rest
    }

    /// Passes over `left` bytes, behind which is `then`.
    fn skip<'b>(&mut self, bytes: &'b [u8], left: u64, more: fn(u64) -> At, then: At) -> &'b [u8] {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left - here as u64;
        self.at = if left == 0 { then } else { more(left) };
        bytes.get(here..).unwrap_or_default()
    }

    fn chunk_line<'b>(&mut self, size: u64, digits: bool, bytes: &'b [u8]) -> &'b [u8] {
        let Some((&first, rest)) = bytes.split_first() else { return bytes };
        if digits && first.is_ascii_hexdigit() {
            let digit = u64::from(char::from(first).to_digit(16).unwrap_or(0));
            let more = size.checked_mul(16).and_then(|so_far| so_far.checked_add(digit));
            let at = more.map_or(At::Lost, |size| At::ChunkLine { size, digits: true });
            return self.go_on(at, rest);
        }
        self.at = At::ChunkLine { size, digits: false };
        let next = match size {
            0 => At::Trailer,
            // With the line end behind the chunk.
            _ => At::Chunk(size.saturating_add(2)),
        };
        self.after_line(bytes, next)
    }
}

fn digit(byte: u8) -> u64 {
    u64::from(byte.wrapping_sub(b'0'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    use super::*;

    const COMPLETE: [&[u8]; 10] = [
        b"",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"\r\nPOST / HTTP/1.1\r\nHost: a\r\nCONTENT-LENGTH:  3 \r\n\r\nabc\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 0\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-ENCODING: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n1A\r\n26 bytes with \r\n0\r\n\r\n\r\n...\r\n0\r\nx: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nCookie: content-length: 3\r\nContent-Length-X: 3\r\nT: 1\r\n\r\n",
    ];
    const IN_HEADS: [&[u8]; 6] = [
        b"G",
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nConten",
        b"G\nContent-Length: 1",
        b"G\nHost: a\r\n",
        b"G\n\r",
    ];
    const IN_BODIES: [&[u8]; 7] = [
        b"P\nContent-Length: 3\n\n",
        b"P\nContent-Length: 3\n\nab",
        b"P\nTransfer-Encoding: chunked\n\n",
        b"P\nTransfer-Encoding: chunked\n\n3\r\nab",
        b"P\nTransfer-Encoding: chunked\n\n3\r\nabc",
        b"P\nTransfer-Encoding: chunked\n\n3\r\nabc\r\n0\r\n",
        b"P\nTransfer-Encoding: chunked\n\n3\r\nabc\r\n0\r\nx: 1\r\n",
    ];
    const LOST: [&[u8]; 5] = [
        b"P\nContent-Length: 3\nTransfer-Encoding: chunked\n\nabc",
        b"P\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"P\nContent-Length: 3, 3\n\nabc",
        b"P\nContent-Length: 99999999999999999999999\n\nabc",
        b"P\nTransfer-Encoding: chunked\n\nfffffffffffffffff\r\n",
    ];

    #[track_caller]
    fn stops_in(place: Place, before: &[u8], last: &[u8]) {
        let all = [before, last].concat();
        for size in 1..=all.len().max(1) {
            let mut framing = Framing::new();
            all.chunks(size).for_each(|piece| framing.look(piece));
            assert_eq!(framing.place(), place, "{} in pieces of {size}", all.escape_ascii());
        }
    }

    #[test]
    fn it_makes_no_difference_what_came_before_and_how_it_is_cut() {
        for before in COMPLETE {
            for (place, lasts) in [
                (Place::Between, &COMPLETE[..]),
                (Place::Head, &IN_HEADS),
                (Place::Body, &IN_BODIES),
                (Place::Lost, &LOST),
            ] {
                for last in lasts {
                    stops_in(place, before, last);
                }
            }
        }
    }

    #[test]
    fn two_framings_are_told_by_the_number_of_their_head() {
        let mut framing = Framing::new();
        framing.look(&[COMPLETE[2], COMPLETE[8], LOST[0], COMPLETE[2]].concat());
        assert_eq!((framing.two_framings(), framing.heads()), (Some(3), 3));
        let mut framing = Framing::new();
        for request in COMPLETE {
            framing.look(request);
        }
        assert_eq!((framing.two_framings(), framing.heads()), (None, 8));
    }
}
