//! A request and its answer, with the replica that is let it through to.

use super::admit::{AGAIN, Admitted, Asks, NotAdmitted};
use super::answer_body::{AnswerBody, Passing};
use super::answers::NoAnswer;
use super::choice::Wish;
use super::interim::Waits;
use super::live::Target;
use super::replica::{Busy, LiveReplica};
use super::request_body::{Progress, RequestBody};
use super::upstream::{HttpReach, Sent};
use super::visit::Visit;
use super::{head, upgrade};
use crate::connections::NoPlace;
use crate::model::{ReleaseId, Sticky};
use http::header::{HeaderValue, SET_COOKIE};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::time::timeout_at;

/// Requests whose connection had ended before they were written are sent again, so often at most: each time a
/// connection is used up.
const MOST_ATTEMPTS: usize = 1000;

/// One request, and whoever waits for its answer.
pub struct Exchange<'a> {
    pub visit: &'a Arc<Visit>,
    pub target: &'a Target,
    pub wish: Wish,
    pub caller: IpAddr,
    pub progress: Option<Arc<Progress>>,
    pub upgrading: Option<OnUpgrade>,
    /// Of a client that hears what comes before the answer.
    pub interim: Option<Waits>,
}

impl Exchange<'_> {
    /// The answer, from whichever replica gives one.
    pub async fn carry_out(
        self,
        mut request: Request<RequestBody>,
        mut reach: HttpReach,
    ) -> Result<Response<AnswerBody>, NoAnswer> {
        let client = (!self.visit.is_http2()).then_some(&*self.visit.watch);
        let worker = self.visit.worker.index;
        let (edge, caller) = (&self.visit.edge, self.caller);
        let asks = Asks { edge, target: self.target, wish: self.wish, worker, caller, client };
        let (mut tried, began) = (Vec::new(), Instant::now());
        for _ in 0..MOST_ATTEMPTS {
            let Admitted { release, counts, busy, port, connection, turn } =
                asks.admit(&reach, &mut tried).await.map_err(|why| match why {
                    NotAdmitted::TooMany => NoAnswer::TooManyHeld,
                    // Nobody reads what a client that left is told.
                    NotAdmitted::TooLong | NotAdmitted::ClientLeft => NoAnswer::HeldTooLong,
                    NotAdmitted::NotRouted => NoAnswer::NoRoute,
                })?;
            let sent_at = Instant::now();
            let mut again = (connection.was_used() && !reach.fresh).then(|| repeatable(&request)).flatten();
            self.listen(&mut request);
            match self.in_time(connection.send(request)).await {
                None => {
                    counts.failed(worker);
                    return Err(NoAnswer::TooLate);
                }
                Some(Sent::BrokeOff { error, kept_and_silent }) => match again.take().filter(|_| kept_and_silent) {
                    Some(same) => {
                        request = same;
                        reach.fresh = true;
                    }
                    None => {
                        counts.failed(worker);
                        return Err(self.broke_off(&error, &busy.replica, port));
                    }
                },
                Some(Sent::Returned { request: same, was_new }) => {
                    request = *same;
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
                        return self.change_protocol(answer, busy);
                    }
                    let connection = connection.map(|connection| (port, connection));
                    let passing = |body| Passing::new(body, connection, (counts, worker), busy, turn);
                    return Ok(self.pass_on(answer, release, passing));
                }
            }
        }
        Err(NoAnswer::BrokeOff)
    }

    fn change_protocol(self, answer: Response<Incoming>, busy: Busy) -> Result<Response<AnswerBody>, NoAnswer> {
        let upgrading = self.upgrading.ok_or(NoAnswer::BrokeOff)?;
        // From now on its silence says nothing.
        self.visit.place.stays_open().map_err(|NoPlace| NoAnswer::TooMany)?;
        Ok(upgrade::join(self.visit, answer, upgrading, busy))
    }

    fn pass_on(
        &self,
        answer: Response<Incoming>,
        release: ReleaseId,
        passing: impl FnOnce(Incoming) -> Passing,
    ) -> Response<AnswerBody> {
        let (mut parts, body) = answer.into_parts();
        head::for_client(&mut parts.headers);
        self.stick(&mut parts.headers, release);
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        Response::from_parts(parts, AnswerBody::Passing(Box::new(passing(body))))
    }

    /// What the replica says before its answer reaches the client.
    fn listen(&self, request: &mut Request<RequestBody>) {
        if let Some(Waits(interim)) = &self.interim {
            let interim = interim.clone();
            hyper::ext::on_informational(request, move |said| interim.hear(said.status(), said.headers()));
        }
    }

    fn broke_off(&self, error: &hyper::Error, replica: &LiveReplica, port: u16) -> NoAnswer {
        let (component, replica_id) = (&self.target.component.key, &replica.id);
        if !error.is_parse() {
            tracing::debug!(%component, replica = replica_id, error = %error, "A replica broke off before it answered");
            return NoAnswer::BrokeOff;
        }
        if let Some(left_out) = replica.misunderstood.next(Instant::now()) {
            let error = crate::model::innermost(error);
            tracing::warn!(
                %component, replica = replica_id, port, answers_left_out = left_out,
                "An application's answer is not HTTP that can be passed on: {error}"
            );
        }
        NoAnswer::NotHttp
    }

    /// `None`: no answer in time, counted from the last movement of the request's body.
    async fn in_time(&self, sending: impl Future<Output = Sent>) -> Option<Sent> {
        let limit = self.visit.edge.settings.answer_timeout;
        let looked_after = async {
            match &self.interim {
                Some(Waits(interim)) => interim.look_after().await,
                None => std::future::pending().await,
            }
        };
        let sending = async {
            tokio::select! {
                biased;
                sent = sending => sent,
                never = looked_after => match never {},
            }
        };
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

/// The same request once more, where it can have had no effect: GET, HEAD and OPTIONS without a body.
fn repeatable(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let asks_only = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !asks_only || !request.body().is_end_stream() {
        return None;
    }
    let mut same = Request::new(RequestBody::none());
    same.method_mut().clone_from(request.method());
    same.uri_mut().clone_from(request.uri());
    *same.version_mut() = request.version();
    same.headers_mut().clone_from(request.headers());
    same.extensions_mut().clone_from(request.extensions());
    Some(same)
}
