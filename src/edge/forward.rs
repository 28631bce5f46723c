//! A request's way through: its route, a replica, the answer back.

use super::answer_body::AnswerBody;
use super::answers::NoAnswer;
use super::choice::Wish;
use super::entrance::Entrance;
use super::exchange::Exchange;
use super::head::Speaks;
use super::interim::{Interim, Waits};
use super::live::Target;
use super::refusal::{Refusal, objection};
use super::request_body::RequestBody;
use super::turns::Turn;
use super::upstream::HttpReach;
use super::visit::Visit;
use super::{head, target};
use crate::connections::{Answer, More, NoPlace};
use http::header::{CONNECTION, EXPECT, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

/// With the turn of a new connection, until the client has as much as it takes.
type Given = Answer<AnswerBody, Option<Turn>>;

/// The answer to one request: a replica's, or the edge's own.
pub async fn answer(visit: Arc<Visit>, request: Request<Incoming>) -> Result<Response<Given>, Infallible> {
    let version = request.version();
    visit.note(version);
    let serving = visit.serving();
    let mut answer = match more(&visit) {
        Ok(more) => {
            let answer = forward(&visit, request).await;
            answer.map(|body| AnswerBody::counted(body, more))
        }
        Err(NoPlace) => said(NoAnswer::TooMany, None),
    };
    let changes = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    visit.aside.answered(changes);
    if version != Version::HTTP_2 && !changes && visit.ending.is_cancelled() {
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
    let is_http2 = parts.version == Version::HTTP_2;
    let refused = if is_http2 { None } else { visit.aside.refused(parts.uri.path()) };
    if let Some(refusal) = refused.or_else(|| objection(&parts)) {
        return refuse(visit, refusal);
    }
    let inside = visit.edge.settings.inside;
    let request_id = head::request_id(&mut parts.headers, !inside);
    let Some(leads_to) = find(visit, &parts) else { return said(NoAnswer::NoRoute, Some(&request_id)) };
    let (speaks, upgrade) = (head::speaks(&parts), head::upgrade(&parts));
    let wish = Wish::of(leads_to.component.sticky.as_ref(), &parts.headers);
    let caller = visit.caller(Some(&parts.headers));
    let settings = &visit.edge.settings;
    let upgrading = upgrading.filter(|_| upgrade.is_some());
    let body_waits = head::expects_continue(&parts) && !body.is_end_stream();
    let interim = hears_more(&parts, speaks).then(|| Waits(Interim::new(visit.aside.clone(), body_waits)));
    head::for_replica(&mut parts, visit.peer, settings, speaks, upgrade);
    parts.extensions.clear();
    if !is_http2 && let Some(raw) = parts.uri.path_and_query().and_then(target::raw) {
        parts.extensions.insert(raw);
    }
    if body_waits {
        parts.headers.insert(EXPECT, HeaderValue::from_static(head::CONTINUE));
    }
    let waits = interim.as_ref().filter(|_| body_waits).map(|interim| interim.0.clone());
    let (body, progress) = RequestBody::new(body, waits);
    let exchange = Exchange { visit, target: &leads_to, wish, caller, progress, upgrading, interim };
    let reach =
        HttpReach { worker: visit.worker.index, speaks, connect_timeout: settings.connect_timeout, fresh: false };
    match exchange.carry_out(Request::from_parts(parts, body), reach).await {
        Ok(answer) => answer,
        Err(why) => said(why, Some(&request_id)),
    }
}

/// The edge's own words.
fn said(why: NoAnswer, request_id: Option<&HeaderValue>) -> Response<AnswerBody> {
    why.response(request_id).map(AnswerBody::own)
}

/// Whether the client understands answers before the answer, and hyper tells of them.
fn hears_more(parts: &http::request::Parts, speaks: Speaks) -> bool {
    parts.version == Version::HTTP_11 && speaks == Speaks::Http1
}

/// Ends the connection: where the next request begins is not certain.
fn refuse(visit: &Visit, refusal: Refusal) -> Response<AnswerBody> {
    if let Some(left_out) = visit.edge.refused.next(Instant::now()) {
        tracing::info!(peer = %visit.peer, refusals_left_out = left_out, "A request is refused: {refusal}");
    }
    let mut answer = said(NoAnswer::Refused(refusal), None);
    if !visit.is_http2() {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

fn find(visit: &Visit, parts: &http::request::Parts) -> Option<Target> {
    let live = visit.edge.live();
    match &visit.entrance {
        Entrance::Shared if visit.is_http2() => live.shared(head::host(parts), parts.uri.path()).cloned(),
        Entrance::Shared => live.shared(head::host(parts), &target::path(parts.uri.path())).cloned(),
        Entrance::Port(address) => live.port(address).cloned(),
    }
}
