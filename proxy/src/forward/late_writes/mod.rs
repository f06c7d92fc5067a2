//! Late writes: what a turn of the worker's tasks wants to send goes out together at the end of the turn.
//!
//! A turn is what one poll of the driver made ready. Written at once, each small message would wake a sleeping peer for
//! itself, with everything that the worker does for the next message in between: half of what a proxied request costs is
//! the kernel, and a good part of that is waking. Written together, the peer is awake already for all but the first, and
//! the code of each half of the work stays in the cache. A turn with one message is not held up: the writer is next in
//! the queue.
//!
//! Nothing else changes for whoever writes: the bytes count as written, in order, and what a socket does not take at
//! once holds up the next write as a full socket does.

mod tcp;
mod turn;

pub(crate) use tcp::{Cutter, LateTcp};
pub(crate) use turn::write_late;

#[cfg(test)]
mod tests;
