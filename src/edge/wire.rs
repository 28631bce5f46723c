//! A connection's socket, and a way to ask whether its other end has gone while hyper owns it.

use rustix::event::{PollFd, PollFlags, poll};
use std::io::{IoSlice, Result};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub struct Wire {
    stream: TcpStream,
    watch: Arc<Watch>,
}

/// Asks the socket of a `Wire`, which may already be closed.
pub struct Watch(Mutex<Option<RawFd>>);

impl Wire {
    pub fn new(stream: TcpStream) -> (Self, Arc<Watch>) {
        // Small answers wait for nobody. Where it fails the connection is broken, which the first read says.
        let _ = stream.set_nodelay(true);
        let watch = Arc::new(Watch(Mutex::new(Some(stream.as_raw_fd()))));
        (Self { stream, watch: watch.clone() }, watch)
    }

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

    fn asks(&self, flags: PollFlags) -> bool {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        self.watch.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
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
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
