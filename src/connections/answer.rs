//! An answer's body on its way to a guest, which is served until it has ended.

use super::guest::Serving;
use super::wire::Watch;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// `W` is kept for as long as it flows: until its reader does not take at once what it is given, or it has ended.
pub struct Answer<B, W> {
    body: B,
    serving: Serving,
    watch: Arc<Watch>,
    /// Over HTTP/2, where a socket that takes everything says nothing of the single answer.
    is_one_of_several: bool,
    /// A piece of it was given, and the next one has not been asked for.
    is_given: bool,
    while_it_flows: Option<W>,
}

impl<B, W> Answer<B, W> {
    /// Hands `body` on. `is_one_of_several`: over HTTP/2. `while_it_flows` is dropped when its reader falls behind.
    pub fn new(body: B, (serving, watch): (Serving, Arc<Watch>), is_one_of_several: bool, while_it_flows: W) -> Self {
        Self { body, serving, watch, is_one_of_several, is_given: false, while_it_flows: Some(while_it_flows) }
    }
}

impl<B: Body + Unpin, W: Unpin> Body for Answer<B, W> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        if self.is_given {
            self.serving.guest().took();
            self.is_given = false;
        }
        if !self.is_one_of_several {
            // hyper would take more of it than the client has taken, and keep that.
            if self.watch.poll_taken(cx).is_pending() {
                self.while_it_flows = None;
                return Poll::Pending;
            }
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if self.is_one_of_several && matches!(frame, Poll::Ready(Some(Ok(_)))) {
            self.serving.guest().gave();
            self.is_given = true;
            // Nobody says here whether it was taken.
            self.while_it_flows = None;
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

impl<B, W> Drop for Answer<B, W> {
    fn drop(&mut self) {
        if self.is_given {
            self.serving.guest().took();
        }
    }
}
