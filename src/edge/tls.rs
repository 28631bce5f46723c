//! TLS at a port of HTTP. The edge has no key, so it is passed on as it is; but only to a replica that speaks it. To any other
//! one it would be a way past the edge: bytes of which nobody has looked at the head.

use super::admit::{AGAIN, left};
use super::live::Target;
use super::replica::LiveReplica;
use super::upstream::connect;
use super::visit::Visit;
use crate::model::EdgeAddress;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

/// The first byte of a record with a handshake (RFC 8446, 5.1); no request of HTTP begins so.
pub const HANDSHAKE: u8 = 22;
/// Of a record that says why there will be no handshake.
const ALERT: u8 = 21;
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);
/// A replica that does not speak it may only just have started.
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// Where TLS that came in here is to go, once there is a replica to ask; `None`: nowhere.
pub async fn leads_there(visit: &Visit, address: &EdgeAddress) -> Option<Target> {
    let settings = &visit.edge.settings;
    let mut changes = visit.edge.changes();
    let wait = async {
        let mut place = None;
        loop {
            changes.mark_unchanged();
            let target = visit.edge.live().port(address).cloned()?;
            if !target.component.held {
                match any_speaks(&target, settings.connect_timeout).await {
                    Some(true) => return Some(target),
                    Some(false) => return None,
                    None => {}
                }
            }
            // Who waits has a place in the component's line, of which there are only so many.
            if place.is_none() {
                place = Some(target.hold.enter(settings.hold_most)?);
            }
            tokio::select! {
                changed = changes.changed() => changed.ok()?,
                () = sleep(AGAIN) => {}
            }
        }
    };
    tokio::select! {
        found = timeout(settings.hold, wait) => found.ok().flatten(),
        () = left(Some(&visit.watch)) => None,
    }
}

/// `None`: none of them answers.
async fn any_speaks(target: &Target, connect_timeout: Duration) -> Option<bool> {
    let mut answer = None;
    for release in target.component.releases.iter().filter(|release| release.weight > 0) {
        for replica in &release.replicas {
            match speaks(replica, target.port, connect_timeout).await {
                Some(true) => return Some(true),
                Some(false) => answer = Some(false),
                None => {}
            }
        }
    }
    answer
}

/// Whether the replica's port speaks TLS; `None`: it does not answer.
pub async fn speaks(replica: &Arc<LiveReplica>, port: u16, connect_timeout: Duration) -> Option<bool> {
    let mut known = replica.tls.0.lock().await;
    if let Some((answer, when)) = known.get(&port) {
        let stays = match answer {
            Some(true) => true,
            Some(false) => when.elapsed() < ASK_AGAIN,
            None => when.elapsed() < AGAIN,
        };
        if stays {
            return *answer;
        }
    }
    let answer = ask(replica, port, connect_timeout).await;
    known.insert(port, (answer, Instant::now()));
    answer
}

async fn ask(replica: &Arc<LiveReplica>, port: u16, connect_timeout: Duration) -> Option<bool> {
    let hello = hello().ok()?;
    let mut stream = connect(replica, port, connect_timeout).await.ok()?;
    let mut first = [0; 1];
    let asked = async {
        stream.write_all(&hello).await?;
        stream.read(&mut first).await
    };
    match timeout(ANSWERS_WITHIN, asked).await {
        Ok(Ok(1)) => Some(matches!(first[0], HANDSHAKE | ALERT)),
        // It closes, as at what it does not understand.
        Ok(_) => Some(false),
        Err(_) => None,
    }
}

/// What a client of TLS says first. Nothing is believed of the answer, so nobody need be trusted.
fn hello() -> Result<Vec<u8>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
    let mut hello = Vec::new();
    ClientConnection::new(Arc::new(settings), name)?
        .write_tls(&mut hello)
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    Ok(hello)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_question_is_a_handshake() {
        let hello = super::hello().unwrap();
        assert_eq!(hello[0], super::HANDSHAKE);
        assert!(hello.len() > 100, "{}", hello.len());
    }
}
