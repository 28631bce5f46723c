//! Connections that changed their protocol (WebSocket and others): bytes both ways until both sides have ended.

use super::answer_body::AnswerBody;
use super::head;
use super::replica::Busy;
use super::visit::Visit;
use super::websocket;
use http::Response;
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::sync::Arc;

/// Joins both sides as soon as the client has got the answer that this returns.
pub fn join(visit: &Arc<Visit>, mut answer: Response<Incoming>, client: OnUpgrade, busy: Busy) -> Response<AnswerBody> {
    let replica = hyper::upgrade::on(&mut answer);
    let busy = busy.into_connection();
    let upgrade = answer.headers().get(UPGRADE).cloned();
    let is_websocket = upgrade.as_ref().is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let goodbye = busy.replica.goodbye();
    let client_visit = visit.clone();
    visit.worker.connections.spawn(async move {
        let visit = client_visit;
        let _serving = visit.serving();
        if let (Ok(client), Ok(replica)) = (client.await, replica.await) {
            let (mut client, mut replica) = (TokioIo::new(client), TokioIo::new(replica));
            // A side that breaks off is an end like another.
            let passing = async {
                match is_websocket {
                    true => websocket::relay(client, replica, &goodbye).await,
                    false => tokio::io::copy_bidirectional(&mut client, &mut replica).await.map(drop),
                }
            };
            tokio::select! {
                _ = passing => {}
                () = visit.is_over(visit.patience_with_bytes()) => {}
            }
        }
        drop(busy);
    });
    let (mut parts, _) = answer.into_parts();
    head::for_client(&mut parts.headers);
    parts.extensions.clear();
    parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(upgrade) = upgrade {
        parts.headers.insert(UPGRADE, upgrade);
    }
    Response::from_parts(parts, AnswerBody::empty())
}
