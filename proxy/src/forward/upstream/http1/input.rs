//! What was read from a target and nobody has taken yet.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much is read at a time: what has little to read needs little room, and what has much needs few calls.
const LEAST: usize = 8 * 1024;
const MOST: usize = 256 * 1024;

/// The bytes, and how much is read next.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) bytes: BytesMut,
    room: usize,
}

impl Input {
    pub(super) fn new() -> Self {
        Self { bytes: BytesMut::new(), room: LEAST }
    }

    /// Lets go of what a large answer needed; nothing is there that anybody wants.
    pub(super) fn settle(&mut self) {
        if self.room > LEAST {
            *self = Self::new();
        }
    }

    /// Reads more; 0: the other side has ended.
    pub(super) fn poll_fill<R: AsyncRead + Unpin>(
        &mut self,
        stream: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.bytes.reserve(self.room);
        let room = self.bytes.capacity() - self.bytes.len();
        let read = ready!(pin!(stream.read_buf(&mut self.bytes)).poll(cx))?;
        if read >= room {
            self.room = (self.room * 2).min(MOST);
        } else if read < self.room / 4 {
            self.room = (self.room / 2).max(LEAST);
        }
        Poll::Ready(Ok(read))
    }
}
