//! An open loop of requests, half of them on connections of their own; each answer's time counts from when it was due.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// A second.
pub const RATE: f64 = 50.0;
/// Whoever waits longer gives up: longer than the edge lets anybody wait.
const PATIENCE: Duration = Duration::from_secs(45);

#[derive(Debug, Clone)]
pub struct Told {
    pub due: Instant,
    pub took: Duration,
    /// Why it failed, if it did.
    pub failed: Option<String>,
    /// The number of the row that the app wrote.
    pub row: Option<u64>,
}

pub struct Load {
    stop: CancellationToken,
    running: JoinHandle<()>,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Load {
    pub fn start(port: u16) -> Self {
        let (stop, told) = (CancellationToken::new(), Arc::new(Mutex::new(Vec::new())));
        let running = tokio::spawn(ask_at_rate(format!("http://127.0.0.1:{port}/"), stop.clone(), told.clone()));
        Self { stop, running, told }
    }

    /// Sends nothing more, and waits for what is under way.
    pub async fn end(self) -> Vec<Told> {
        self.stop.cancel();
        self.running.await.expect("the load");
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn ask_at_rate(url: String, stop: CancellationToken, told: Arc<Mutex<Vec<Told>>>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = |idle: usize| {
        let builder = reqwest::Client::builder().pool_max_idle_per_host(idle).timeout(PATIENCE).no_proxy();
        builder.build().expect("a client")
    };
    let clients = [client(0), client(usize::MAX)];
    let (mut due, mut under_way, mut number) = (Instant::now(), JoinSet::new(), 0);
    loop {
        tokio::select! {
            () = sleep_until(due) => {}
            () = stop.cancelled() => break,
        }
        let (client, url, book) = (clients[number % 2].clone(), url.clone(), told.clone());
        under_way.spawn(async move {
            let answered = ask(&client, &url).await;
            let (row, failed) = match answered {
                Ok(row) => (Some(row), None),
                Err(why) => (None, Some(why)),
            };
            let told = Told { due, took: due.elapsed(), failed, row };
            book.lock().unwrap_or_else(PoisonError::into_inner).push(told);
        });
        while under_way.try_join_next().is_some() {}
        number += 1;
        due += Duration::from_secs_f64(1.0 / RATE);
    }
    under_way.join_all().await;
}

async fn ask(client: &reqwest::Client, url: &str) -> Result<u64, String> {
    let answer = client.get(url).send().await.map_err(|error| cause(&error))?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| cause(&error))?;
    let row = text.split(' ').nth(1).and_then(|row| row.parse().ok()).filter(|row| *row > 0);
    row.filter(|_| status.is_success()).ok_or_else(|| format!("{status} {text:?}"))
}

/// The innermost: `Connection refused`.
fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
