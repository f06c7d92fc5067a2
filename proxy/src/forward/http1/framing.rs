//! Where a body ends (RFC 9112, 6.3), and the frames that come before that.
//!
//! The chunked coding's pieces are read by httparse; what belongs together is decided here. Nothing is read ahead of what
//! is there: a frame goes on as soon as any of it has come.

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;

use crate::forward::error::Malformed;

/// The longest line with a chunk's size, extensions included.
const LONGEST_SIZE_LINE: usize = 16 * 1024;
/// The longest trailer section.
const LONGEST_TRAILERS: usize = 64 * 1024;
/// The most fields in it.
const MOST_TRAILERS: usize = 100;

/// What is still to come of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes; 0: nothing.
    Length(u64),
    /// The chunked coding, from here on.
    Chunked(Chunked),
    /// All until the connection is closed.
    UntilClose,
}

/// What comes next in the chunked coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunked {
    /// A line with a chunk's size.
    Size,
    /// So many bytes of a chunk.
    Data(u64),
    /// The end of the line after them.
    DataEnd,
    /// Fields after the last chunk, and the empty line.
    Trailers,
}

/// What could be taken out of the bytes that are there.
#[derive(Debug)]
pub(crate) enum Taken {
    /// A piece of the body, or what follows it.
    Frame(Frame<Bytes>),
    /// Nothing before more bytes have come.
    Nothing,
    /// The body has ended.
    End,
}

impl Framing {
    /// No body, or no more of it.
    pub(crate) const END: Self = Self::Length(0);
    /// A body in the chunked coding.
    pub(crate) const CHUNKED: Self = Self::Chunked(Chunked::Size);

    /// Whether nothing more is to come.
    pub(crate) fn is_end(self) -> bool {
        self == Self::END
    }

    /// The number of bytes still to come, where it is known.
    pub(crate) fn left(self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(left),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// Takes the next frame out of what was read. The end is noticed together with the last frame where it is there.
    pub(crate) fn take(&mut self, bytes: &mut BytesMut) -> Result<Taken, Malformed> {
        loop {
            let taken = match self {
                Self::Length(0) => return Ok(Taken::End),
                Self::Length(left) => data(bytes, left),
                Self::UntilClose => (!bytes.is_empty()).then(|| bytes.split().freeze()),
                Self::Chunked(Chunked::Data(left)) => {
                    let taken = data(bytes, left);
                    if *left == 0 {
                        *self = after_data(bytes);
                    }
                    taken
                }
                Self::Chunked(next) => match next.step(bytes)? {
                    Step::To(framing) => {
                        *self = framing;
                        continue;
                    }
                    Step::Trailers(trailers) => {
                        *self = Self::END;
                        return Ok(Taken::Frame(Frame::trailers(trailers)));
                    }
                    Step::Wait => return Ok(Taken::Nothing),
                },
            };
            return Ok(taken.map_or(Taken::Nothing, |data| Taken::Frame(Frame::data(data))));
        }
    }
}

/// What comes after a chunk's data; the end where that is there and has no fields, so that the frame which was just taken is
/// known to be the last.
fn after_data(bytes: &mut BytesMut) -> Framing {
    const END: &[u8] = b"\r\n0\r\n\r\n";
    if bytes.starts_with(END) {
        bytes.advance(END.len());
        return Framing::END;
    }
    Framing::Chunked(Chunked::DataEnd)
}

/// What one step through the chunked coding comes to.
enum Step {
    To(Framing),
    Trailers(HeaderMap),
    Wait,
}

impl Chunked {
    fn step(self, bytes: &mut BytesMut) -> Result<Step, Malformed> {
        match self {
            Self::Size => size(bytes),
            Self::DataEnd => match bytes.get(..2) {
                Some(b"\r\n") => {
                    bytes.advance(2);
                    Ok(Step::To(Framing::Chunked(Self::Size)))
                }
                None if b"\r\n".starts_with(bytes) => Ok(Step::Wait),
                _ => Err(Malformed("a chunk that is longer than it says")),
            },
            Self::Trailers => trailers(bytes),
            Self::Data(_) => Ok(Step::Wait),
        }
    }
}

fn size(bytes: &mut BytesMut) -> Result<Step, Malformed> {
    const MALFORMED: Malformed = Malformed("a chunk without a size");
    // The parser takes an empty line for a size of 0.
    match bytes.first() {
        None => return Ok(Step::Wait),
        Some(digit) if digit.is_ascii_hexdigit() => {}
        Some(_) => return Err(MALFORMED),
    }
    match httparse::parse_chunk_size(bytes) {
        Ok(httparse::Status::Complete((line, size))) => {
            // The parser lets anything be in an extension; a line must end where every reader ends it.
            let ends = bytes.get(..line.saturating_sub(2)).unwrap_or_default();
            if line > LONGEST_SIZE_LINE || memchr::memchr(b'\n', ends).is_some() {
                return Err(MALFORMED);
            }
            bytes.advance(line);
            Ok(Step::To(Framing::Chunked(if size == 0 { Chunked::Trailers } else { Chunked::Data(size) })))
        }
        Ok(httparse::Status::Partial) if bytes.len() < LONGEST_SIZE_LINE => Ok(Step::Wait),
        Ok(httparse::Status::Partial) | Err(_) => Err(MALFORMED),
    }
}

fn trailers(bytes: &mut BytesMut) -> Result<Step, Malformed> {
    const MALFORMED: Malformed = Malformed("malformed trailers");
    if bytes.starts_with(b"\r\n") {
        bytes.advance(2);
        return Ok(Step::To(Framing::END));
    }
    let mut fields = [httparse::EMPTY_HEADER; MOST_TRAILERS];
    let (length, trailers) = match httparse::parse_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete((length, fields))) => (length, owned(fields).ok_or(MALFORMED)?),
        Ok(httparse::Status::Partial) if bytes.len() < LONGEST_TRAILERS => return Ok(Step::Wait),
        Ok(httparse::Status::Partial) | Err(_) => return Err(MALFORMED),
    };
    // The parser takes an LF alone for a line's end; of where a body ends no two readers may think differently. What is
    // refused stays, lest it be understood when it is looked at again.
    let section = bytes.get(..length).unwrap_or_default();
    if memchr::memchr_iter(b'\n', section).any(|at| at == 0 || section.get(at - 1) != Some(&b'\r')) {
        return Err(MALFORMED);
    }
    bytes.advance(length);
    Ok(if trailers.is_empty() { Step::To(Framing::END) } else { Step::Trailers(trailers) })
}

fn owned(fields: &[httparse::Header<'_>]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        headers.append(HeaderName::from_bytes(field.name.as_bytes()).ok()?, HeaderValue::from_bytes(field.value).ok()?);
    }
    Some(headers)
}

/// Up to `left` bytes of what is there.
fn data(bytes: &mut BytesMut, left: &mut u64) -> Option<Bytes> {
    if bytes.is_empty() {
        return None;
    }
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= length as u64;
    Some(bytes.split_to(length).freeze())
}

/// The length that the fields say: one number, or the same one several times (RFC 9110, 8.6), which is said once
/// afterwards, for whoever gets the head next.
pub(crate) fn settled_length(headers: &mut HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if let (Some(length), None) = (number(first.as_bytes()), values.next()) {
        return Ok(Some(length));
    }
    let values = headers.get_all(CONTENT_LENGTH).iter();
    let mut numbers = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let first = numbers.next().and_then(number);
    let length = first.filter(|first| numbers.all(|other| number(other) == Some(*first)));
    let length = length.ok_or(Malformed("a Content-Length that is no number, or several"))?;
    headers.insert(CONTENT_LENGTH, length.into());
    Ok(Some(length))
}

/// Digits alone: what [`str::parse`] takes beyond them, such as a sign, is no length.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}
