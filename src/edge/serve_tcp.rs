//! One client's plain TCP connection: a replica for it, and bytes both ways, each side's end passed on.

use super::admit::{Asks, Reach};
use super::choice::Wish;
use super::copy;
use super::live::Target;
use super::replica::LiveReplica;
use super::tls;
use super::upstream::connect;
use super::visit::Visit;
use crate::connections::Wire;
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// What the client speaks, as far as it matters who gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    Anything,
    /// Only who speaks it.
    Tls,
}

struct TcpReach {
    connect_timeout: Duration,
    wants: Wants,
}

impl Reach for TcpReach {
    type Connection = TcpStream;

    fn at_once(&self, _replica: &LiveReplica, _port: u16) -> Option<TcpStream> {
        None
    }

    async fn reach(&self, replica: &Arc<LiveReplica>, port: u16) -> std::io::Result<TcpStream> {
        if self.wants == Wants::Tls && tls::speaks(replica, port, self.connect_timeout).await != Some(true) {
            return Err(std::io::Error::other("it does not speak TLS"));
        }
        connect(replica, port, self.connect_timeout).await
    }
}

/// A client for which no replica comes is closed: plain TCP has no way to say why.
pub async fn serve(visit: Arc<Visit>, client: Wire, target: Target, wants: Wants) {
    if visit.place.stays_open().is_err() {
        return tracing::debug!(peer = %visit.peer, "A connection is refused: as many as may be open are being served");
    }
    let _serving = visit.serving();
    tokio::select! {
        () = pass_on(&visit, client, target, wants) => {}
        () = visit.is_over(visit.patience_with_bytes()) => {}
    }
}

async fn pass_on(visit: &Visit, client: Wire, target: Target, wants: Wants) {
    let reach = TcpReach { connect_timeout: visit.edge.settings.connect_timeout, wants };
    let asks = Asks {
        edge: &visit.edge,
        target: &target,
        wish: Wish::default(),
        worker: visit.worker.index,
        caller: visit.caller(None),
        client: Some(&visit.watch),
    };
    let began = std::time::Instant::now();
    let admitted = match asks.admit(&reach, &mut Vec::new()).await {
        Ok(admitted) => admitted,
        Err(why) => {
            tracing::debug!(component = %target.component.key, peer = %visit.peer, why = ?why, "A connection found no replica");
            return;
        }
    };
    let _busy = admitted.busy.into_connection();
    let replica = admitted.connection;
    let _ = replica.set_nodelay(true);
    // So that a release of plain TCP shows something too: how many connections, and how long each took to be made.
    admitted.counts.answered(visit.worker.index, StatusCode::OK, began.elapsed());
    let turn = admitted.turn;
    let is_answered = async {
        let _ = replica.readable().await;
        drop(turn);
        std::future::pending().await
    };
    tokio::select! {
        // A side that breaks off is an end like another.
        _ = copy::both_ways(&client, &replica) => {}
        () = is_answered => {}
    }
}
