//! The listening sockets, all in one place: opened, given to the workers, closed.

use super::entrance::Entrance;
use crate::model::EdgeAddress;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Connections that the kernel accepts for us before we do; it takes no more than `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// Workers let go of a socket within this time, unless they are stuck.
const LET_GO: Duration = Duration::from_secs(1);

/// An open address. Connections know it for as long as they last, the socket itself does not hang on them.
pub struct Listening {
    pub address: EdgeAddress,
    pub entrance: Entrance,
    pub closed: CancellationToken,
    handed_over: AtomicBool,
}

/// The socket once more, for a worker that accepts from it.
pub struct Accepts {
    pub listening: Arc<Listening>,
    pub socket: TcpListener,
    /// Dropped together with the socket, after it.
    pub until_closed: TaskTrackerToken,
}

struct Open {
    listening: Arc<Listening>,
    socket: TcpListener,
    workers: TaskTracker,
}

/// A socket that listens and that nobody accepts from yet: what connects waits in the kernel.
pub struct Opened {
    pub address: EdgeAddress,
    pub socket: TcpListener,
}

pub struct Listeners {
    workers: Vec<UnboundedSender<Accepts>>,
    ending: CancellationToken,
    open: BTreeMap<EdgeAddress, Open>,
}

impl Opened {
    pub fn open(address: EdgeAddress) -> Result<Self> {
        let at = |ip: IpAddr| open_socket(SocketAddr::new(ip, address.port));
        let socket = match address.host_ip {
            Some(ip) => at(ip)?,
            None => match at(Ipv6Addr::UNSPECIFIED.into()) {
                // A host without IPv6.
                Err(error) if has_no_ipv6(&error) => at(Ipv4Addr::UNSPECIFIED.into())?,
                opened => opened?,
            },
        };
        Ok(Self { address, socket })
    }
}

/// An unspecified IPv6 address takes IPv4 too.
fn open_socket(address: SocketAddr) -> Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Connections of before that linger in the kernel do not keep the port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn has_no_ipv6(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

impl Listening {
    /// Another process accepts from it now.
    pub fn is_handed_over(&self) -> bool {
        self.handed_over.load(Ordering::SeqCst)
    }
}

impl Listeners {
    pub fn new(workers: Vec<UnboundedSender<Accepts>>, ending: CancellationToken) -> Self {
        Self { workers, ending, open: BTreeMap::new() }
    }

    pub fn is_open(&self, address: &EdgeAddress) -> bool {
        self.open.contains_key(address)
    }

    pub fn addresses(&self) -> Vec<EdgeAddress> {
        self.open.keys().copied().collect()
    }

    /// Each once more, for another process.
    pub fn sockets(&self) -> Result<Vec<TcpListener>> {
        self.open.values().map(|open| open.socket.try_clone()).collect()
    }

    /// Lets the workers accept.
    pub fn add(&mut self, Opened { address, socket }: Opened, entrance: Entrance) {
        let closed = self.ending.child_token();
        let listening = Arc::new(Listening { address, entrance, closed, handed_over: AtomicBool::new(false) });
        let workers = TaskTracker::new();
        for worker in &self.workers {
            match socket.try_clone() {
                Ok(socket) => {
                    let accepts = Accepts { listening: listening.clone(), socket, until_closed: workers.token() };
                    // A worker that is gone has ended with everything.
                    let _ = worker.send(accepts);
                }
                Err(error) => {
                    tracing::error!(listen = %address, error = %error, "A worker cannot accept connections");
                }
            }
        }
        self.open.insert(address, Open { listening, socket, workers });
    }

    /// Accepts no more there; what was accepted goes on to its end. Returns when the address is free.
    pub async fn close(&mut self, address: &EdgeAddress) {
        let Some(Open { listening, socket, workers }) = self.open.remove(address) else { return };
        // The workers' are the last: they take what the kernel has accepted.
        drop(socket);
        listening.closed.cancel();
        workers.close();
        let _ = tokio::time::timeout(LET_GO, workers.wait()).await;
    }

    pub async fn close_all(&mut self) {
        for address in self.addresses() {
            self.close(&address).await;
        }
    }

    /// Another process accepts from all of them now: what waits in the kernel is left to it.
    pub fn hand_over(&self) {
        self.open.values().for_each(|open| open.listening.handed_over.store(true, Ordering::SeqCst));
    }
}
