//! A client's connection: who it is, where it came in, and how it ends.

use super::state::Edge;
use crate::connections::Watch;
use super::worker::Worker;
use crate::model::EdgeAddress;
use http::Version;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// Where a connection came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// The edge's own addresses.
    Shared,
    /// A component's port.
    Port(EdgeAddress),
}

pub struct Visit {
    pub edge: Arc<Edge>,
    pub worker: Arc<Worker>,
    pub entrance: Entrance,
    pub peer: IpAddr,
    pub watch: Arc<Watch>,
    /// The connection is to end after what it does now: the edge ends, or its port is closed.
    pub ending: CancellationToken,
    http2: AtomicBool,
}

impl Visit {
    pub fn new(
        (edge, worker): (Arc<Edge>, Arc<Worker>),
        entrance: Entrance,
        peer: IpAddr,
        watch: Arc<Watch>,
        ending: CancellationToken,
    ) -> Self {
        // An IPv4 client of a socket for both families is an IPv4 client.
        Self { edge, worker, entrance, peer: peer.to_canonical(), watch, ending, http2: AtomicBool::new(false) }
    }

    /// The connection speaks this version.
    pub fn note(&self, version: Version) {
        if version == Version::HTTP_2 {
            self.http2.store(true, Ordering::Relaxed);
        }
    }

    pub fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }
}
