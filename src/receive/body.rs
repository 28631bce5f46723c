//! A request's body, read within bounds of size, time and memory before anything is known about its sender.

use super::problem::Problem;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// What bodies may cost.
#[derive(Debug, Clone)]
pub struct BodyLimits {
    /// Bytes of one body.
    pub bytes: usize,
    /// How long one body may take to arrive.
    pub within: Duration,
    /// Bytes of all bodies that are held at one time.
    pub bytes_at_once: usize,
}

impl Default for BodyLimits {
    /// GitHub and GitLab send up to 25 MB (GitLab's source says `25.megabytes`, which is 25 x 1,048,576) and give up
    /// after 10 s.
    fn default() -> Self {
        Self { bytes: 25 << 20, within: Duration::from_secs(10), bytes_at_once: 256 << 20 }
    }
}

/// Reads bodies for all requests, so that many at once cannot take more memory than one number says.
#[derive(Debug, Clone)]
pub(super) struct BodyReader {
    limits: BodyLimits,
    room: Arc<Semaphore>,
}

/// A whole body. The room that it takes is given back when it is dropped.
pub(super) struct Held {
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl BodyReader {
    pub(super) fn new(limits: BodyLimits) -> Self {
        let room = Arc::new(Semaphore::new(limits.bytes_at_once.min(Semaphore::MAX_PERMITS)));
        Self { limits, room }
    }

    /// The body, or the problem to answer with: 408, 413, 400 where the connection broke, 503 where there is no room.
    pub(super) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Held, Problem> {
        let deadline = Instant::now() + self.limits.within;
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        let waits_for_leave = headers.contains_key(header::EXPECT);
        let mut stream = body.into_data_stream();
        let mut bytes = BytesMut::new();
        let mut room: Option<OwnedSemaphorePermit> = None;
        let mut too_large = announced.is_some_and(|length| length > self.limits.bytes as u64);
        while !too_large {
            let chunk = match timeout_at(deadline, stream.next()).await {
                Err(_) => return Err(self.too_slow()),
                Ok(None) => return Ok(Held { bytes: bytes.freeze(), _room: room }),
                Ok(Some(Err(error))) => {
                    return Err(Problem::new(
                        StatusCode::BAD_REQUEST,
                        format!("the body did not arrive whole: {error}"),
                    ));
                }
                Ok(Some(Ok(chunk))) => chunk,
            };
            if bytes.len() + chunk.len() > self.limits.bytes {
                too_large = true;
            } else if !chunk.is_empty() {
                let taken = self.room_for(chunk.len())?;
                match &mut room {
                    Some(room) => room.merge(taken),
                    None => room = Some(taken),
                }
                bytes.extend_from_slice(&chunk);
            }
        }
        drop((bytes, room));
        if !waits_for_leave {
            // A sender that is still writing reads our answer only when it is done, or never if we hang up on it.
            let most = self.limits.bytes.saturating_mul(2);
            let mut thrown_away = 0;
            while let Ok(Some(Ok(chunk))) = timeout_at(deadline, stream.next()).await {
                thrown_away += chunk.len();
                if thrown_away > most {
                    break;
                }
            }
        }
        let most = self.limits.bytes >> 20;
        Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {most} MB, the most that is read"),
        ))
    }

    fn room_for(&self, length: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let wanted = u32::try_from(length).unwrap_or(u32::MAX);
        Arc::clone(&self.room)
            .try_acquire_many_owned(wanted)
            .map_err(|_| Problem::try_again("too many deliveries arrive at once: try again in a moment"))
    }

    fn too_slow(&self) -> Problem {
        let detail = format!("the body did not arrive within {} s", self.limits.within.as_secs_f32());
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail).with_header(header::CONNECTION, "close")
    }
}
