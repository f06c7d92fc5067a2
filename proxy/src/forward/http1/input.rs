//! What was read from a connection and nobody has taken yet.

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
pub(crate) struct Input {
    pub(crate) bytes: BytesMut,
    room: usize,
    /// The bytes' memory may be more than what has little to read needs, however little came last.
    large: bool,
}

impl Input {
    /// Nothing, or what was read before.
    pub(crate) fn of(bytes: BytesMut) -> Self {
        Self { bytes, room: LEAST, large: false }
    }

    /// Lets go of what a large body needed; nothing is there that anybody wants.
    pub(crate) fn settle(&mut self) {
        if self.large {
            *self = Self::of(BytesMut::new());
        }
    }

    /// Reads more; 0: the other side has ended.
    pub(crate) fn poll_fill<R: AsyncRead + Unpin>(
        &mut self,
        stream: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.bytes.reserve(self.room);
        self.large |= self.room > LEAST || self.bytes.capacity() > 2 * LEAST;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn the_room_of_what_was_large_is_let_go_although_little_came_last() {
        let (mut ours, mut theirs) = tokio::io::duplex(MOST);
        let mut input = Input::of(BytesMut::new());
        for _ in 0..10 {
            theirs.write_all(&vec![b'x'; MOST]).await.unwrap();
            let mut left = MOST;
            while left > 0 {
                left -= poll_fn(|cx| input.poll_fill(&mut ours, cx)).await.unwrap();
                input.bytes.clear();
            }
        }
        for _ in 0..10 {
            theirs.write_all(b"little").await.unwrap();
            poll_fn(|cx| input.poll_fill(&mut ours, cx)).await.unwrap();
            input.bytes.clear();
        }
        assert_eq!(input.room, LEAST);
        input.settle();
        assert!(input.bytes.capacity() <= 2 * LEAST, "{}", input.bytes.capacity());
    }
}
