//! For `fuzz/`: what this room keeps to itself, with what must hold of it.

use super::check::check;
use super::disk::{self, Disk};
use super::front::FrontSettings;
use super::hand_over::Offer;
use super::head::{self, Speaks};
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
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
/// More of a body is not looked at.
const MOST_BODY: usize = 64 * 1024;

/// A request as a replica got it.
struct Got {
    method: String,
    target: String,
    headers: http::HeaderMap,
    body: Bytes,
}

/// Reads bytes as a client's connection and sends each request on as the edge does, to a server that reads it again.
///
/// # Panics
/// Where the replica got something else than the client asked for.
pub fn pass(bytes: &[u8]) {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(pass_all(bytes)));
}

async fn pass_all(bytes: &[u8]) {
    let (client, edge) = tokio::io::duplex(1 << 20);
    let (mut answers, mut sends) = tokio::io::split(client);
    let feed = async {
        let _ = sends.write_all(bytes).await;
        let _ = sends.shutdown().await;
        let _ = tokio::io::copy(&mut (&mut answers).take(1 << 20), &mut tokio::io::sink()).await;
    };
    let builder = serve_http::builder(false);
    let serve = builder.serve_connection(TokioIo::new(edge), service_fn(answer));
    tokio::select! {
        // A client of HTTP/2 that says goodbye to nobody is waited for no longer.
        _ = async { tokio::join!(feed, serve) } => {}
        () = tokio::time::sleep(std::time::Duration::from_millis(200)) => {}
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let refused = |status| Ok(Response::builder().status(status).body(Full::default()).unwrap_or_default());
    let (mut parts, body) = request.into_parts();
    if head::objection(&parts).is_some() {
        return refused(StatusCode::BAD_REQUEST);
    }
    let Ok(body) = Limited::new(body, MOST_BODY).collect().await else { return refused(StatusCode::BAD_REQUEST) };
    let body = body.to_bytes();
    let (method, target) = (parts.method.to_string(), parts.uri.path_and_query().map(ToString::to_string));
    let settings = EdgeSettings::default();
    let speaks = Speaks::Http1;
    let _ = (head::speaks(&parts), head::upgrade(&parts), head::request_id(&mut parts.headers, true));
    head::for_replica(&mut parts, PEER, &settings, speaks, None);
    let got = send(Request::from_parts(parts, Full::new(body.clone()))).await;
    assert!(got.len() <= 1, "{} requests came of one", got.len());
    if let Some(got) = got.first() {
        assert_eq!(got.method, method);
        assert_eq!(Some(&got.target), target.as_ref());
        assert_eq!(got.body, body);
        let chain: Vec<_> = got.headers.get_all("x-forwarded-for").iter().collect();
        assert_eq!(chain, ["203.0.113.7"], "who asks is what the edge saw");
        for name in ["keep-alive", "proxy-connection", "upgrade", "expect", "http2-settings", "forwarded", "x-real-ip"]
        {
            assert!(!got.headers.contains_key(name), "{name} passed");
        }
        assert!(got.headers.get_all("host").iter().count() <= 1);
    }
    refused(StatusCode::OK)
}

/// Sends it over a connection of its own; returns what came out of it at the other end.
async fn send(request: Request<Full<Bytes>>) -> Vec<Got> {
    let (here, there) = tokio::io::duplex(1 << 20);
    let got: Arc<Mutex<Vec<Got>>> = Arc::default();
    let keep = got.clone();
    let replica = service_fn(move |request: Request<Incoming>| {
        let keep = keep.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
            let one = Got { method: parts.method.to_string(), target, headers: parts.headers, body };
            keep.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(one);
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
    std::mem::take(&mut *got.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Reads a `routes.json`, checks and serves what it holds, writes it and reads it again.
///
/// # Panics
/// Where it is another one then.
pub fn routes(text: &[u8]) {
    thread_local! {
        static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a folder");
    }
    FOLDER.with(|folder| {
        let disk = Disk::new(folder.path().to_path_buf());
        std::fs::write(disk.path(), text).expect("a disk that works");
        let (table, probed) = match disk.read() {
            Ok(disk::Read::Routes(table, probed)) => (table, probed),
            Ok(disk::Read::Broken { aside, .. }) => {
                let _ = std::fs::remove_file(aside);
                return;
            }
            Ok(disk::Read::Nothing) | Err(_) => return,
        };
        for routes in table.values() {
            let _ = (check(routes, true), check(routes, false));
        }
        let edge = Edge::new(EdgeSettings::default(), 1);
        edge.serve(&table, &probed);
        assert!(edge.traffic().components.len() <= table.len());
        disk.write(&table, &probed).expect("what was read can be written");
        match disk.read() {
            Ok(disk::Read::Routes(again, probed_again)) => {
                assert_eq!(again, table);
                assert_eq!(probed_again, probed);
            }
            _ => panic!("what was written cannot be read"),
        }
    });
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

fn twice<T: Serialize + DeserializeOwned>(text: &[u8]) {
    let Ok(said) = serde_json::from_slice::<T>(text) else { return };
    let once = serde_json::to_string(&said).expect("what was read can be written");
    let again: T = serde_json::from_str(&once).unwrap_or_else(|error| panic!("{error} in {once}"));
    assert_eq!(serde_json::to_string(&again).expect("it was written before"), once);
}
