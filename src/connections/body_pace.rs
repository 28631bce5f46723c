//! How slowly a request's body may come.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// A body has `grace`, and for each `bytes_per_second` of it that came one second more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    pub grace: Duration,
    pub bytes_per_second: u64,
}

/// The body came too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the body came too slowly")]
pub struct TooSlow;

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Pace {
    /// When the next of it has to be there, so much having come since it began.
    pub fn deadline(&self, began: Instant, bytes: u64) -> Instant {
        let earned_ms = bytes.saturating_mul(1000) / self.bytes_per_second.max(1);
        began + self.grace + Duration::from_millis(earned_ms.min(24 * 3600 * 1000))
    }

    pub(super) fn of_body<B>(self, body: B) -> Paced<B> {
        let began = Instant::now();
        Paced { body, pace: self, began, bytes: 0, alarm: None }
    }
}

/// A body that fails when it comes too slowly.
pub(super) struct Paced<B> {
    body: B,
    pace: Pace,
    began: Instant,
    bytes: u64,
    /// Set while it is waited for.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<B> Body for Paced<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Failure>,
{
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                this.alarm = None;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let deadline = this.pace.deadline(this.began, this.bytes);
                let alarm = this.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                alarm.as_mut().poll(cx).map(|()| Some(Err(TooSlow.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
