//! Measures for Prometheus: what happened (counted from the store, and from this process where the store keeps nothing),
//! and how things stand at the moment of the scrape.

mod counted;
mod edge;
mod exposition;
mod past;
mod present;
mod process;
mod scrape;

use crate::model::ProjectName;
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
