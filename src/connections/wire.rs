//! A connection's socket, and a way to ask, while hyper owns it, whether its other end has gone, and for how long what is
//! written to it has waited.

use super::moments::{now_ms, since};

use rustix::event::{PollFd, PollFlags, poll};
use std::io::{IoSlice, Result};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The kernel keeps no more of what is still to be sent to a client than this, beside what is on its way: without a bound
/// it is some megabytes for each that does not read, of a memory that all TCP of the machine shares.
const MOST_UNSENT: u32 = 32 * 1024;

/// A TCP connection whose writes are watched.
pub struct Wire {
    stream: TcpStream,
    watch: Arc<Watch>,
    /// So much is read at once.
    most: usize,
}

/// Asks the socket of a `Wire`, which may already be closed.
pub struct Watch {
    socket: Mutex<Option<RawFd>>,
    /// Since when a write has waited, as [`now_ms`]; 0: none does.
    waits_since: AtomicU64,
    /// Who has more to write, once it is taken.
    has_more: Mutex<Option<Waker>>,
}

impl Wire {
    /// Sends small answers at once. The second part asks the socket from elsewhere.
    pub fn new(stream: TcpStream) -> (Self, Arc<Watch>) {
        // Small answers wait for nobody. Where it fails the connection is broken, which the first read says.
        let _ = stream.set_nodelay(true);
        let watch = Arc::new(Watch {
            socket: Mutex::new(Some(stream.as_raw_fd())),
            waits_since: AtomicU64::new(0),
            has_more: Mutex::new(None),
        });
        (Self { stream, watch: watch.clone(), most: usize::MAX }, watch)
    }

    /// Reads at most so many bytes at once, which then are what waits at each place on the way to a client that does not read.
    pub fn in_pieces(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }

    /// That of somebody who may not read what it asks for.
    pub fn of_stranger(stream: TcpStream) -> (Self, Arc<Watch>) {
        // A kernel that cannot do it keeps more.
        let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(MOST_UNSENT);
        Self::new(stream)
    }

    fn written(&self, written: Poll<Result<usize>>) -> Poll<Result<usize>> {
        match &written {
            Poll::Pending => self.watch.write_waits(),
            Poll::Ready(_) => self.watch.write_went_on(),
        }
        written
    }

    /// What asks its socket from elsewhere.
    pub fn watch(&self) -> Arc<Watch> {
        self.watch.clone()
    }

    /// The socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// What has come in, without taking it; 0 where the other end has closed.
    pub async fn peek(&self, into: &mut [u8]) -> Result<usize> {
        self.stream.peek(into).await
    }
}

impl Watch {
    /// The other end has closed its side, or the connection is broken or closed here.
    pub fn has_left(&self) -> bool {
        self.asks(PollFlags::RDHUP)
    }

    /// Nothing must come in on a connection that lies idle: neither an end nor data.
    pub fn is_quiet(&self) -> bool {
        !self.asks(PollFlags::RDHUP | PollFlags::IN)
    }

    /// What is to be written is not taken just now.
    pub fn write_waits(&self) {
        if self.waits_since.load(Ordering::Relaxed) == 0 {
            self.waits_since.store(now_ms(), Ordering::Relaxed);
        }
    }

    /// What was to be written was taken: nothing waits any more.
    pub fn write_went_on(&self) {
        if self.waits_since.load(Ordering::Relaxed) != 0 {
            self.waits_since.store(0, Ordering::Relaxed);
            let waiting = self.has_more.lock().unwrap_or_else(PoisonError::into_inner).take();
            waiting.inspect(Waker::wake_by_ref);
        }
    }

    /// Ready while what was written last was taken. Whoever writes only then piles up nothing.
    pub fn poll_taken(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waits_since.load(Ordering::Relaxed) == 0 {
            return Poll::Ready(());
        }
        *self.has_more.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        Poll::Pending
    }

    /// For how long what is to be written has waited without any of it being taken.
    pub fn waited(&self) -> Option<Duration> {
        match self.waits_since.load(Ordering::Relaxed) {
            0 => None,
            moment => Some(since(moment)),
        }
    }

    /// Closing it will throw away what it has not sent. Otherwise the kernel keeps that for a client that does not read, for as
    /// long as it answers at all.
    pub fn cut_off(&self) {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(raw) = *socket {
            // SAFETY: as in `asks`.
            let borrowed = unsafe { BorrowedFd::borrow_raw(raw) };
            let _ = socket2::SockRef::from(&borrowed).set_linger(Some(Duration::ZERO));
        }
    }

    fn asks(&self, flags: PollFlags) -> bool {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(raw) = *socket else { return true };
        // SAFETY: the descriptor is open: `Wire::drop` takes it out under this lock before the stream is closed.
        let borrowed = unsafe { BorrowedFd::borrow_raw(raw) };
        let mut asked = [PollFd::new(&borrowed, flags)];
        // Errors and hang-ups are told without being asked for.
        poll(&mut asked, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|found| found > 0)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.watch.socket.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if buf.remaining() <= self.most {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let most = self.most;
        let mut piece = ReadBuf::new(buf.initialize_unfilled_to(most));
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut piece);
        let length = piece.filled().len();
        buf.advance(length);
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
