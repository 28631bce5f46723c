//! What happened, for Prometheus: counted from the store, and from this process where the store keeps nothing.

mod counted;
mod engine_up;
pub mod exposition;
mod past;

use crate::model::ProjectName;
use past::Past;
use std::time::Duration;

pub use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

/// What is counted from one scrape to the next.
#[derive(Default)]
pub struct Metrics {
    pub(in crate::run) past: tokio::sync::Mutex<Past>,
    pub(in crate::run) builds: past::Builds,
    pub traces: past::Traces,
    pub counted: counted::Counted,
    pub(in crate::run) engine: engine_up::EngineUp,
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
    /// Counts a build.
    pub fn built(&self, project: &ProjectName, outcome: Built, took: Duration) {
        self.builds.count(project, outcome, took);
    }
}
