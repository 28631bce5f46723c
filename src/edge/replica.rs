//! A container that gets requests: what it is busy with, its idle connections, and whether it can be reached.

use super::known_tls::KnownTls;
use super::pace::LogPace;
use super::replica_wire::Passage;
use super::request_body::RequestBody;
use super::resolver::{Addresses, Whereabouts};
use super::turns::Turns;
use crate::connections::Watch;
use crate::model::{InFlight, Replica};
use hyper::client::conn::{http1, http2};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// An idle connection lives at most 4 s: Node closes after 5, and then a request would run into the end. The sweep
/// comes by every quarter of a second.
const IDLE: Duration = Duration::from_millis(3700);
/// So long no end can have come unnoticed; after it the socket is asked.
const SURELY_FRESH: Duration = Duration::from_millis(1);
/// Connections that one worker keeps to one replica.
const MOST_IDLE: usize = 256;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Stays the same over changes of the routes, as long as the container and its address do.
pub struct LiveReplica {
    pub id: String,
    address: Option<IpAddr>,
    also: Option<Ipv6Addr>,
    whereabouts: Whereabouts,
    requests: AtomicU64,
    connections: AtomicU64,
    gone: AtomicBool,
    /// It is about to stop: connections that can be closed in good order are.
    goodbye: Mutex<CancellationToken>,
    /// By port in the container: that nobody listens at one says nothing of the others.
    trouble: Mutex<BTreeMap<u16, Trouble>>,
    /// Whether its ports speak TLS, as far as it was asked.
    pub tls: KnownTls,
    /// How often the log hears that what it answers is not understood.
    pub misunderstood: LogPace,
    /// By worker, so that no two wait for each other.
    kept: Box<[Mutex<Kept>]>,
    /// Who makes a new connection next, by worker too.
    turns: Box<[Arc<Turns>]>,
}

/// It could not be connected to, and is left alone until then.
#[derive(Clone, Copy)]
struct Trouble {
    until: Instant,
    pause: Duration,
}

#[derive(Default)]
struct Kept {
    idle: Vec<IdleConnection>,
    /// HTTP/2: one that all requests to the port share.
    shared: Vec<(u16, http2::SendRequest<RequestBody>)>,
}

struct IdleConnection {
    port: u16,
    since: Instant,
    connection: Http1Connection,
}

pub struct Http1Connection {
    pub sender: http1::SendRequest<RequestBody>,
    pub watch: Arc<Watch>,
    pub passage: Arc<Passage>,
}

impl LiveReplica {
    pub fn new(replica: &Replica, workers: usize) -> Self {
        Self {
            id: replica.id.clone(),
            address: replica.address,
            also: replica.also,
            whereabouts: Whereabouts::new(&replica.id),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            gone: AtomicBool::new(false),
            goodbye: Mutex::default(),
            trouble: Mutex::default(),
            tls: KnownTls::default(),
            misunderstood: LogPace::default(),
            kept: (0..workers).map(|_| Mutex::default()).collect(),
            turns: (0..workers).map(|_| Turns::new(workers)).collect(),
        }
    }

    /// Where it is now, IPv4 first. An error: nobody knows, or it is nowhere.
    pub async fn addresses(&self) -> std::io::Result<Addresses> {
        match self.address {
            Some(first) => Ok(Addresses { first, also: self.also.map(IpAddr::V6) }),
            None => self.whereabouts.find().await,
        }
    }

    pub fn is(&self, replica: &Replica) -> bool {
        (&self.id, self.address, self.also) == (&replica.id, replica.address, replica.also)
    }

    pub fn in_flight(&self) -> InFlight {
        InFlight {
            requests: self.requests.load(Ordering::SeqCst),
            connections: self.connections.load(Ordering::SeqCst),
        }
    }

    pub fn load(&self) -> u64 {
        self.requests.load(Ordering::Relaxed) + self.connections.load(Ordering::Relaxed)
    }

    /// It left the routes: its idle connections are closed now, and no further one is kept.
    pub fn leave(&self) {
        self.gone.store(true, Ordering::SeqCst);
        for kept in &self.kept {
            *locked(kept) = Kept::default();
        }
    }

    pub fn goodbye(&self) -> CancellationToken {
        locked(&self.goodbye).clone()
    }

    /// It is in the routes again before its last request was done.
    pub fn come_back(&self) {
        self.gone.store(false, Ordering::SeqCst);
        // Those that were told goodbye know; for whoever comes now it does not hold.
        let mut goodbye = locked(&self.goodbye);
        if goodbye.is_cancelled() {
            *goodbye = CancellationToken::new();
        }
    }

    /// Whether new requests may still be sent to it. Asked after the request was counted: whoever took the replica
    /// out of the routes and then sees no request in flight can be sure that none follows.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }

    pub fn is_left_alone(&self, port: u16, now: Instant) -> bool {
        locked(&self.trouble).get(&port).is_some_and(|trouble| now < trouble.until)
    }

    pub fn could_not_be_reached(&self, port: u16, now: Instant) {
        let mut trouble = locked(&self.trouble);
        let pause = trouble.get(&port).map_or(FIRST_PAUSE, |before| (before.pause * 2).min(LONGEST_PAUSE));
        trouble.insert(port, Trouble { until: now + pause, pause });
    }

    pub fn was_reached(&self, port: u16) {
        locked(&self.trouble).remove(&port);
    }

    pub fn turns(&self, worker: usize) -> &Arc<Turns> {
        &self.turns[worker]
    }

    /// One that the other end has not closed, as far as can be known.
    pub fn take_idle(&self, worker: usize, port: u16) -> Option<Http1Connection> {
        let mut kept = locked(self.kept.get(worker)?);
        let mut index = kept.idle.len();
        while index > 0 {
            index -= 1;
            let found = &kept.idle[index];
            let age = found.since.elapsed();
            if found.connection.sender.is_closed() || age >= IDLE {
                kept.idle.swap_remove(index);
            } else if found.port == port && found.connection.sender.is_ready() {
                let found = kept.idle.swap_remove(index).connection;
                if age < SURELY_FRESH || found.watch.is_quiet() {
                    return Some(found);
                }
            }
        }
        None
    }

    pub fn keep_idle(&self, worker: usize, port: u16, connection: Http1Connection) {
        let Some(kept) = self.kept.get(worker) else { return };
        let mut kept = locked(kept);
        if !self.is_gone() && !connection.sender.is_closed() && kept.idle.len() < MOST_IDLE {
            kept.idle.push(IdleConnection { port, since: Instant::now(), connection });
        }
    }

    pub fn shared(&self, worker: usize, port: u16) -> Option<http2::SendRequest<RequestBody>> {
        let mut kept = locked(self.kept.get(worker)?);
        kept.shared.retain(|(_, sender)| !sender.is_closed());
        kept.shared.iter().find(|(of, _)| *of == port).map(|(_, sender)| sender.clone())
    }

    pub fn share(&self, worker: usize, port: u16, sender: http2::SendRequest<RequestBody>) {
        let Some(kept) = self.kept.get(worker) else { return };
        let mut kept = locked(kept);
        if !self.is_gone() {
            kept.shared.retain(|(of, _)| *of != port);
            kept.shared.push((port, sender));
        }
    }

    /// Closes what has been idle for too long, and lets those forward who have waited for what is new no more.
    pub fn sweep(&self) {
        self.turns.iter().for_each(Turns::sweep);
        for kept in &self.kept {
            locked(kept).idle.retain(|idle| idle.since.elapsed() < IDLE && !idle.connection.sender.is_closed());
        }
    }
}

/// What the replica is busy with, counted until dropped.
pub struct Busy {
    pub replica: Arc<LiveReplica>,
    is_connection: bool,
}

impl Busy {
    /// With a request, until its answer's body has ended.
    pub fn request(replica: Arc<LiveReplica>) -> Self {
        replica.requests.fetch_add(1, Ordering::SeqCst);
        Self { replica, is_connection: false }
    }

    /// The request became a connection: an upgrade, or plain TCP.
    pub fn into_connection(mut self) -> Self {
        if !self.is_connection {
            // In this order, so that nobody sees it idle in between.
            self.replica.connections.fetch_add(1, Ordering::SeqCst);
            self.replica.requests.fetch_sub(1, Ordering::SeqCst);
            self.is_connection = true;
        }
        self
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let count = if self.is_connection { &self.replica.connections } else { &self.replica.requests };
        count.fetch_sub(1, Ordering::SeqCst);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_cannot_be_reached_is_left_alone_for_longer_each_time() {
        let replica =
            LiveReplica::new(&Replica { id: "a".into(), address: Some([127, 0, 0, 1].into()), also: None }, 1);
        let now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..7 {
            replica.could_not_be_reached(80, now);
            pauses.push(locked(&replica.trouble)[&80].pause.as_millis());
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000]);
        assert!(replica.is_left_alone(80, now + Duration::from_millis(1999)));
        assert!(!replica.is_left_alone(80, now + Duration::from_millis(2000)));
        assert!(!replica.is_left_alone(81, now), "that nobody listens at one port says nothing of another");
        replica.was_reached(80);
        assert!(!replica.is_left_alone(80, now));
    }

    #[test]
    fn an_upgraded_request_is_a_connection_and_never_looks_idle() {
        let replica = Arc::new(LiveReplica::new(
            &Replica { id: "a".into(), address: Some([127, 0, 0, 1].into()), also: None },
            1,
        ));
        let busy = Busy::request(replica.clone());
        assert_eq!(replica.in_flight(), InFlight { requests: 1, connections: 0 });
        let busy = busy.into_connection();
        assert_eq!(replica.in_flight(), InFlight { requests: 0, connections: 1 });
        drop(busy);
        assert!(replica.in_flight().is_idle());
    }
}
