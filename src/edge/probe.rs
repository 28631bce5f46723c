//! What a port speaks whose Compose file does not say it: its first ready replica is asked.

use super::keeper::Keeper;
use super::replica::LiveReplica;
use super::state::Edge;
use super::upstream::connect;
use super::wire_format::{Heard, Knocked};
use crate::model::{EdgeAddress, EntryProtocol, Replica};
use futures_util::future::join_all;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Harmless to what speaks HTTP; to what does not, nonsense that it answers, or not, in its own way.
const QUESTION: &[u8] =
    b"HEAD / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Launchway-probe\r\nConnection: close\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/";
/// The containers of this machine answer in microseconds.
const CONNECTS_WITHIN: Duration = Duration::from_secs(1);
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);
/// A replica that cannot be reached yet is asked again after this time.
const AGAIN: Duration = Duration::from_millis(200);
/// The longest pause between two questions.
const SELDOM: Duration = Duration::from_secs(3);

/// Asks for every port that is not known, for as long as the edge runs.
pub async fn ask_all(edge: Arc<Edge>, keeper: Arc<Keeper>) {
    let mut changes = edge.changes();
    let mut again = AGAIN;
    loop {
        changes.mark_unchanged();
        let mut unanswered = false;
        for (address, port, replicas) in unknown(&edge) {
            match first_answer(&replicas, port, edge.settings.connect_timeout).await {
                Some(protocol) => {
                    tracing::info!(listen = %address, protocol = ?protocol, "A port was asked what it speaks");
                    keeper.learned(address, port, protocol).await;
                }
                None => unanswered |= !replicas.is_empty(),
            }
        }
        tokio::select! {
            _ = changes.changed() => again = AGAIN,
            // Nothing may ever answer there.
            () = sleep(again), if unanswered => again = (again * 2).min(SELDOM),
            () = edge.ending.cancelled() => return,
        }
    }
}

fn unknown(edge: &Edge) -> Vec<(EdgeAddress, u16, Vec<Arc<LiveReplica>>)> {
    let live = edge.live();
    let replicas = |target: &super::live::Target| {
        let serving = target.component.releases.iter().filter(|release| release.weight > 0);
        serving.flat_map(|release| release.replicas.iter().cloned()).collect()
    };
    live.unknown().map(|(address, target)| (*address, target.port, replicas(target))).collect()
}

async fn first_answer(replicas: &[Arc<LiveReplica>], port: u16, connect_timeout: Duration) -> Option<EntryProtocol> {
    for replica in replicas {
        if let Ok(mut stream) = connect(replica, port, connect_timeout).await {
            return Some(match hear(&mut stream).await {
                Heard::Http => EntryProtocol::Http,
                _ => EntryProtocol::Tcp,
            });
        }
    }
    None
}

/// What the port of a container says to an HTTP request, asked at each of its addresses until one is connected to.
pub async fn ask_at(addresses: &[IpAddr], port: u16) -> Heard {
    let mut heard = Heard::Unreachable;
    for address in addresses {
        let connecting = TcpStream::connect(SocketAddr::new(*address, port));
        match timeout(CONNECTS_WITHIN, connecting).await {
            Ok(Ok(mut stream)) => return hear(&mut stream).await,
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => heard = Heard::Nothing,
            _ => {}
        }
    }
    heard
}

/// Whether ports of a replica take connections, by the order of `ports`.
pub async fn knock_at(replica: &Replica, ports: &[u16], connect_timeout: Duration) -> Vec<Knocked> {
    let replica = LiveReplica::new(replica, 1);
    let knocks = ports.iter().map(|port| connect(&replica, *port, connect_timeout));
    let answers = join_all(knocks).await.into_iter();
    answers.map(|answer| answer.map_or_else(|error| Knocked::Not(error.to_string()), |_| Knocked::Accepts)).collect()
}

async fn hear(stream: &mut TcpStream) -> Heard {
    let mut answer = [0; ANSWER.len()];
    let asked = async {
        stream.write_all(QUESTION).await?;
        stream.read_exact(&mut answer).await
    };
    let answered = timeout(ANSWERS_WITHIN, asked).await;
    match answered {
        Ok(Ok(_)) if answer == ANSWER => Heard::Http,
        Ok(Ok(_)) => Heard::Other,
        // It may be busy, or on its way down.
        _ => Heard::Nothing,
    }
}
