//! The listening sockets, all in one place: opened, given to the workers, closed.

use super::visit::Entrance;
use crate::model::EdgeAddress;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

/// Connections that the kernel accepts for us before we do; it takes no more than `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

pub struct Listening {
    pub address: EdgeAddress,
    pub entrance: Entrance,
    pub closed: CancellationToken,
    socket: TcpListener,
    handed_over: AtomicBool,
}

/// A socket that listens and that nobody accepts from yet: what connects waits in the kernel.
pub struct Opened {
    pub address: EdgeAddress,
    pub socket: TcpListener,
}

pub struct Listeners {
    workers: Vec<UnboundedSender<Arc<Listening>>>,
    ending: CancellationToken,
    open: BTreeMap<EdgeAddress, Arc<Listening>>,
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
    /// The same socket once more, for a worker.
    pub fn socket(&self) -> Result<TcpListener> {
        self.socket.try_clone()
    }

    /// Another process accepts from it now.
    pub fn is_handed_over(&self) -> bool {
        self.handed_over.load(Ordering::SeqCst)
    }
}

impl Listeners {
    pub fn new(workers: Vec<UnboundedSender<Arc<Listening>>>, ending: CancellationToken) -> Self {
        Self { workers, ending, open: BTreeMap::new() }
    }

    pub fn is_open(&self, address: &EdgeAddress) -> bool {
        self.open.contains_key(address)
    }

    pub fn open(&self) -> impl Iterator<Item = &Arc<Listening>> {
        self.open.values()
    }

    /// Lets the workers accept.
    pub fn add(&mut self, Opened { address, socket }: Opened, entrance: Entrance) {
        let closed = self.ending.child_token();
        let listening = Arc::new(Listening { address, entrance, closed, socket, handed_over: AtomicBool::new(false) });
        for worker in &self.workers {
            // A worker that is gone has ended with everything.
            let _ = worker.send(listening.clone());
        }
        self.open.insert(address, listening);
    }

    /// Accepts no more there. What was accepted goes on to its end.
    pub fn close(&mut self, address: &EdgeAddress) {
        if let Some(listening) = self.open.remove(address) {
            listening.closed.cancel();
        }
    }

    /// Another process accepts from all of them now: what waits in the kernel is left to it.
    pub fn hand_over(&self) {
        self.open.values().for_each(|listening| listening.handed_over.store(true, Ordering::SeqCst));
    }
}
