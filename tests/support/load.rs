//! Requests one after the other, each on a connection of its own and on a kept one, until told to end.

use std::collections::BTreeSet;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often each of the two asks.
const EVERY: Duration = Duration::from_millis(20);
/// Longer than requests may wait.
const WITHIN: Duration = Duration::from_secs(40);

pub struct Load {
    stop: CancellationToken,
    running: Vec<JoinHandle<Told>>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Told {
    pub answered: u64,
    pub failed: Vec<String>,
    /// Every body that was seen.
    pub bodies: BTreeSet<String>,
}

impl Load {
    pub fn start(port: u16) -> Self {
        let stop = CancellationToken::new();
        let url = format!("http://127.0.0.1:{port}/");
        let running = [0, 8].map(|idle| tokio::spawn(ask(url.clone(), idle, stop.clone())));
        Self { stop, running: running.into() }
    }

    pub async fn end(self) -> Told {
        self.stop.cancel();
        let mut all = Told::default();
        for running in self.running {
            let one = running.await.unwrap();
            all.answered += one.answered;
            all.failed.extend(one.failed);
            all.bodies.extend(one.bodies);
        }
        all
    }
}

async fn ask(url: String, idle: usize, stop: CancellationToken) -> Told {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().pool_max_idle_per_host(idle).timeout(WITHIN).build().unwrap();
    let mut told = Told::default();
    while !stop.is_cancelled() {
        match client.get(&url).send().await {
            Ok(answer) if answer.status().is_success() => match answer.text().await {
                Ok(body) => {
                    told.answered += 1;
                    told.bodies.insert(body.trim().to_string());
                }
                Err(error) => told.failed.push(format!("{error:?}")),
            },
            Ok(answer) => told.failed.push(format!("{}: {}", answer.status(), answer.text().await.unwrap_or_default())),
            Err(error) => told.failed.push(format!("{error:?}")),
        }
        tokio::time::sleep(EVERY).await;
    }
    told
}
