//! What has happened: each deployment, stage, delivery and build is counted once. Deployments and deliveries are counted
//! from the store, so the sums survive a restart; what is deleted from the store meanwhile stays counted until the next.

use super::Built;
use super::exposition::{Labels, text};
use crate::model::ProjectName;
use crate::run::ground::read_so_far::ReadSoFar;
use crate::store::{Store, StoreError};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

type Counters = Family<Labels, Counter>;
type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// Upper bounds in seconds: from what changes nothing to what takes an hour.
fn seconds() -> Histogram {
    Histogram::new([0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0])
}

fn histograms() -> Histograms {
    Family::new_with_constructor(seconds as fn() -> Histogram)
}

/// A time in the store as seconds; a clock that was set back makes none.
fn as_seconds(from_ms: i64, to_ms: i64) -> f64 {
    to_ms.saturating_sub(from_ms).max(0) as f64 / 1000.0
}

/// What the store's past adds up to.
pub struct Past {
    registry: Registry,
    deployments: Counters,
    durations: Histograms,
    waits: Histograms,
    stages: Histograms,
    deliveries: Counters,
    deployments_seen: ReadSoFar,
    deliveries_seen: ReadSoFar,
}

impl Default for Past {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("launchway");
        let (deployments, deliveries) = (Counters::default(), Counters::default());
        let (durations, waits, stages) = (histograms(), histograms(), histograms());
        registry.register(
            "deployments",
            "Deployments that have ended, by outcome and by what they came from",
            deployments.clone(),
        );
        registry.register(
            "deployment_duration_seconds",
            "From a deployment's beginning to its end, without its wait in the queue",
            durations.clone(),
        );
        registry.register(
            "deployment_wait_seconds",
            "What a deployment that was begun had waited in the queue",
            waits.clone(),
        );
        registry.register("stage_duration_seconds", "What the stages of ended deployments took", stages.clone());
        registry.register("deliveries", "Deliveries by what became of them", deliveries.clone());
        Self {
            registry,
            deployments,
            durations,
            waits,
            stages,
            deliveries,
            deployments_seen: ReadSoFar::default(),
            deliveries_seen: ReadSoFar::default(),
        }
    }
}

impl Past {
    /// Counts what is new in the store.
    pub async fn catch_up(&mut self, store: &Store) -> Result<(), StoreError> {
        while self.count_deployments(store).await? {}
        while self.count_deliveries(store).await? {}
        Ok(())
    }

    /// In Prometheus' text format.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        text(&self.registry)
    }

    /// Whether there may be more.
    async fn count_deployments(&mut self, store: &Store) -> Result<bool, StoreError> {
        let (before, open) = (self.deployments_seen.up_to(), self.deployments_seen.open());
        let rows = store.deployment_figures(before, &open).await?;
        let ended: Vec<i64> = rows.iter().filter(|row| row.ended_ms.is_some()).map(|row| row.id).collect();
        // Both are read before either is counted: what fails in between is counted by the next scrape, once.
        let stages = store.stage_figures(&ended).await?;
        for row in rows {
            self.deployments_seen.note(row.id, row.ended_ms.is_some());
            let Some(ended_ms) = row.ended_ms else { continue };
            let place = vec![("project", row.project.to_string()), ("environment", row.environment.to_string())];
            let outcome = ("outcome", row.state.word().to_string());
            let mut labels = place.clone();
            labels.extend([outcome.clone(), ("trigger", row.trigger.word().to_string())]);
            self.deployments.get_or_create(&labels).inc();
            if let Some(started_ms) = row.started_ms {
                self.waits.get_or_create(&place).observe(as_seconds(row.created_ms, started_ms));
                let labels = place.into_iter().chain([outcome]).collect();
                self.durations.get_or_create(&labels).observe(as_seconds(started_ms, ended_ms));
            }
        }
        for stage in stages {
            let labels = vec![
                ("project", stage.project.to_string()),
                ("environment", stage.environment.to_string()),
                ("stage", stage.stage.word().to_string()),
            ];
            self.stages.get_or_create(&labels).observe(as_seconds(0, stage.took_ms));
        }
        Ok(self.deployments_seen.up_to() > before)
    }

    async fn count_deliveries(&mut self, store: &Store) -> Result<bool, StoreError> {
        let (before, open) = (self.deliveries_seen.up_to(), self.deliveries_seen.open());
        for row in store.delivery_figures(before, &open).await? {
            let is_judged = row.outcome != "received";
            self.deliveries_seen.note(row.number, is_judged);
            if is_judged {
                let labels = vec![("project", row.project), ("outcome", row.outcome)];
                self.deliveries.get_or_create(&labels).inc();
            }
        }
        Ok(self.deliveries_seen.up_to() > before)
    }
}

/// Traces of this process.
pub struct Traces {
    registry: Registry,
    outcomes: Counters,
}

impl Default for Traces {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("launchway");
        let outcomes = Counters::default();
        registry.register(
            "traces",
            "Traces of deployments, sent or dropped, since the server's start",
            outcomes.clone(),
        );
        Self { registry, outcomes }
    }
}

impl Traces {
    /// Counts a status that the forge took.
    pub fn sent(&self) {
        self.count("sent");
    }

    /// Counts a status that something newer made stale.
    pub fn dropped(&self) {
        self.count("dropped");
    }

    fn count(&self, outcome: &str) {
        self.outcomes.get_or_create(&vec![("outcome", outcome.to_string())]).inc();
    }

    pub fn text(&self) -> Result<String, std::fmt::Error> {
        text(&self.registry)
    }
}

/// Builds of this process.
pub struct Builds {
    registry: Registry,
    outcomes: Counters,
    durations: Histograms,
}

impl Default for Builds {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("launchway");
        let (outcomes, durations) = (Counters::default(), histograms());
        registry.register(
            "builds",
            "Builds of images by outcome, since the server's start; cached: every step came from the cache",
            outcomes.clone(),
        );
        registry.register("build_duration_seconds", "What builds took", durations.clone());
        Self { registry, outcomes, durations }
    }
}

impl Builds {
    /// Counts a build.
    pub fn count(&self, project: &ProjectName, outcome: Built, took: Duration) {
        let word = match outcome {
            Built::Anew => "built",
            Built::Cached => "cached",
            Built::Failed => "failed",
            Built::Cancelled => "cancelled",
        };
        let labels = vec![("project", project.to_string()), ("outcome", word.to_string())];
        self.outcomes.get_or_create(&labels).inc();
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub fn text(&self) -> Result<String, std::fmt::Error> {
        text(&self.registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_makes_no_negative_time() {
        assert_eq!(as_seconds(5000, 2000), 0.0);
        assert_eq!(as_seconds(2000, 5000), 3.0);
    }

    #[test]
    fn builds_are_counted_by_outcome() {
        let builds = Builds::default();
        let shop = ProjectName::new("shop").unwrap();
        builds.count(&shop, Built::Cached, Duration::from_millis(700));
        let text = builds.text().unwrap();
        assert!(text.contains("launchway_builds_total{project=\"shop\",outcome=\"cached\"} 1\n"), "{text}");
        let bucket = "launchway_build_duration_seconds_bucket{project=\"shop\",outcome=\"cached\",le=\"1\"} 1\n";
        assert!(text.contains(bucket), "{text}");
    }
}
