//! An answer's body on its way to a client, frame by frame, and what is counted and given back at its end.

use super::counts::ReleaseCounts;
use super::replica::{Busy, Http1Connection};
use super::turns::Turn;
use crate::connections::More;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// An answer's body on its way to a client.
pub enum AnswerBody {
    /// The edge's own words.
    Own(Full<Bytes>),
    Passing(Box<Passing>),
}

pub struct Passing {
    incoming: Incoming,
    ended: bool,
    broke_off: bool,
    /// Goes back to the idle ones when the body has ended.
    connection: Option<(u16, Http1Connection)>,
    counts: Arc<ReleaseCounts>,
    worker: usize,
    busy: Busy,
    turn: Option<Turn>,
    _more: Option<More>,
}

impl AnswerBody {
    pub fn own(text: String) -> Self {
        Self::Own(Full::new(Bytes::from(text)))
    }

    pub fn empty() -> Self {
        Self::Own(Full::default())
    }

    /// What its request counts beside its connection goes with it.
    pub fn counted(mut self, more: Option<More>) -> Self {
        if let Self::Passing(passing) = &mut self {
            passing._more = more;
        }
        self
    }

    /// That of a connection that was made for it.
    pub fn take_turn(&mut self) -> Option<Turn> {
        match self {
            Self::Own(_) => None,
            Self::Passing(passing) => passing.turn.take(),
        }
    }
}

impl Passing {
    pub fn new(
        incoming: Incoming,
        connection: Option<(u16, Http1Connection)>,
        (counts, worker): (Arc<ReleaseCounts>, usize),
        busy: Busy,
        turn: Option<Turn>,
    ) -> Self {
        Self { incoming, ended: false, broke_off: false, connection, counts, worker, busy, turn, _more: None }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Own(own) => Pin::new(own).poll_frame(cx).map_err(|never| match never {}),
            Self::Passing(passing) => {
                let frame = Pin::new(&mut passing.incoming).poll_frame(cx);
                match &frame {
                    Poll::Ready(None) => passing.ended = true,
                    Poll::Ready(Some(Err(_))) => passing.broke_off = true,
                    _ => {}
                }
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(own) => own.is_end_stream(),
            Self::Passing(passing) => passing.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(own) => own.size_hint(),
            Self::Passing(passing) => passing.incoming.size_hint(),
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if self.broke_off {
            self.counts.broke_off(self.worker);
        } else if (self.ended || self.incoming.is_end_stream())
            && let Some((port, connection)) = self.connection.take()
        {
            self.busy.replica.keep_idle(self.worker, port, connection);
        }
        // Otherwise the client went away in the middle: the connection is closed with the rest of the answer in it.
    }
}
