//! The constant load: so many requests a second whatever becomes of them, half over kept connections, half each over a new one,
//! and how long each took from the moment when it was due.

use super::figures::percentile;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout};

pub const A_SECOND: u32 = 500;
const ASKING: u32 = 50;
const WITHIN: Duration = Duration::from_secs(10);

/// Until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<Asked>>,
}

/// One request.
pub struct Asked {
    due: Instant,
    /// In milliseconds; `None`: it failed.
    took: Option<f64>,
}

/// All that were due within a time.
pub struct Told {
    pub asked: usize,
    pub failed: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Load {
    pub fn start(address: &str) -> Self {
        let (address, stop) = (address.to_string(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        Self { stop, thread: std::thread::spawn(move || put(&address, &stopped)) }
    }

    pub fn stop(self) -> Vec<Asked> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the load's figures")
    }
}

impl Told {
    pub fn of(asked: &[Asked], from: Instant, to: Instant) -> Self {
        let due: Vec<&Asked> = asked.iter().filter(|one| (from..to).contains(&one.due)).collect();
        let mut took: Vec<f64> = due.iter().filter_map(|one| one.took).collect();
        let failed = due.len() - took.len();
        Self { asked: due.len(), failed, p50_ms: percentile(&mut took, 50.0), p99_ms: percentile(&mut took, 99.0) }
    }
}

fn put(address: &str, stop: &Arc<AtomicBool>) -> Vec<Asked> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let began = Instant::now();
        let every = Duration::from_secs(1) * ASKING / A_SECOND;
        let asking: Vec<_> = (0..ASKING)
            .map(|number| {
                let first = began + every * number / ASKING;
                tokio::spawn(ask(address.to_string(), first, every, stop.clone(), number % 2 == 0))
            })
            .collect();
        let mut all = Vec::new();
        for one in asking {
            all.extend(one.await.expect("it asks"));
        }
        all
    })
}

async fn ask(address: String, first: Instant, every: Duration, stop: Arc<AtomicBool>, keeps: bool) -> Vec<Asked> {
    let (mut asked, mut due, mut kept) = (Vec::new(), first, None);
    while !stop.load(Ordering::Relaxed) {
        sleep_until(due.into()).await;
        let answered = timeout(WITHIN, one(&address, kept.take())).await.ok().flatten();
        asked.push(Asked { due, took: answered.is_some().then(|| due.elapsed().as_secs_f64() * 1e3) });
        kept = answered.filter(|_| keeps);
        due += every;
    }
    asked
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
