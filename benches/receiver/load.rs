//! The load: deliveries over many open connections, as fast as they are answered or at a fixed rate.

use super::figures::percentile;
use super::payload;
use super::server::Server;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Answers before this do not count: connections are opened and caches filled.
const WARM_UP: Duration = Duration::from_millis(500);

pub struct Asked {
    pub connections: usize,
    /// Deliveries a second over all connections; `None`: each connection sends when it has its answer.
    pub rate: Option<f64>,
    pub seconds: f64,
}

#[derive(Serialize, Deserialize, Debug)]
pub struct Told {
    /// Answered in all, warm-up included.
    pub sent: u64,
    /// Answered with anything but 202.
    pub refused: u64,
    /// Answered within the measured seconds.
    pub counted: u64,
    pub seconds: f64,
    pub elapsed_seconds: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub cpu_seconds: f64,
}

impl Told {
    pub fn per_second(&self) -> f64 {
        self.counted as f64 / self.seconds
    }
}

/// Runs the load in a process of its own and returns what it measured.
pub fn start(server: &Server, asked: &Asked) -> Told {
    let output = Command::new(std::env::current_exe().expect("this binary"))
        .arg("load")
        .args([server.address.as_str(), &asked.connections.to_string()])
        .args([asked.rate.unwrap_or(0.0).to_string(), asked.seconds.to_string()])
        .output()
        .expect("the load generator starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "the load generator failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).expect("what the load generator measured")
}

pub fn run(arguments: &[String]) {
    let [address, connections, rate, seconds] = arguments else { panic!("load ADDRESS CONNECTIONS RATE SECONDS") };
    let (connections, rate): (usize, f64) = (connections.parse().unwrap(), rate.parse().unwrap());
    let seconds: f64 = seconds.parse().unwrap();
    // One thread: the server is to have the machine.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let started = std::time::Instant::now();
    let mut times = runtime.block_on(async {
        let begin = Instant::now() + Duration::from_millis(50);
        let end = begin + WARM_UP + Duration::from_secs_f64(seconds);
        let ids: &'static AtomicU64 = Box::leak(Box::default());
        let (request, id) = payload::median().request(address);
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..connections {
            let every = (rate > 0.0).then(|| Duration::from_secs_f64(connections as f64 / rate));
            let first = begin + every.unwrap_or_default().mul_f64(number as f64 / connections as f64);
            let request = (request.clone(), id.clone());
            tasks.spawn(connection(address.clone(), request, ids, first, every, begin + WARM_UP, end));
        }
        tasks.join_all().await
    });
    let mut told = Told {
        sent: times.iter().map(|t| t.sent).sum(),
        refused: times.iter().map(|t| t.refused).sum(),
        counted: 0,
        seconds,
        elapsed_seconds: started.elapsed().as_secs_f64(),
        p50_ms: 0.0,
        p99_ms: 0.0,
        cpu_seconds: super::cpu_seconds(std::process::id()),
    };
    let mut all: Vec<f64> = times.drain(..).flat_map(|t| t.ms).collect();
    told.counted = all.len() as u64;
    told.p50_ms = percentile(&mut all, 50.0);
    told.p99_ms = percentile(&mut all, 99.0);
    println!("{}", serde_json::to_string(&told).unwrap());
}

#[derive(Default)]
struct Times {
    sent: u64,
    refused: u64,
    ms: Vec<f64>,
}

/// One open connection. At a fixed rate a time counts from when the delivery was due, also where the one before it
/// was late: a server that stalls is not spared the deliveries that would have come meanwhile.
async fn connection(
    address: String,
    (mut request, id): (Vec<u8>, Range<usize>),
    ids: &AtomicU64,
    first: Instant,
    every: Option<Duration>,
    count_from: Instant,
    end: Instant,
) -> Times {
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut times, mut answer) = (Times::default(), Vec::with_capacity(4096));
    tokio::time::sleep_until(first).await;
    let mut due = first;
    while due < end {
        let number = ids.fetch_add(1, Ordering::Relaxed);
        request[id.clone()]
            .copy_from_slice(format!("{:08x}-0000-4000-8000-{number:012x}", std::process::id()).as_bytes());
        stream.write_all(&request).await.unwrap();
        let accepted = read_answer(&mut stream, &mut answer).await;
        let now = Instant::now();
        times.sent += 1;
        times.refused += u64::from(!accepted);
        if now >= count_from && now < end {
            times.ms.push((now - due).as_secs_f64() * 1e3);
        }
        match every {
            None => due = now,
            Some(every) => {
                due += every;
                tokio::time::sleep_until(due).await;
            }
        }
    }
    times
}

/// Reads one answer to its end; true when it is 202.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    buffer.clear();
    loop {
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "the server hung up");
        let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
        let length: usize = length.expect("an answer says its length");
        if buffer.len() >= head + 4 + length {
            return text.starts_with("http/1.1 202");
        }
    }
}
