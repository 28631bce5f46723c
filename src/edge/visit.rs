//! A client's connection: who it is, where it came in, and how it ends.

use super::aside::Aside;
use super::entrance::Entrance;
use super::state::Edge;
use super::worker::Worker;
use crate::connections::{Patience, Place, Serving, Watch, network_of};
use crate::model::EdgeSettings;
use http::{HeaderMap, Version};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a connection may lie idle: longer than proxies before the edge keep theirs.
const IDLE: Duration = Duration::from_secs(75);

pub struct Visit {
    pub edge: Arc<Edge>,
    pub worker: Arc<Worker>,
    pub entrance: Entrance,
    pub peer: IpAddr,
    pub place: Place,
    pub watch: Arc<Watch>,
    /// The connection is to end after what it does now: the edge ends, or its port is closed.
    pub ending: CancellationToken,
    /// Where what hyper has no word for is told to the client, and heard of it.
    pub aside: Arc<Aside>,
    http2: AtomicBool,
}

impl Visit {
    pub fn new(
        (edge, worker): (Arc<Edge>, Arc<Worker>),
        entrance: Entrance,
        peer: IpAddr,
        (place, watch): (Place, Arc<Watch>),
        ending: CancellationToken,
    ) -> Self {
        // An IPv4 client of a socket for both families is an IPv4 client.
        let http2 = AtomicBool::new(false);
        let aside = Arc::default();
        Self { edge, worker, entrance, peer: peer.to_canonical(), place, watch, ending, aside, http2 }
    }

    /// Whose the connection is, or the request with these headers. Inside, where everybody may have as many as they like,
    /// nobody's word on that is taken.
    pub fn caller(&self, headers: Option<&HeaderMap>) -> IpAddr {
        let caller = match headers {
            Some(headers) if !self.edge.settings.inside => self.edge.gate.trusted().caller(self.peer, headers).0,
            _ => self.peer,
        };
        network_of(caller)
    }

    /// The client is served until this is dropped.
    pub fn serving(&self) -> Serving {
        self.place.guest.serving()
    }

    /// Until the client's time is over: it says nothing, it does not read, or its place is wanted.
    pub async fn is_over(&self, patience: Patience) {
        tokio::select! {
            overdue = patience.overdue(&self.place.guest, &self.watch) => {
                tracing::trace!(peer = %self.peer, overdue = ?overdue, "A connection is closed");
            }
            () = self.place.guest.shown_out() => {
                tracing::trace!(peer = %self.peer, "A connection is closed: its place is wanted");
            }
        }
    }

    /// For connections that ask and are answered.
    pub fn patience(&self) -> Patience {
        let settings = &self.edge.settings;
        // Components keep connections as long as they like.
        let idle = if settings.inside { Patience::NEVER } else { IDLE };
        Patience { first: settings.head_timeout, idle, unread: settings.unread_timeout }
    }

    /// For those whose silence says nothing.
    pub fn patience_with_bytes(&self) -> Patience {
        let unread = self.edge.settings.unread_timeout.saturating_mul(EdgeSettings::UNREAD_OPEN);
        Patience { first: Patience::NEVER, idle: Patience::NEVER, unread }
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
