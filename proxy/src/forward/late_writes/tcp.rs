//! A TCP stream whose small writes go out at the end of the turn.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::turn;

/// A TCP stream whose small writes go out at the end of the turn, where the thread writes late, else at once. It stays on
/// the thread that writes to it.
#[derive(Debug)]
pub(crate) struct LateTcp {
    read: OwnedReadHalf,
    write: Arc<Late>,
}

/// Ends a stream from outside: whoever reads from it or writes to it is woken, and finds it broken, not at its end.
#[derive(Clone, Debug)]
pub(crate) struct Cutter(Weak<Late>);

impl Cutter {
    /// Ends the stream, if it is still there.
    pub(crate) fn cut(&self) {
        if let Some(late) = self.0.upgrade() {
            let mut writing = late.lock();
            writing.cut = true;
            writing.shut_down();
        }
    }
}

/// The half that writes. The turn holds it as well while something of it waits.
#[derive(Debug)]
pub(super) struct Late(Mutex<Writing>);

#[derive(Debug)]
struct Writing {
    half: OwnedWriteHalf,
    /// Something waits for the end of the turn.
    waits: bool,
    /// Once the socket was full: `None` mostly.
    full: Option<Box<Full>>,
    /// What became of a late write, for whoever writes or flushes next.
    failed: Option<io::Error>,
    /// It was ended from outside: an end that is read then is not the peer's.
    cut: bool,
}

/// What a full socket did not take.
#[derive(Debug, Default)]
struct Full {
    left: BytesMut,
    /// Whoever would write or flush.
    waiting: Option<Waker>,
    /// Whoever sends what is left.
    draining: Option<Waker>,
}

impl LateTcp {
    pub(crate) fn new(stream: TcpStream) -> Self {
        let (read, half) = stream.into_split();
        let writing = Writing { half, waits: false, full: None, failed: None, cut: false };
        Self { read, write: Arc::new(Late(Mutex::new(writing))) }
    }

    /// What ends it from outside.
    pub(crate) fn cutter(&self) -> Cutter {
        Cutter(Arc::downgrade(&self.write))
    }

    /// Whether it is open and has nothing to read. No waker is kept, and as long as nothing came there is no system call.
    pub(crate) fn is_quiet(&self) -> bool {
        self.read.try_read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    fn poll_write_parts<'a>(
        &self,
        cx: &mut Context<'_>,
        length: usize,
        parts: impl Iterator<Item = &'a [u8]>,
        at_once: impl FnOnce(Pin<&mut OwnedWriteHalf>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let mut writing = self.write.lock();
        ready!(writing.poll_empty(cx))?;
        if length <= turn::MOST {
            // The turn may send at once what it has too much of, this connection's included.
            let waited = std::mem::replace(&mut writing.waits, true);
            drop(writing);
            if turn::take(&self.write, parts) {
                return Poll::Ready(Ok(length));
            }
            writing = self.write.lock();
            writing.waits = waited;
        }
        writing = self.write.settled(writing);
        ready!(writing.poll_empty(cx))?;
        at_once(Pin::new(&mut writing.half), cx)
    }
}

impl Late {
    fn lock(&self) -> MutexGuard<'_, Writing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The half with nothing of it waiting for the end of the turn.
    fn settled<'a>(&'a self, writing: MutexGuard<'a, Writing>) -> MutexGuard<'a, Writing> {
        if !writing.waits {
            return writing;
        }
        drop(writing);
        turn::send_now();
        self.lock()
    }

    /// Sends `bytes`, or keeps what the socket does not take. `true`: it was not full before and is now.
    pub(super) fn send(&self, bytes: &[u8]) -> bool {
        let mut writing = self.lock();
        writing.waits = false;
        if writing.failed.is_some() {
            return false;
        }
        if let Some(full) = &mut writing.full {
            full.left.extend_from_slice(bytes);
            return false;
        }
        let mut left = bytes;
        while !left.is_empty() {
            match writing.half.try_write(left) {
                Ok(0) => {
                    writing.fail(io::ErrorKind::WriteZero.into());
                    return false;
                }
                Ok(sent) => left = left.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    writing.full = Some(Box::new(Full { left: left.into(), ..Full::default() }));
                    return true;
                }
                Err(error) => {
                    writing.fail(error);
                    return false;
                }
            }
        }
        false
    }

    /// Ends when everything that was left is sent, or will never be.
    pub(super) async fn drained(self: Arc<Self>) {
        poll_fn(|cx| self.lock().poll_drain(cx)).await;
    }
}

impl Writing {
    /// Keeps the failure for whoever writes next. Whoever only reads, because all seems written, is woken by the end.
    #[cold]
    fn fail(&mut self, error: io::Error) {
        self.shut_down();
        self.failed = Some(error);
    }

    fn shut_down(&self) {
        // It fails where the peer has gone altogether, which wakes as well.
        let _ = SockRef::from(self.half.as_ref()).shutdown(Shutdown::Both);
    }

    /// Ready when late writes are with the socket, or on their way to it at the end of the turn.
    fn poll_empty(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        let Some(full) = &mut self.full else { return Poll::Ready(Ok(())) };
        full.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(full) = &mut self.full else { return Poll::Ready(()) };
        while !full.left.is_empty() {
            match Pin::new(&mut self.half).poll_write(cx, &full.left) {
                Poll::Ready(Ok(sent)) if sent > 0 => full.left.advance(sent),
                Poll::Ready(result) => {
                    self.fail(result.err().unwrap_or_else(|| io::ErrorKind::WriteZero.into()));
                    break;
                }
                Poll::Pending => {
                    full.draining = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
        if let Some(waiting) = self.full.take().and_then(|full| full.waiting) {
            waiting.wake();
        }
        Poll::Ready(())
    }
}

/// What was written is still sent, as the kernel does for a socket that is closed; but nobody waits for a full one.
impl Drop for LateTcp {
    fn drop(&mut self) {
        let mut writing = self.write.settled(self.write.lock());
        if let Some(draining) = writing.full.take().and_then(|full| full.draining) {
            draining.wake();
        }
    }
}

impl AsyncRead for LateTcp {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.read).poll_read(cx, buf))?;
        if buf.filled().len() == before && self.write.lock().cut {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LateTcp {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_parts(cx, bytes.len(), std::iter::once(bytes), |half, cx| half.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        let parts = slices.iter().map(|slice| &**slice);
        self.poll_write_parts(cx, length, parts, |half, cx| half.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write.lock().poll_empty(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writing = self.write.settled(self.write.lock());
        ready!(writing.poll_empty(cx))?;
        Pin::new(&mut writing.half).poll_shutdown(cx)
    }
}
