//! A client's connection as hyper reads and writes it. Each head of HTTP/1 is looked at before hyper sees it (`request_head`), and
//! what hyper has no word for is written between its answers: 103 and its like. Bytes of bodies, of HTTP/2 and of other protocols
//! pass as they are.

use super::aside::Aside;
use super::framing::BodyLeft;
use super::requests::{AT_ONCE, Expects, Requests};
use std::io::{IoSlice, Result};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// So much is read of a head at once.
const PIECE: usize = 8 * 1024;
/// So much of what follows a refused head is read and thrown away: a client that is still writing would not hear why.
const MOST_DISCARDED: usize = 1024 * 1024;

/// Stands between hyper and a client's connection.
pub struct ClientWire<T> {
    wire: T,
    aside: Arc<Aside>,
    requests: Requests,
    /// hyper has written something that it has not flushed: an answer may be on its way.
    is_amid_answer: bool,
    /// What is being written between answers.
    saying: Vec<u8>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> ClientWire<T> {
    /// `aside`: shared with whoever answers.
    pub fn new(wire: T, aside: Arc<Aside>) -> Self {
        Self { wire, aside, requests: Requests::new(), is_amid_answer: false, saying: Vec::new() }
    }

    /// Straight to hyper, but for what follows the body's end.
    fn poll_body(&mut self, body: BodyLeft, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buf.filled().len();
        ready!(self.poll_some(cx, buf))?;
        let count = self.requests.see(body, &buf.filled()[before..]);
        self.requests.came.extend_from_slice(&buf.filled()[before + count..]);
        buf.set_filled(before + count);
        Poll::Ready(Ok(()))
    }

    fn poll_some(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let mut piece = buf.take(AT_ONCE);
        let read = Pin::new(&mut self.wire).poll_read(cx, &mut piece);
        let count = piece.filled().len();
        // SAFETY: `piece` is the beginning of what is unfilled of `buf`, and its filled part is initialised.
        unsafe { buf.assume_init(count) };
        buf.advance(count);
        read
    }

    /// `true`: something came; `false`: the client has ended its side.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        let mut piece = [const { MaybeUninit::<u8>::uninit() }; PIECE];
        let mut piece = ReadBuf::uninit(&mut piece);
        ready!(Pin::new(&mut self.wire).poll_read(cx, &mut piece))?;
        self.requests.came.extend_from_slice(piece.filled());
        Poll::Ready(Ok(!piece.filled().is_empty()))
    }

    /// The end of the connection is not told: hyper would take the client for gone before it was answered.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while self.requests.discarded < MOST_DISCARDED && ready!(self.poll_more(cx))? {
            self.requests.discarded += self.requests.came.len();
            self.requests.came = Vec::new();
        }
        Poll::Pending
    }

    /// Writes what is to be said between answers, if hyper is between two.
    fn poll_say(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.saying.is_empty() && !self.is_amid_answer {
            self.saying = self.aside.next_word();
        }
        while !self.saying.is_empty() {
            let written = ready!(Pin::new(&mut self.wire).poll_write(cx, &self.saying))?;
            if written == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            self.saying.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for ClientWire<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        loop {
            if this.requests.expects == Expects::Answer {
                this.aside.wait_for_answer(cx);
            }
            this.requests.look(&this.aside);
            if !this.requests.given.is_empty() {
                this.requests.fill(buf);
                return Poll::Ready(Ok(()));
            }
            match this.requests.expects {
                Expects::Body(body) => return this.poll_body(body, cx, buf),
                Expects::Anything => return this.poll_some(cx, buf),
                Expects::Nothing => return this.poll_discard(cx),
                // Enough of what nobody may look at yet: so much of it is memory of ours.
                Expects::Answer if this.requests.came.len() >= PIECE => return Poll::Pending,
                _ => {}
            }
            if !ready!(this.poll_more(cx))? {
                // What there is of a head hyper may make of what it can.
                let rest = std::mem::take(&mut this.requests.came);
                this.requests.given = rest;
                this.requests.expects = Expects::Anything;
                this.requests.fill(buf);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientWire<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_say(cx))?;
        this.is_amid_answer = true;
        Pin::new(&mut this.wire).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        // hyper flushes when nothing of an answer is left in its own buffer.
        this.is_amid_answer = false;
        ready!(this.poll_say(cx))?;
        Pin::new(&mut this.wire).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_shutdown(cx)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_say(cx))?;
        this.is_amid_answer = true;
        Pin::new(&mut this.wire).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
