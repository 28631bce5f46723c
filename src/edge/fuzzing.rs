//! For `fuzz/`: what this room keeps to itself, with what must hold of it.

use super::check::check;
use super::client_wire::ClientWire;
use super::disk;
use super::front::FrontSettings;
use super::hand_over::Offer;
use super::head::{self, Speaks};
use super::refusal::objection;
use super::serve_http;
use super::state::Edge;
use super::wire_format::{Health, Problem, Question};
use crate::model::{ComponentRoutes, EdgeSettings, RouteTable, Traffic};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
/// More of a body is not looked at.
const MOST_BODY: usize = 64 * 1024;
/// So much waits in a connection of memory: more than any input and all answers to it.
const CONNECTION: usize = 1 << 20;

/// A request as a replica got it.
struct Got {
    method: String,
    target: String,
    headers: http::HeaderMap,
    body: Bytes,
}

/// What one client's connection came to.
#[derive(Default)]
struct Seen {
    /// Requests that reached the replica.
    arrived: usize,
    /// What arrived otherwise than it was asked.
    wrong: Vec<String>,
}

/// Tells of a panic on the way: the task of a stream of HTTP/2 keeps its own to itself.
struct Witness(Arc<Mutex<Seen>>);

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            seen.wrong.push("a request's way through ended in a panic".to_string());
        }
    }
}

/// Reads bytes as a client's connection and sends each request on as the edge does, to a server that reads it again. Returns
/// how many requests arrived there.
///
/// # Panics
/// Where the replica got something else than the client asked for.
pub fn pass(bytes: &[u8]) -> usize {
    // All of it is in memory: a thread that would sleep has nothing left to do, and no clock has to say when that is.
    let idle = Arc::new(Notify::new());
    let tell = idle.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .on_thread_park(move || tell.notify_waiters())
        .build()
        .expect("a runtime");
    let seen: Arc<Mutex<Seen>> = Arc::default();
    // In a task: of what `block_on` polls itself the runtime does not know whether it is idle.
    let passed = runtime.block_on(runtime.spawn(pass_all(bytes.to_vec(), idle, seen.clone())));
    drop(runtime);
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(passed.is_ok(), "the edge fell over: {passed:?}");
    assert!(seen.wrong.is_empty(), "{}", seen.wrong.join("\n"));
    seen.arrived
}

async fn pass_all(bytes: Vec<u8>, idle: Arc<Notify>, seen: Arc<Mutex<Seen>>) {
    let (mut client, edge) = tokio::io::duplex(CONNECTION);
    let feed = async {
        let _ = client.write_all(&bytes).await;
        // Whoever hangs up at once is not answered, and what is not answered is not passed on to its end.
        idle.notified().await;
        let _ = client.shutdown().await;
        // A client of HTTP/2 that says goodbye to nobody is waited for no longer.
        idle.notified().await;
    };
    let builder = serve_http::builder();
    let serve = builder.serve_connection(
        TokioIo::new(ClientWire::new(edge, Arc::default())),
        service_fn(move |request| answer(request, seen.clone())),
    );
    tokio::select! {
        _ = serve => {}
        () = feed => {}
    }
}

async fn answer(request: Request<Incoming>, seen: Arc<Mutex<Seen>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let _witness = Witness(seen.clone());
    let answered = |status| Ok(Response::builder().status(status).body(Full::default()).unwrap_or_default());
    let (mut parts, body) = request.into_parts();
    if objection(&parts).is_some() {
        return answered(StatusCode::BAD_REQUEST);
    }
    let Ok(body) = Limited::new(body, MOST_BODY).collect().await else { return answered(StatusCode::BAD_REQUEST) };
    let body = body.to_bytes();
    let (method, target) = (parts.method.to_string(), parts.uri.path_and_query().map(ToString::to_string));
    let host = head::host(&parts).map(str::to_string);
    let settings = EdgeSettings::default();
    let speaks = Speaks::Http1;
    let _ = (head::speaks(&parts), head::upgrade(&parts), head::request_id(&mut parts.headers, true));
    head::for_replica(&mut parts, PEER, &settings, speaks, None);
    let got = send(Request::from_parts(parts, Full::new(body.clone()))).await;
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.arrived += got.len();
    if got.len() > 1 {
        let all: Vec<String> = got.iter().map(|got| format!("{} {}", got.method, got.target)).collect();
        seen.wrong.push(format!("{} requests came of one: {all:?}", got.len()));
    }
    if let Some(got) = got.first() {
        let asked = (method.as_str(), target.as_deref(), &body);
        if asked != (got.method.as_str(), Some(got.target.as_str()), &got.body) {
            let arrived = (&got.method, &got.target, &got.body);
            seen.wrong.push(format!("{asked:?} was asked, {arrived:?} arrived"));
        }
        for name in ["host", "x-forwarded-host"] {
            let told = got.headers.get(name).map(http::HeaderValue::as_bytes);
            if host.is_some() && told != host.as_deref().map(str::as_bytes) {
                seen.wrong.push(format!("its route was looked up for {host:?}, and {name} is {told:?}"));
            }
        }
        seen.wrong.extend(wrong_in(&got.headers));
    }
    answered(StatusCode::OK)
}

/// What no replica may find in a head.
fn wrong_in(headers: &http::HeaderMap) -> Vec<String> {
    let mut wrong = Vec::new();
    let chain: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    if chain != ["203.0.113.7"] {
        wrong.push(format!("who asks is what the edge saw, and not {chain:?}"));
    }
    for name in
        ["keep-alive", "proxy-connection", "upgrade", "expect", "http2-settings", "forwarded", "x-real-ip", "proxy"]
    {
        if headers.contains_key(name) {
            wrong.push(format!("{name} passed"));
        }
    }
    for name in ["host", "content-length", "transfer-encoding"] {
        if headers.get_all(name).iter().count() > 1 {
            wrong.push(format!("{name} is there more than once"));
        }
    }
    if headers.contains_key("content-length") && headers.contains_key("transfer-encoding") {
        wrong.push("the body has a length, and chunks".to_string());
    }
    for name in headers.keys().map(http::HeaderName::as_str) {
        // As CGI and WSGI name it.
        let variable = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let decides = ["host", "content_length", "transfer_encoding", "x_forwarded_for", "x_real_ip", "authorization"];
        if decides.contains(&variable.as_str()) && variable.replace('_', "-") != name {
            wrong.push(format!("{name} passed, which some programs take for another header"));
        }
    }
    wrong
}

/// Sends it over a connection of its own; returns what came out of it at the other end.
async fn send(request: Request<Full<Bytes>>) -> Vec<Got> {
    let (here, there) = tokio::io::duplex(CONNECTION);
    let got: Arc<Mutex<Vec<Got>>> = Arc::default();
    let keep = got.clone();
    let replica = service_fn(move |request: Request<Incoming>| {
        let keep = keep.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
            let one = Got { method: parts.method.to_string(), target, headers: parts.headers, body };
            keep.lock().unwrap_or_else(PoisonError::into_inner).push(one);
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let serve = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(there), replica);
    let ask = async {
        let Ok((mut sender, connection)) = hyper::client::conn::http1::handshake(TokioIo::new(here)).await else {
            return;
        };
        let asked = async {
            let _ = sender.send_request(request).await;
            drop(sender);
        };
        let _ = tokio::join!(asked, connection);
    };
    let _ = tokio::join!(serve, ask);
    std::mem::take(&mut *got.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Reads a `routes.json`, checks and serves what it holds, writes it and reads it again.
///
/// # Panics
/// Where it is another one then.
pub fn routes(text: &[u8]) {
    let Ok((table, probed)) = disk::understood(text) else { return };
    for routes in table.values() {
        let _ = (check(routes, true), check(routes, false));
    }
    let edge = Edge::new(EdgeSettings::default(), 1, 1024);
    edge.serve(&table, &probed);
    assert!(edge.traffic().components.len() <= table.len());
    let written = disk::written(&table, &probed).expect("what was read can be written");
    let again = disk::understood(&written);
    assert_eq!(again.as_ref(), Ok(&(table, probed)), "what was written is read as something else");
}

/// Reads a message of the kind that `which` says; what was understood is said and understood again the same.
pub fn wire(which: u8, text: &[u8]) {
    match which % 8 {
        0 => twice::<Health>(text),
        1 => twice::<Question>(text),
        2 => twice::<Offer>(text),
        3 => twice::<RouteTable>(text),
        4 => twice::<ComponentRoutes>(text),
        5 => twice::<Traffic>(text),
        6 => twice::<FrontSettings>(text),
        _ => twice::<Problem>(text),
    }
}

fn twice<T: Serialize + DeserializeOwned + PartialEq + Debug>(text: &[u8]) {
    let Ok(said) = serde_json::from_slice::<T>(text) else { return };
    let once = serde_json::to_string(&said).expect("what was read can be written");
    let again: T = serde_json::from_str(&once).unwrap_or_else(|error| panic!("{error} in {once}"));
    assert_eq!(again, said);
}
