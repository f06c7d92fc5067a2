//! The two messages of `grpc.health.v1.Health/Check`, written and read by hand: a text going out and a number coming in do
//! not pay for a generator of code.
//!
//! On the wire a gRPC message is a flag for compression (never set here), its length in four bytes, and the message; in
//! protobuf a field is its number and wire type, then its value.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

/// The flag and the length in front of a message.
const PREFIX: usize = 5;
/// Field 1 as a text.
const SERVICE: u8 = 1 << 3 | 2;

/// What a service says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServingStatus {
    Unknown,
    Serving,
    NotServing,
    ServiceUnknown,
    /// A number that the protocol does not know yet.
    Other(u64),
}

impl fmt::Display for ServingStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("UNKNOWN"),
            Self::Serving => f.write_str("SERVING"),
            Self::NotServing => f.write_str("NOT_SERVING"),
            Self::ServiceUnknown => f.write_str("SERVICE_UNKNOWN"),
            Self::Other(number) => write!(f, "serving status {number}"),
        }
    }
}

/// A `HealthCheckRequest` with its prefix.
pub(super) fn request(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(SERVICE);
        put_varint(&mut message, service.len() as u64);
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put(message);
    framed.freeze()
}

/// The status in a `HealthCheckResponse` with its prefix; `None`: it is none.
pub(super) fn status(framed: &[u8]) -> Option<ServingStatus> {
    let (prefix, mut rest) = framed.split_at_checked(PREFIX)?;
    let [0, length @ ..] = <[u8; PREFIX]>::try_from(prefix).ok()? else { return None };
    if u32::from_be_bytes(length) as usize != rest.len() {
        return None;
    }
    // A field that is left out has its default, and of one that comes twice the last counts.
    let mut status = 0;
    while !rest.is_empty() {
        let tag = take_varint(&mut rest)?;
        match (tag >> 3, tag & 7) {
            (1, 0) => status = take_varint(&mut rest)?,
            (_, 0) => drop(take_varint(&mut rest)?),
            (_, 1) => rest = rest.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(take_varint(&mut rest)?).ok()?;
                rest = rest.get(length..)?;
            }
            (_, 5) => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    Some(match status {
        0 => ServingStatus::Unknown,
        1 => ServingStatus::Serving,
        2 => ServingStatus::NotServing,
        3 => ServingStatus::ServiceUnknown,
        other => ServingStatus::Other(other),
    })
}

fn put_varint(to: &mut BytesMut, mut number: u64) {
    while number >= 0x80 {
        to.put_u8(number as u8 | 0x80);
        number >>= 7;
    }
    to.put_u8(number as u8);
}

fn take_varint(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_the_service_or_nothing() {
        assert_eq!(request(""), [0, 0, 0, 0, 0].as_slice());
        assert_eq!(request("a.B"), b"\0\0\0\0\x05\x0a\x03a.B".as_slice());
        let long = "s".repeat(200);
        let framed = request(&long);
        assert_eq!(framed.get(..8), Some(b"\0\0\0\0\xcb\x0a\xc8\x01".as_slice()));
        assert_eq!(framed.len(), 5 + 3 + 200);
    }

    #[test]
    fn a_response_says_one_status() {
        for (framed, expected) in [
            (b"\0\0\0\0\x02\x08\x01".as_slice(), Some(ServingStatus::Serving)),
            (b"\0\0\0\0\x02\x08\x02", Some(ServingStatus::NotServing)),
            (b"\0\0\0\0\x02\x08\x03", Some(ServingStatus::ServiceUnknown)),
            (b"\0\0\0\0\x03\x08\xac\x02", Some(ServingStatus::Other(300))),
            (b"\0\0\0\0\0", Some(ServingStatus::Unknown)),
            // Fields that a later version may add are passed over.
            (b"\0\0\0\0\x07\x12\x03abc\x08\x01", Some(ServingStatus::Serving)),
            (b"\0\0\0\0\x0b\x11abcdefgh\x08\x01", Some(ServingStatus::Serving)),
            (b"\0\0\0\0\x09\x1dabcd\x20\x05\x08\x01", Some(ServingStatus::Serving)),
            // No message, a piece of one, one that is compressed, one that is longer than it says.
            (b"", None),
            (b"\0\0\0\0\x02\x08", None),
            (b"\x01\0\0\0\x02\x08\x01", None),
            (b"\0\0\0\0\x02\x08\x01\0", None),
            (b"\0\0\0\0\x02\x12\x05", None),
            (b"\0\0\0\0\x01\x0b", None),
            (b"\0\0\0\0\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ] {
            assert_eq!(status(framed), expected, "{framed:?}");
        }
    }
}
