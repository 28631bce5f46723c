//! An answer's body on its way to a guest, which is served until it has ended.

use super::guest::Serving;
use super::wire::Watch;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

pub struct Answer<B> {
    body: B,
    serving: Serving,
    watch: Arc<Watch>,
    /// Over HTTP/2, where a socket that takes everything says nothing of the single answer.
    is_one_of_several: bool,
    /// A piece of it was given, and the next one has not been asked for.
    is_given: bool,
}

impl<B> Answer<B> {
    pub fn new(body: B, serving: Serving, watch: Arc<Watch>, is_one_of_several: bool) -> Self {
        Self { body, serving, watch, is_one_of_several, is_given: false }
    }
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        if self.is_given {
            self.serving.guest().took();
            self.is_given = false;
        }
        if !self.is_one_of_several {
            // hyper would take more of it than the client has taken, and keep that.
            ready!(self.watch.poll_taken(cx));
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if self.is_one_of_several && matches!(frame, Poll::Ready(Some(Ok(_)))) {
            self.serving.guest().gave();
            self.is_given = true;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Answer<B> {
    fn drop(&mut self) {
        if self.is_given {
            self.serving.guest().took();
        }
    }
}
