//! One client's HTTP connection, from its first byte to its tidy end.

use super::forward;
use super::visit::Visit;
use crate::connections::Wire;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// How long a head may take, and how long a connection may lie idle.
pub const HEAD_WITHIN: Duration = Duration::from_secs(75);
/// How often an HTTP/2 connection is asked whether it still lives, and how long it may take to answer.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));
/// When the edge ends, a connection that lies idle waits so long for one more request, whose answer then says
/// `Connection: close`. Closed at once, it would meet the requests that are on their way.
const LAST_REQUEST: Duration = Duration::from_secs(2);

/// `inside`: for callers that are components themselves, which keep connections as long as they like.
pub fn builder(inside: bool) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let head_within = if inside { None } else { Some(HEAD_WITHIN) };
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head_within);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1)
        .max_concurrent_streams(250);
    builder
}

pub async fn serve(visit: Arc<Visit>, wire: Wire) {
    let service = {
        let visit = visit.clone();
        service_fn(move |request| forward::answer(visit.clone(), request))
    };
    let mut connection = pin!(visit.worker.http.serve_connection_with_upgrades(TokioIo::new(wire), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = visit.ending.cancelled() => {
            let linger = LAST_REQUEST.min(visit.edge.settings.drain / 2);
            let last = async {
                // HTTP/2 tells its clients itself which requests are still served.
                if !visit.is_http2() {
                    tokio::time::sleep(linger).await;
                }
            };
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = last => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
    };
    if let Err(error) = ended {
        // Clients that break off are everyday life.
        tracing::trace!(peer = %visit.peer, error = %error, "A connection broke off");
    }
}
