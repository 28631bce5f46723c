//! What a worker does: a thread with a runtime of its own. All workers accept from the same sockets; a connection stays with
//! the one that accepted it, and so do its connections to replicas.

use super::entrance::Entrance;
use super::listening::{Accepts, Listening};
use super::serve_tcp::Wants;
use super::state::Edge;
use super::visit::Visit;
use super::worker::Worker;
use super::{serve_http, serve_tcp, tls};
use crate::connections::{Kind, Wire};
use crate::model::EntryProtocol;
use futures_util::FutureExt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::task::TaskTracker;

/// When accepting fails (mostly: no file descriptors left), it rests so long.
const REST: Duration = Duration::from_millis(50);
/// So many connections are accepted before others have their turn.
const AT_ONCE: usize = 8;
/// Less than any time that a request may take.
const TICK: Duration = Duration::from_millis(100);
const GIVES_BACK_EVERY: Duration = Duration::from_secs(1);
/// So many connections more or fewer take or leave enough to look for it.
const MANY: usize = 64;
/// What a client of a front has begun to say is told apart within this time.
const BEGINS_WITHIN: Duration = Duration::from_secs(1);
const FIRST_LOOK: Duration = Duration::from_millis(5);
/// After the drain, WebSockets that are told to close may take so long.
const LAST_WORDS: Duration = Duration::from_millis(1200);

/// A worker's thread, and what it is to accept from.
pub struct Running {
    pub listens: UnboundedSender<Accepts>,
    pub thread: std::thread::JoinHandle<()>,
}

pub fn start(edge: Arc<Edge>, index: usize) -> std::io::Result<Running> {
    let (listens, told) = unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new()
        .name(format!("edge-{index}"))
        .spawn(move || runtime.block_on(work(edge, index, told)))?;
    Ok(Running { listens, thread })
}

async fn work(edge: Arc<Edge>, index: usize, mut told: UnboundedReceiver<Accepts>) {
    let worker = Arc::new(Worker { index, connections: TaskTracker::new(), http: serve_http::builder() });
    let accepting = TaskTracker::new();
    tokio::spawn(tick());
    tokio::spawn(give_memory_back(worker.clone()));
    loop {
        tokio::select! {
            () = edge.ending.cancelled() => break,
            accepts = told.recv() => match accepts {
                Some(accepts) => drop(accepting.spawn(accept(edge.clone(), worker.clone(), accepts))),
                None => break,
            },
        }
    }
    edge.ending.cancelled().await;
    accepting.close();
    accepting.wait().await;
    worker.connections.close();
    if tokio::time::timeout(edge.settings.drain, worker.connections.wait()).await.is_err() {
        tracing::info!(
            connections = worker.connections.len(),
            "The drain is over; the connections that are left are cut"
        );
        edge.say_goodbye(None);
        let _ = tokio::time::timeout(LAST_WORDS, worker.connections.wait()).await;
    }
}

/// There is always a timer that is due sooner than those of requests: whoever sets the soonest of all wakes tokio's driver,
/// which is a write to a file and one more turn of it, for each request.
async fn tick() {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
    }
}

/// What a crowd took in coming, and what it had when it has left, goes back to the machine: the allocator keeps what is free for
/// this thread's next need.
async fn give_memory_back(worker: Arc<Worker>) {
    let mut before = 0usize;
    loop {
        tokio::time::sleep(GIVES_BACK_EVERY).await;
        let now = worker.connections.len();
        if now.abs_diff(before) > MANY.max(before / 4) {
            crate::process::give_memory_back();
            before = now;
        }
    }
}

async fn accept(edge: Arc<Edge>, worker: Arc<Worker>, accepts: Accepts) {
    let Accepts { listening, socket, until_closed } = accepts;
    // Dropped in the opposite order: the token says that the socket is closed.
    let _until_closed = until_closed;
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(listen = %listening.address, error = %error, "A worker cannot accept connections");
            return;
        }
    };
    let welcome = |(stream, peer): (TcpStream, SocketAddr)| {
        let visit = (edge.clone(), worker.clone());
        worker.connections.spawn(welcome(visit, listening.clone(), stream, peer));
    };
    let mut came = 0usize;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => {
                    welcome(accepted);
                    came += 1;
                    if came.is_multiple_of(AT_ONCE) {
                        // Those who are here already are looked at again before more come in.
                        tokio::task::yield_now().await;
                    }
                }
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    tracing::warn!(listen = %listening.address, error = %error, "A connection could not be accepted");
                    tokio::time::sleep(REST).await;
                }
            },
            () = listening.closed.cancelled() => break,
        }
    }
    // Those that the kernel has accepted for us would be refused after all.
    if !listening.is_handed_over() {
        while let Some(Ok(accepted)) = listener.accept().now_or_never() {
            welcome(accepted);
        }
    }
}

fn is_of_the_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

async fn welcome(
    (edge, worker): (Arc<Edge>, Arc<Worker>),
    listening: Arc<Listening>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let (wire, watch) = Wire::of_stranger(stream);
    let entrance = listening.entrance;
    let is_open = match &entrance {
        Entrance::Port(address) => edge.live().port(address).is_some_and(|to| to.protocol == EntryProtocol::Tcp),
        Entrance::Shared => false,
    };
    let kind = if is_open { Kind::Open } else { Kind::Asks };
    let Ok(place) = edge.gate.enter(peer.ip(), kind, watch.clone()) else {
        return;
    };
    let visit = Arc::new(Visit::new((edge, worker), entrance, peer.ip(), (place, watch), listening.closed.clone()));
    let Entrance::Port(address) = entrance else { return serve_http::serve(visit, wire).await };
    let known = {
        // Who waits for a replica waits rightly.
        let _waiting = visit.place.guest.waiting();
        known_protocol(&visit, &address).await
    };
    match known {
        Some((EntryProtocol::Tcp, target)) => serve_tcp::serve(visit, wire, target, Wants::Anything).await,
        Some((_, target)) => {
            let began = tokio::select! {
                began = begins(&visit, &wire) => began,
                () = visit.is_over(visit.patience()) => return,
            };
            // Where it leads may have changed while the client said nothing.
            let target = visit.edge.live().port(&address).cloned().unwrap_or(target);
            match began {
                Begins::Http => serve_http::serve(visit, wire).await,
                Begins::Tls => {
                    let leads_there = {
                        let _waiting = visit.place.guest.waiting();
                        tls::leads_there(&visit, &address).await
                    };
                    match leads_there {
                        Some(target) => serve_tcp::serve(visit, wire, target, Wants::Tls).await,
                        // Nobody here could read it.
                        None => {
                            tracing::debug!(listen = %address, peer = %visit.peer, "TLS is asked for, and no replica speaks it")
                        }
                    }
                }
                Begins::Other => serve_tcp::serve(visit, wire, target, Wants::Anything).await,
            }
        }
        None => {}
    }
}

/// What a client at a port of HTTP says first.
enum Begins {
    Http,
    /// To which only the replica has the key. It may answer plain HTTP there too, were it only to say that this is not what it
    /// expects.
    Tls,
    /// What a front passes on as it is.
    Other,
}

async fn begins(visit: &Visit, wire: &Wire) -> Begins {
    let mut first = [0; 1];
    let peeked = tokio::select! {
        // What is there already counts, also when the edge ends.
        biased;
        peeked = wire.peek(&mut first) => peeked,
        () = visit.ending.cancelled() => return Begins::Http,
    };
    if matches!(peeked, Ok(1)) && first[0] == tls::HANDSHAKE {
        return Begins::Tls;
    }
    match visit.edge.settings.inside && !speaks_http1(visit, wire).await {
        true => Begins::Other,
        false => Begins::Http,
    }
}

/// A front passes on as it is whatever does not begin as a request of HTTP/1 to the replica itself does: HTTP/2 without TLS,
/// as gRPC speaks it, TLS, what is asked of a proxy (`CONNECT`, `GET http://...`), and all else. A client that says nothing
/// yet is waited for.
async fn speaks_http1(visit: &Visit, wire: &Wire) -> bool {
    let mut begin = [0; 64];
    let mut since: Option<std::time::Instant> = None;
    loop {
        let peeked = tokio::select! {
            peeked = wire.peek(&mut begin) => peeked,
            () = visit.ending.cancelled() => return true,
        };
        let Ok(1..) = peeked else { return true };
        if let Some(is_http1) = begins_as_http1(&begin[..peeked.unwrap_or(0)]) {
            return is_http1;
        }
        // The rest of it is on its way, or never comes. What has come stays there, so the socket cannot say when there is
        // more: it is looked at again, each time after twice as long. Thousands of these take little time then.
        let waited = since.get_or_insert_with(std::time::Instant::now).elapsed();
        if waited >= BEGINS_WITHIN || visit.watch.has_left() {
            return true;
        }
        tokio::time::sleep(waited.max(FIRST_LOOK)).await;
    }
}

/// `None`: too little of it is there to tell.
fn begins_as_http1(said: &[u8]) -> Option<bool> {
    if !said.first()?.is_ascii_uppercase() {
        return Some(false);
    }
    let Some(space) = said.iter().position(|byte| !byte.is_ascii_uppercase()) else {
        // No method is so long.
        return (said.len() >= 24).then_some(false);
    };
    let (method, target) = (&said[..space], &said[space + 1..]);
    if said[space] != b' ' || method == b"PRI" || method == b"CONNECT" {
        return Some(false);
    }
    match target.first()? {
        b'/' | b'*' => Some(true),
        // As a proxy is asked.
        _ => Some(false),
    }
}

/// What the port speaks. While that is not known yet, no replica has been there to ask: the connection waits for it.
async fn known_protocol(
    visit: &Visit,
    address: &crate::model::EdgeAddress,
) -> Option<(EntryProtocol, super::live::Target)> {
    let mut changes = visit.edge.changes();
    let wait = async {
        // Who waits has a place in the component's line, of which there are only so many.
        let mut place = None;
        loop {
            changes.mark_unchanged();
            let target = visit.edge.live().port(address).cloned()?;
            if target.protocol != EntryProtocol::Probe {
                return Some((target.protocol, target));
            }
            if place.is_none() {
                place = Some(target.hold.enter(visit.edge.settings.hold_most)?);
            }
            changes.changed().await.ok()?;
        }
    };
    tokio::select! {
        known = tokio::time::timeout(visit.edge.settings.hold, wait) => known.ok().flatten(),
        () = super::admit::left(Some(&visit.watch)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_front_takes_for_http_is_what_a_replica_is_asked() {
        let begins = |text: &str| begins_as_http1(text.as_bytes());
        assert_eq!(begins("GET /x HTTP/1.1\r\n"), Some(true));
        assert_eq!(begins("OPTIONS * HTTP/1.1\r\n"), Some(true));
        for other in ["PRI * HTTP/2.0", "CONNECT a:443", "GET http://a/", "\u{16}\u{3}\u{1}", "*1\r\n$4", "GETS\r\n"] {
            assert_eq!(begins(other), Some(false), "{other:?}");
        }
        for more in ["", "P", "PRI", "GET", "GET "] {
            assert_eq!(begins(more), None, "{more:?}");
        }
        assert_eq!(begins(&"A".repeat(24)), Some(false));
    }
}
