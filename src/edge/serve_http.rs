//! One client's HTTP connection, from its first byte to its tidy end.

use super::client_wire::ClientWire;
use super::forward;
use super::refusal::{LONGEST_HEAD, MOST_HEADERS};
use super::visit::Visit;
use crate::connections::Wire;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// As hyper gets a head (`target`), it may have twice as many bytes as it came with.
const LONGEST_HELD: usize = 2 * LONGEST_HEAD;
/// HTTP/2: requests of one connection at once, how much of each body waits for its replica, and of each answer for its client.
const STREAMS: u32 = 100;
const STREAM_BYTES: u32 = 64 * 1024;
const ANSWER_BYTES: usize = 16 * 1024;
/// One whose time is over still hears of its end.
const LAST_WORD: Duration = Duration::from_secs(1);
/// How often an HTTP/2 connection is asked whether it still lives, and how long it may take to answer.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));
/// When the edge ends, a connection that lies idle waits so long for one more request, whose answer then says
/// `Connection: close`. Closed at once, it would meet the requests that are on their way.
const LAST_REQUEST: Duration = Duration::from_secs(2);

pub fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // How long a head may take is the patience's to say, which also sees what comes before it is known to be HTTP.
    builder.http1().max_buf_size(LONGEST_HELD).max_headers(MOST_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1)
        .max_concurrent_streams(STREAMS)
        // What is more than HTTP/1 may have is refused with a word, within reason.
        .max_header_list_size(2 * LONGEST_HEAD as u32)
        .initial_stream_window_size(STREAM_BYTES)
        .initial_connection_window_size(STREAM_BYTES * 2)
        .max_send_buf_size(ANSWER_BYTES);
    builder
}

pub async fn serve(visit: Arc<Visit>, wire: Wire) {
    let service = {
        let visit = visit.clone();
        // In a box, which is empty again once the answer has begun: what is under way is large, and connections are many.
        service_fn(move |request| Box::pin(forward::answer(visit.clone(), request)))
    };
    let patience = visit.patience();
    let wire = ClientWire::new(wire, visit.aside.clone());
    let mut connection = pin!(visit.worker.http.serve_connection_with_upgrades(TokioIo::new(wire), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = visit.is_over(patience) => {
            if visit.is_http2() {
                connection.as_mut().graceful_shutdown();
                let _ = tokio::time::timeout(LAST_WORD, connection).await;
            }
            return;
        }
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
                    tokio::select! {
                        ended = connection => ended,
                        () = visit.is_over(patience) => return,
                    }
                }
            }
        }
    };
    if let Err(error) = ended {
        // Clients that break off are everyday life.
        tracing::trace!(peer = %visit.peer, error = %error, "A connection broke off");
    }
}
