//! The public listeners of the server: every connection has a place at the gate, and a time for each thing that it does.

use super::answer::Answer;
use super::body_pace::Pace;
use super::gate::{Gate, Kind, Place, relieve};
use super::patience::Patience;
use super::wire::Wire;
use axum::Router;
use axum::body::Body;
use http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// When accepting fails (mostly: no file descriptors left), it rests so long.
const REST: Duration = Duration::from_millis(50);
/// The log says at most this often that connections cannot be accepted.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// A head may have so many bytes.
const LONGEST_HEAD: usize = 64 * 1024;
/// HTTP/2: requests of one connection at once, and how much of each waits for its reader, or for us.
const STREAMS: u32 = 100;
const STREAM_BYTES: u32 = 64 * 1024;
/// How often an HTTP/2 connection is asked whether it still lives, and how long it may take to answer.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// What strangers may cost a public listener.
#[derive(Clone)]
pub struct Public {
    pub gate: Arc<Gate>,
    pub patience: Patience,
    /// Of every body, whatever becomes of it.
    pub pace: Pace,
}

/// Serves until `stop`, and then until the requests that were under way are answered.
pub async fn serve(listener: TcpListener, routes: Router, public: Public, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let http = Arc::new(builder());
    let mut told = Told::default();
    let mut relieving = pin!(relieve(public.gate.clone()));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = relieving.as_mut() => break,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (wire, watch) = Wire::of_stranger(stream);
                let Ok(place) = public.gate.enter(peer.ip(), Kind::Asks, watch) else { continue };
                connections.spawn(connection(
                    (wire, peer),
                    place,
                    routes.clone(),
                    public.clone(),
                    http.clone(),
                    stop.clone(),
                ));
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                told.once(|| tracing::warn!(error = %error, "A connection could not be accepted"));
                tokio::time::sleep(REST).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Without a timer of its own: how long a head may take is the patience's to say.
    builder.http1().max_buf_size(LONGEST_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_BYTES)
        .initial_connection_window_size(STREAM_BYTES * 4)
        .max_send_buf_size(STREAM_BYTES as usize / 4);
    builder
}

fn is_of_the_client(error: &std::io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

async fn connection(
    (wire, peer): (Wire, SocketAddr),
    place: Place,
    routes: Router,
    Public { gate, patience, pace }: Public,
    http: Arc<auto::Builder<TokioExecutor>>,
    stop: CancellationToken,
) {
    let watch = wire.watch();
    let guest = place.guest.clone();
    let service = service_fn(|mut request: Request<Incoming>| {
        let is_one_of_several = request.version() == Version::HTTP_2;
        let serving = guest.serving();
        // The first request of a connection has the connection's own place.
        let more = if guest.served_at_once() > 1 { gate.more().map(Some) } else { Ok(None) };
        let caller = gate.trusted().caller(peer.ip(), request.headers());
        request.extensions_mut().insert(caller);
        let request = request.map(|body| Body::new(pace.of_body(body)));
        let (routes, watch) = (routes.clone(), watch.clone());
        async move {
            let Ok(_more) = more else {
                return Ok(axum::response::IntoResponse::into_response((
                    http::StatusCode::SERVICE_UNAVAILABLE,
                    [(http::header::RETRY_AFTER, "10")],
                    "Too many requests at once: try again in a moment.\n",
                )));
            };
            let answer = routes.oneshot(request).await;
            answer
                .map(|answer| answer.map(|body| Body::new(Answer::new(body, (serving, watch), is_one_of_several, ()))))
                as Result<_, Infallible>
        }
    });
    let mut serving = pin!(http.serve_connection(TokioIo::new(wire), service));
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        overdue = patience.overdue(&place.guest, &watch) => {
            tracing::trace!(peer = %peer, overdue = ?overdue, "A connection is closed");
            return;
        }
        () = place.guest.shown_out() => return,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        // Clients that break off are everyday life.
        tracing::trace!(peer = %peer, error = %error, "A connection broke off");
    }
}

/// Says a thing now and then.
#[derive(Default)]
struct Told(Option<Instant>);

impl Told {
    fn once(&mut self, tell: impl FnOnce()) {
        if self.0.is_none_or(|last| last.elapsed() >= TELL_EVERY) {
            tell();
            self.0 = Some(Instant::now());
        }
    }
}
