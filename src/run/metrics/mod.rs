//! Measures for Prometheus: what happened (counted from the store, and from this process where the store keeps nothing),
//! and how things stand at the moment of the scrape.

mod counted;
mod edge;
mod exposition;
mod past;
mod present;
mod process;

use super::deployer::Deployer;
use crate::model::ProjectName;
use exposition::Exposition;
use past::Past;
use std::time::Duration;

pub use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

/// What is counted from one scrape to the next.
#[derive(Default)]
pub struct Metrics {
    past: tokio::sync::Mutex<Past>,
    builds: past::Builds,
    pub traces: past::Traces,
    pub counted: counted::Counted,
    engine: present::EngineUp,
}

/// How a build came out, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Built {
    /// At least one step was carried out.
    Anew,
    /// Every step came from the cache.
    Cached,
    Failed,
    Cancelled,
}

impl Metrics {
    pub fn built(&self, project: &ProjectName, outcome: Built, took: Duration) {
        self.builds.count(project, outcome, took);
    }
}

impl Deployer {
    /// All measures as Prometheus' text form. One scrape at a time; what it reads of the store is what is new since the
    /// last one. Fails only where the store does.
    pub async fn exposition(&self) -> anyhow::Result<String> {
        let mut past = self.metrics.past.lock().await;
        past.catch_up(&self.store).await?;
        let mut now = Exposition::default();
        self.put_present(&mut now).await?;
        self.put_edge(&mut now).await;
        self.put_fronts(&mut now).await;
        process::put_process(&mut now);
        let mut text = past.text()?;
        text.push_str(&self.metrics.builds.text()?);
        text.push_str(&self.metrics.counted.text()?);
        if self.config().telemetry.is_some() {
            text.push_str(&self.metrics.traces.text()?);
        }
        text.push_str(&now.text()?);
        Ok(text)
    }
}
