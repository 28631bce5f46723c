//! A request's way through: its route, a replica, the answer back.

use super::admit::{AGAIN, Admitted, Asks, NotAdmitted};
use super::answers::NoAnswer;
use super::body::{AnswerBody, Passing, Progress, RequestBody};
use super::choice::Wish;
use super::live::Target;
use super::turns::Turn;
use super::upstream::{HttpReach, Sent};
use super::visit::{Entrance, Visit};
use super::{head, upgrade};
use crate::connections::{Answer, More, NoPlace};
use crate::model::{ReleaseId, Sticky};
use http::header::{CONNECTION, HeaderValue, SET_COOKIE};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::time::timeout_at;

/// Requests whose connection had ended before they were written are sent again, so often at most: each time a
/// connection is used up.
const MOST_ATTEMPTS: usize = 1000;

/// With the turn of a new connection, until the client has as much as it takes.
type Given = Answer<AnswerBody, Option<Turn>>;

pub async fn answer(visit: Arc<Visit>, request: Request<Incoming>) -> Result<Response<Given>, Infallible> {
    let version = request.version();
    visit.note(version);
    let serving = visit.serving();
    let mut answer = match more(&visit) {
        Ok(more) => {
            let answer = forward(&visit, request).await;
            answer.map(|body| AnswerBody::counted(body, more))
        }
        Err(NoPlace) => NoAnswer::TooMany.response(None),
    };
    let closes = version != Version::HTTP_2 && answer.status() != StatusCode::SWITCHING_PROTOCOLS;
    if closes && (visit.ending.is_cancelled() || answer.status() == StatusCode::BAD_REQUEST) {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(answer.map(|mut body| {
        let turn = body.take_turn();
        Answer::new(body, (serving, visit.watch.clone()), version == Version::HTTP_2, turn)
    }))
}

/// The first request of a connection has the connection's own place; each other one at the same time takes as much.
fn more(visit: &Visit) -> Result<Option<More>, NoPlace> {
    match visit.is_http2() && visit.place.guest.served_at_once() > 1 {
        true => visit.edge.gate.more().map(Some),
        false => Ok(None),
    }
}

async fn forward(visit: &Arc<Visit>, mut request: Request<Incoming>) -> Response<AnswerBody> {
    let upgrading = request.headers().contains_key(CONNECTION).then(|| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    if let Some(objection) = head::objection(&parts) {
        return NoAnswer::NotUnderstood(objection).response(None);
    }
    let inside = visit.edge.settings.inside;
    let request_id = head::request_id(&mut parts.headers, !inside);
    let Some(target) = find(visit, &parts) else { return NoAnswer::NoRoute.response(Some(&request_id)) };
    let (speaks, upgrade) = (head::speaks(&parts), head::upgrade(&parts));
    let wish = Wish::of(target.component.sticky.as_ref(), &parts.headers);
    let caller = visit.caller(Some(&parts.headers));
    let settings = &visit.edge.settings;
    let upgrading = upgrading.filter(|_| upgrade.is_some());
    head::for_replica(&mut parts, visit.peer, settings, speaks, upgrade);
    parts.extensions.clear();
    let (body, progress) = RequestBody::new(body);
    let exchange = Exchange { visit, target: &target, wish, caller, progress, upgrading };
    let reach = HttpReach { worker: visit.worker.index, speaks, connect_timeout: settings.connect_timeout };
    match exchange.carry_out(Request::from_parts(parts, body), &reach).await {
        Ok(answer) => answer,
        Err(why) => why.response(Some(&request_id)),
    }
}

fn find(visit: &Visit, parts: &http::request::Parts) -> Option<Target> {
    let live = visit.edge.live();
    match &visit.entrance {
        Entrance::Shared => live.shared(head::host(parts), parts.uri.path()).cloned(),
        Entrance::Port(address) => live.port(address).cloned(),
    }
}

struct Exchange<'a> {
    visit: &'a Arc<Visit>,
    target: &'a Target,
    wish: Wish,
    caller: IpAddr,
    progress: Option<Arc<Progress>>,
    upgrading: Option<OnUpgrade>,
}

impl Exchange<'_> {
    async fn carry_out(
        self,
        mut request: Request<RequestBody>,
        reach: &HttpReach,
    ) -> Result<Response<AnswerBody>, NoAnswer> {
        let client = (!self.visit.is_http2()).then_some(&*self.visit.watch);
        let worker = self.visit.worker.index;
        let (edge, caller) = (&self.visit.edge, self.caller);
        let asks = Asks { edge, target: self.target, wish: self.wish, worker, caller, client };
        let (mut tried, began) = (Vec::new(), Instant::now());
        for _ in 0..MOST_ATTEMPTS {
            let Admitted { release, counts, busy, port, connection, turn } =
                asks.admit(reach, &mut tried).await.map_err(|why| match why {
                    NotAdmitted::TooMany => NoAnswer::TooManyHeld,
                    // Nobody reads what a client that left is told.
                    NotAdmitted::TooLong | NotAdmitted::ClientLeft => NoAnswer::HeldTooLong,
                    NotAdmitted::NotRouted => NoAnswer::NoRoute,
                })?;
            let sent_at = Instant::now();
            match self.in_time(connection.send(request)).await {
                None => {
                    counts.failed(worker);
                    return Err(NoAnswer::TooLate);
                }
                Some(Sent::BrokeOff(error)) => {
                    counts.failed(worker);
                    tracing::debug!(
                        component = %self.target.component.key, replica = busy.replica.id, error = %error,
                        "A replica broke off before it answered"
                    );
                    return Err(NoAnswer::BrokeOff);
                }
                Some(Sent::Returned { request: again, was_new }) => {
                    request = *again;
                    if was_new {
                        // It takes connections and closes them at once, as a process does that is about to die.
                        if began.elapsed() >= self.visit.edge.settings.hold {
                            counts.failed(worker);
                            return Err(NoAnswer::HeldTooLong);
                        }
                        busy.replica.could_not_be_reached(port, Instant::now());
                        tried.push(busy.replica.clone());
                        drop(busy);
                        tokio::time::sleep(AGAIN).await;
                    }
                }
                Some(Sent::Answered(answer, connection)) => {
                    counts.answered(worker, answer.status(), sent_at.elapsed());
                    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                        let upgrading = self.upgrading.ok_or(NoAnswer::BrokeOff)?;
                        // From now on its silence says nothing.
                        self.visit.place.stays_open().map_err(|NoPlace| NoAnswer::TooMany)?;
                        return Ok(upgrade::join(self.visit, answer, upgrading, busy));
                    }
                    let (mut parts, body) = answer.into_parts();
                    head::for_client(&mut parts.headers);
                    self.stick(&mut parts.headers, release);
                    parts.version = Version::HTTP_11;
                    parts.extensions.clear();
                    let connection = connection.map(|connection| (port, connection));
                    let passing = Passing::new(body, connection, (counts, worker), busy, turn);
                    return Ok(Response::from_parts(parts, AnswerBody::Passing(Box::new(passing))));
                }
            }
        }
        Err(NoAnswer::BrokeOff)
    }

    /// `None`: no answer in time, counted from the last movement of the request's body.
    async fn in_time(&self, sending: impl Future<Output = Sent>) -> Option<Sent> {
        let limit = self.visit.edge.settings.answer_timeout;
        let mut sending = std::pin::pin!(sending);
        let mut deadline = tokio::time::Instant::now() + limit;
        loop {
            if let Ok(sent) = timeout_at(deadline, sending.as_mut()).await {
                return Some(sent);
            }
            match self.progress.as_ref().map(|progress| progress.last() + limit) {
                Some(later) if later > deadline => deadline = later,
                _ => return None,
            }
        }
    }

    /// Names the release in the visitor's cookie, where there is more than one to go to.
    fn stick(&self, headers: &mut http::HeaderMap, release: ReleaseId) {
        let component = &self.target.component;
        let Some(Sticky::Cookie(name)) = &component.sticky else { return };
        let is_choice = component.releases.iter().filter(|release| release.weight > 0).nth(1).is_some();
        if is_choice
            && self.wish.release != Some(release)
            && let Ok(cookie) = HeaderValue::try_from(format!("{name}={release}; Path=/; HttpOnly; SameSite=Lax"))
        {
            headers.append(SET_COOKIE, cookie);
        }
    }
}
