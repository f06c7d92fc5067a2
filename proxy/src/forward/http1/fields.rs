//! A head's fields: out of its bytes into a map, and onto the wire.
//!
//! Values stay where they were read: they share the buffer, and only names are looked up.

use std::ops::Range;

use bytes::Bytes;
use http::Version;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::forward::error::Malformed;
use crate::forward::headers::members_of;

/// What few heads have more of.
const USUAL_FIELDS: usize = 24;

/// Where the names and the values of a head's fields are in its bytes.
#[derive(Debug)]
pub(crate) struct Places(SmallVec<[Place; USUAL_FIELDS]>);

#[derive(Debug)]
struct Place {
    name: Range<u32>,
    value: Range<u32>,
}

impl Places {
    /// Where these are, which were parsed out of `head`.
    pub(crate) fn of(fields: &[httparse::Header<'_>], head: &[u8]) -> Self {
        let place = |field: &httparse::Header<'_>| Place {
            name: range(field.name.as_bytes(), head),
            value: range(field.value, head),
        };
        Self(fields.iter().map(place).collect())
    }

    /// Puts the fields of `head` into `headers`, and tells of each.
    pub(crate) fn put(
        &self,
        head: &Bytes,
        headers: &mut HeaderMap,
        mut tell: impl FnMut(&HeaderName, &HeaderValue) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        // Room for what the exchange adds as well.
        headers.reserve(self.0.len() + 4);
        for Place { name, value } in &self.0 {
            let name = head.get(name.start as usize..name.end as usize).unwrap_or_default();
            let name = HeaderName::from_bytes(name).map_err(|_| Malformed("a field name that is none"))?;
            let (start, end) = (value.start as usize, value.end as usize);
            let value = if start < end && end <= head.len() { head.slice(start..end) } else { Bytes::new() };
            let value = HeaderValue::from_maybe_shared(value);
            let value = value.map_err(|_| Malformed("a field value that is none"))?;
            tell(&name, &value)?;
            headers.append(name, value);
        }
        Ok(())
    }
}

/// Where `part` lies in `head`; the parser lets an empty one lie anywhere. A head is too short for a number to be cut off.
fn range(part: &[u8], head: &[u8]) -> Range<u32> {
    let start = (part.as_ptr() as usize).saturating_sub(head.as_ptr() as usize);
    let start = u32::try_from(start).unwrap_or(u32::MAX);
    start..start.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX))
}

/// Whether a connection may go on after a message, as its version and its `Connection` fields say (RFC 9112, 9.3). Once
/// one of them says `close`, no other undoes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepAlive {
    keeps: bool,
    closes: bool,
}

impl KeepAlive {
    /// What a message of this version says without a field.
    pub(crate) fn of(version: Version) -> Self {
        Self { keeps: version == Version::HTTP_11, closes: false }
    }

    /// A `Connection` field says this.
    pub(crate) fn says(&mut self, value: &HeaderValue) {
        for option in members_of(value) {
            self.closes |= option.eq_ignore_ascii_case(b"close");
            self.keeps |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// Whether it may go on.
    pub(crate) fn keeps(self) -> bool {
        self.keeps && !self.closes
    }
}

/// Whether `chunked` is the last coding of a `Transfer-Encoding` line. One that is no list of codings names none.
pub(crate) fn ends_chunked(value: &HeaderValue) -> bool {
    let last = value.to_str().ok().and_then(|codings| codings.rsplit(',').next());
    last.is_some_and(|coding| coding.trim_ascii().eq_ignore_ascii_case("chunked"))
}

/// Writes a field's line.
pub(crate) fn write_field(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes the line of a body's length.
pub(crate) fn write_length(out: &mut Vec<u8>, length: u64) {
    write_field(out, &CONTENT_LENGTH, itoa::Buffer::new().format(length).as_bytes());
}
