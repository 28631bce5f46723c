//! The constant load: so many requests a second whatever becomes of them, half over kept connections, half each over a new one,
//! and how long each took from the moment when it was due.

use super::figures::percentile;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

pub const A_SECOND: u32 = 500;
const ASKING: u32 = 50;
const WITHIN: Duration = Duration::from_secs(10);

pub struct Told {
    pub asked: usize,
    pub failed: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

pub fn put(address: &str, lasts: Duration) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (mut took, mut failed) = (Vec::new(), 0);
    runtime.block_on(async {
        let began = Instant::now();
        let every = Duration::from_secs(1) * ASKING / A_SECOND;
        let asking: Vec<_> = (0..ASKING)
            .map(|number| {
                let first = began + every * number / ASKING;
                tokio::spawn(ask(address.to_string(), first, every, began + lasts, number % 2 == 0))
            })
            .collect();
        for one in asking {
            let (times, failures) = one.await.expect("it asks");
            took.extend(times);
            failed += failures;
        }
    });
    let asked = took.len() + failed;
    Told { asked, failed, p50_ms: percentile(&mut took, 50.0), p99_ms: percentile(&mut took, 99.0) }
}

async fn ask(address: String, first: Instant, every: Duration, end: Instant, keeps: bool) -> (Vec<f64>, usize) {
    let (mut took, mut failed, mut due, mut kept) = (Vec::new(), 0, first, None);
    while due < end {
        sleep_until(due).await;
        match timeout(WITHIN, one(&address, kept.take())).await {
            Ok(Some(connection)) => {
                took.push(due.elapsed().as_secs_f64() * 1e3);
                kept = keeps.then_some(connection);
            }
            _ => failed += 1,
        }
        due += every;
    }
    (took, failed)
}

type Connection = SendRequest<Empty<Bytes>>;

async fn one(address: &str, kept: Option<Connection>) -> Option<Connection> {
    let mut connection = match kept.filter(|kept| !kept.is_closed()) {
        Some(kept) => kept,
        None => {
            let stream = TcpStream::connect(address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
            tokio::spawn(connection);
            sender
        }
    };
    connection.ready().await.ok()?;
    let request = http::Request::get("/").header("host", "shop.test").body(Empty::new()).ok()?;
    let answer = connection.send_request(request).await.ok()?;
    let is_right = answer.status() == 200;
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    (is_right && body.len() == 256).then_some(connection)
}
