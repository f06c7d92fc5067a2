//! What connections of HTTP/1.1 to clients and to targets have in common: heads and bodies, read and written.
//!
//! httparse reads heads, trailers and chunk sizes; what is ours is the order of things (docs/decisions/http1.md).
//!
//! ```text
//!            Input ──▶ head: Lines, Fields ──▶ Framing ──▶ frames       what is read
//!  head, frames ──▶ Sending ──▶ the stream                              what is written
//! ```

mod fields;
mod framing;
mod head;
mod input;
#[cfg(test)]
pub(crate) mod mangled;
mod prefixed;
mod sending;

pub(crate) use fields::{KeepAlive, Places, ends_chunked, write_field, write_length};
pub(crate) use framing::{Framing, Taken, number, settled_length};
pub(crate) use head::{MOST_FIELDS, may_be_complete};
pub(crate) use input::Input;
pub(crate) use prefixed::Prefixed;
pub(crate) use sending::{Coding, Sending, promised};
