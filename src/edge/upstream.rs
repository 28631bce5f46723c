//! HTTP connections to replicas: an idle one of this worker, or a new one.

use super::admit::Reach;
use super::head::Speaks;
use super::refusal::{LONGEST_HEAD, MOST_HEADERS};
use super::replica::{Http1Connection, LiveReplica};
use super::replica_wire::ReplicaWire;
use super::request_body::RequestBody;
use super::target::RawTarget;
use crate::connections::{Watch, Wire};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};

/// So much is read from a replica at once: just less than hyper's smallest buffer, so that it makes no larger ones. That and
/// little more is what waits for a client that does not read, at each of three places.
const PIECE: usize = 8191;
/// HTTP/2: so much of a request's body waits for a replica.
const REQUEST_BYTES: usize = 32 * 1024;
/// HTTP/2: of an answer that its client does not read, so much comes; and of all answers of a connection so much, that a few
/// of those do not hold up the others.
const STREAM_BYTES: u32 = 32 * 1024;
const CONNECTION_BYTES: u32 = 16 * 1024 * 1024;

/// So much of what a replica sends the kernel keeps until it is read. Replicas are near, so more would not be quicker; and what
/// waits for thousands of clients that do not read would use up the memory that all TCP of the machine shares.
const RECEIVED: u32 = 32 * 1024;
/// It sends segments as over Ethernet, also where it is reached over loopback. Its own kernel keeps a number of segments for
/// each connection, whose size over loopback is 64 kB: 4 MB of the same memory for a client that does not read.
const SEGMENT: u32 = 1460;

fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .initial_stream_window_size(STREAM_BYTES)
        .initial_connection_window_size(CONNECTION_BYTES)
        .max_header_list_size(LONGEST_HEAD as u32)
        .max_send_buf_size(REQUEST_BYTES);
    builder
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_headers(MOST_HEADERS)
        .max_buf_size(LONGEST_HEAD + PIECE)
        // As old apps still send it (RFC 9112, 5.2).
        .allow_obsolete_multiline_headers_in_responses(true);
    builder
}

pub struct HttpReach {
    pub worker: usize,
    pub speaks: Speaks,
    pub connect_timeout: Duration,
    /// No connection that was used before: one of them has just ended.
    pub fresh: bool,
}

pub enum Connection {
    Idle(Http1Connection),
    New(Http1Connection),
    Http2(http2::SendRequest<RequestBody>),
}

/// What became of a request that was sent.
pub enum Sent {
    Answered(http::Response<Incoming>, Option<Http1Connection>),
    /// The connection had ended before anything of the request was written: here it is again.
    Returned {
        request: Box<http::Request<RequestBody>>,
        was_new: bool,
    },
    /// Something of it may have been sent.
    BrokeOff {
        error: hyper::Error,
        /// The connection had been used before, and not a byte came: the replica may have closed it meanwhile.
        kept_and_silent: bool,
    },
}

impl Reach for HttpReach {
    type Connection = Connection;

    fn at_once(&self, replica: &LiveReplica, port: u16) -> Option<Connection> {
        match self.speaks {
            Speaks::Http1 if self.fresh => None,
            Speaks::Http1 => replica.take_idle(self.worker, port).map(Connection::Idle),
            Speaks::Http2 => replica.shared(self.worker, port).map(Connection::Http2),
        }
    }

    async fn reach(&self, replica: &Arc<LiveReplica>, port: u16) -> Result<Connection> {
        match self.speaks {
            Speaks::Http1 => {
                let (wire, watch) = self.connect(replica, port).await?;
                let (wire, passage) = ReplicaWire::new(wire.in_pieces(PIECE));
                let (sender, connection) = http1_builder().handshake(TokioIo::new(wire)).await.map_err(Error::other)?;
                // Ends with the sender, or when the replica closes; what went wrong the sender is told.
                tokio::spawn(connection.with_upgrades());
                Ok(Connection::New(Http1Connection { sender, watch, passage }))
            }
            Speaks::Http2 => {
                let (wire, _) = self.connect(replica, port).await?;
                let (sender, connection) = http2_builder().handshake(TokioIo::new(wire)).await.map_err(Error::other)?;
                tokio::spawn(connection);
                replica.share(self.worker, port, sender.clone());
                Ok(Connection::Http2(sender))
            }
        }
    }
}

impl HttpReach {
    async fn connect(&self, replica: &LiveReplica, port: u16) -> Result<(Wire, Arc<Watch>)> {
        connect(replica, port, self.connect_timeout).await.map(Wire::new)
    }
}

async fn connect_to(address: SocketAddr) -> Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A kernel that refuses these keeps more.
    let _ = socket.set_recv_buffer_size(RECEIVED);
    let _ = socket2::SockRef::from(&socket).set_tcp_mss(SEGMENT);
    socket.connect(address).await
}

pub async fn connect(replica: &LiveReplica, port: u16, within: Duration) -> Result<TcpStream> {
    let connecting = async {
        let at = replica.addresses().await?;
        match (connect_to(SocketAddr::new(at.first, port)).await, at.also) {
            // An app may listen on IPv6 alone.
            (Err(refused), Some(also)) if refused.kind() == ErrorKind::ConnectionRefused => {
                connect_to(SocketAddr::new(also, port)).await
            }
            (connected, _) => connected,
        }
    };
    let stream = tokio::time::timeout(within, connecting)
        .await
        .unwrap_or_else(|_| Err(Error::new(ErrorKind::TimedOut, "it does not accept the connection in time")))?;
    replica.was_reached(port);
    Ok(stream)
}

impl Connection {
    /// Whether a request went over it before.
    pub fn was_used(&self) -> bool {
        matches!(self, Self::Idle(_))
    }

    pub async fn send(self, request: http::Request<RequestBody>) -> Sent {
        let was_new = matches!(self, Self::New(_));
        match self {
            Self::Idle(mut connection) | Self::New(mut connection) => {
                if let Some(target) = request.extensions().get::<RawTarget>() {
                    connection.passage.write_target(target.clone());
                }
                let before = connection.passage.came();
                match connection.sender.try_send_request(request).await {
                    Ok(answer) => Sent::Answered(answer, Some(connection)),
                    Err(error) => not_sent(error, was_new, !was_new && connection.passage.came() == before),
                }
            }
            Self::Http2(mut sender) => match sender.try_send_request(request).await {
                Ok(answer) => Sent::Answered(answer, None),
                Err(error) => not_sent(error, was_new, false),
            },
        }
    }
}

fn not_sent(mut error: TrySendError<http::Request<RequestBody>>, was_new: bool, kept_and_silent: bool) -> Sent {
    match error.take_message() {
        Some(request) => Sent::Returned { request: Box::new(request), was_new },
        None => Sent::BrokeOff { error: error.into_error(), kept_and_silent },
    }
}
