//! A request's body, read within bounds of size, time and memory before anything is known about its sender.

use super::problem::Problem;
use super::room::{Held as HeldRoom, Room};
use crate::connections::{Caller, Pace};
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What bodies may cost.
#[derive(Debug, Clone)]
pub struct BodyLimits {
    /// Bytes of one body.
    pub bytes: usize,
    /// How long one body may take to arrive, and a second more for each `bytes_per_second` of it that came.
    pub within: Duration,
    pub bytes_per_second: u64,
    /// Bytes of all bodies that are held at one time.
    pub bytes_at_once: usize,
}

impl Default for BodyLimits {
    /// GitHub and GitLab send up to 25 MB (GitLab's source says `25.megabytes`, which is 25 x 1,048,576) and give up
    /// after 10 s; somebody else's own hook may have a slow line.
    fn default() -> Self {
        let within = Duration::from_secs(10);
        Self { bytes: 25 << 20, within, bytes_per_second: 256 << 10, bytes_at_once: 256 << 20 }
    }
}

/// Reads bodies for all requests, so that many at once cannot take more memory than one number says.
#[derive(Debug, Clone)]
pub(super) struct BodyReader {
    limits: BodyLimits,
    room: Room,
}

/// A whole body. The room that it takes is given back when it is dropped.
pub(super) struct Held {
    pub bytes: Bytes,
    _room: HeldRoom,
}

impl BodyReader {
    pub(super) fn new(limits: BodyLimits) -> Self {
        let room = Room::new(limits.bytes_at_once);
        Self { limits, room }
    }

    /// The body, or the problem to answer with: 408, 413, 400 where the connection broke, 503 where there is no room.
    pub(super) async fn read(&self, headers: &HeaderMap, body: Body, caller: Option<Caller>) -> Result<Held, Problem> {
        let pace = Pace { grace: self.limits.within, bytes_per_second: self.limits.bytes_per_second };
        let began = Instant::now();
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        let waits_for_leave = headers.contains_key(header::EXPECT);
        let mut stream = body.into_data_stream();
        let mut bytes = BytesMut::new();
        let mut room = self.room.enter(caller);
        let mut too_large = announced.is_some_and(|length| length > self.limits.bytes as u64);
        while !too_large {
            let chunk = match timeout_at(pace.deadline(began, bytes.len() as u64), stream.next()).await {
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
                let full = || Problem::try_again("too many deliveries arrive at once: try again in a moment");
                room.take(chunk.len()).map_err(|_| full())?;
                bytes.extend_from_slice(&chunk);
            }
        }
        drop((bytes, room));
        if !waits_for_leave {
            // A sender that is still writing reads our answer only when it is done, or never if we hang up on it.
            let most = self.limits.bytes.saturating_mul(2);
            let mut thrown_away = 0;
            while let Ok(Some(Ok(chunk))) = timeout_at(pace.deadline(began, thrown_away as u64), stream.next()).await {
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

    fn too_slow(&self) -> Problem {
        let detail = format!(
            "the body did not arrive within {} s, nor at {} kB a second from then on",
            self.limits.within.as_secs_f32(),
            self.limits.bytes_per_second >> 10
        );
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail).with_header(header::CONNECTION, "close")
    }
}
