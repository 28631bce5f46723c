//! A request's body on its way to a replica, and when it last moved.

use super::interim::Interim;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use tokio::time::Instant;

/// A client's body on its way to a replica.
pub struct RequestBody {
    /// `None`: there is none.
    incoming: Option<Incoming>,
    progress: Option<Arc<Progress>>,
    /// Who says when the client is to send it, where the client waits for that.
    waits: Option<Arc<Interim>>,
}

/// When the request's body last moved: a slow upload is no slow answer.
pub struct Progress {
    began: Instant,
    last_ms: AtomicU64,
}

impl RequestBody {
    /// `waits`: of a client that sends it only once it is told to.
    pub fn new(incoming: Incoming, waits: Option<Arc<Interim>>) -> (Self, Option<Arc<Progress>>) {
        let progress = (!incoming.is_end_stream())
            .then(|| Arc::new(Progress { began: Instant::now(), last_ms: AtomicU64::new(0) }));
        (Self { incoming: Some(incoming), progress: progress.clone(), waits }, progress)
    }

    /// That of a request without one.
    pub fn none() -> Self {
        Self { incoming: None, progress: None, waits: None }
    }
}

impl Progress {
    pub fn last(&self) -> Instant {
        self.began + std::time::Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }

    fn note(&self) {
        self.last_ms.store(self.began.elapsed().as_millis() as u64, Ordering::Relaxed);
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(waits) = &self.waits {
            ready!(waits.poll_body(cx));
            self.waits = None;
        }
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = Pin::new(incoming).poll_frame(cx);
        if let (Poll::Ready(_), Some(progress)) = (&frame, &self.progress) {
            progress.note();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}
