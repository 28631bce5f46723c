//! A connection to a replica as hyper reads and writes it. It tells whether anything came in, and writes the target of a request
//! that hyper cannot hold as it came (`target`).

use super::target::RawTarget;
use crate::connections::Wire;
use std::io::{ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Stands between hyper and a connection to a replica.
pub struct ReplicaWire {
    wire: Wire,
    passage: Arc<Passage>,
    /// The beginning of a request, in place of what hyper wrote.
    beginning: Vec<u8>,
}

/// What hyper does not say of a connection, and cannot be told.
#[derive(Default)]
pub struct Passage {
    /// Bytes that came in.
    came: AtomicU64,
    has_target: AtomicBool,
    target: Mutex<Option<RawTarget>>,
}

impl Passage {
    /// How many bytes have come in.
    pub fn came(&self) -> u64 {
        self.came.load(Ordering::Acquire)
    }

    /// The request that is written next has this target.
    pub fn write_target(&self, target: RawTarget) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = Some(target);
        self.has_target.store(true, Ordering::Release);
    }

    fn next_target(&self) -> Option<RawTarget> {
        if !self.has_target.load(Ordering::Relaxed) || !self.has_target.swap(false, Ordering::AcqRel) {
            return None;
        }
        self.target.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ReplicaWire {
    /// With what is known of the connection.
    pub fn new(wire: Wire) -> (Self, Arc<Passage>) {
        let passage = Arc::<Passage>::default();
        (Self { wire, passage: passage.clone(), beginning: Vec::new() }, passage)
    }

    /// Puts the target into a head that begins here; how much of what hyper wrote is the beginning then.
    fn begin(&mut self, head: &[u8]) -> Option<usize> {
        let RawTarget(target) = self.passage.next_target()?;
        let method = head.iter().position(|byte| *byte == b' ')? + 1;
        let end = method + head[method..].iter().position(|byte| *byte == b' ')?;
        self.beginning = [&head[..method], &target].concat();
        Some(end)
    }

    fn poll_beginning(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !self.beginning.is_empty() {
            let written = ready!(Pin::new(&mut self.wire).poll_write(cx, &self.beginning))?;
            if written == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.beginning.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for ReplicaWire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.wire).poll_read(cx, buf);
        self.passage.came.fetch_add((buf.filled().len() - before) as u64, Ordering::AcqRel);
        read
    }
}

impl AsyncWrite for ReplicaWire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        ready!(self.poll_beginning(cx))?;
        match self.begin(buf) {
            // It is written before anything else is.
            Some(written) => Poll::Ready(Ok(written)),
            None => Pin::new(&mut self.wire).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_beginning(cx))?;
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_beginning(cx))?;
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        ready!(self.poll_beginning(cx))?;
        // hyper keeps a head in one piece.
        match bufs.iter().find(|buf| !buf.is_empty()).and_then(|head| self.begin(head)) {
            Some(written) => Poll::Ready(Ok(written)),
            None => Pin::new(&mut self.wire).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }
}
