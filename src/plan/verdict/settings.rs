//! What a verdict goes by.

use crate::model::{CanarySettings, OnLittleTraffic, ReleaseId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the new release is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// The old release over the same seconds. What changes for both (a busy hour, a slow database) counts for neither.
    #[default]
    Beside,
    /// The old release before the new one served: with a wider margin, as times differ, so that only "clearly worse" acts.
    Past,
    /// There is no old release: only restarts, external measures and a limit of its own.
    Nothing,
}

/// What a judge is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgeSettings {
    pub new_release: ReleaseId,
    /// As people read it; also named where there is none to compare with.
    pub old_release: ReleaseId,
    /// Chance of a put-back of a release that is not worse, over all looks together, restarts and external measures aside.
    pub alpha: f64,
    /// What the new release's first seconds show is not judged.
    pub warm_up: Duration,
    /// `max-error-rate`: how much higher the share of errors may be than the old release's, 0.0 to 1.0.
    pub error_margin: f64,
    /// A share of errors that is too high whatever the old release does.
    pub error_cap: Option<f64>,
    /// `max-latency-ratio`: how many times the old release's answer times are still good.
    pub max_latency_ratio: f64,
    /// Slower by less than this is never worse: at microseconds, ratios are noise.
    pub latency_floor: Duration,
    /// So many looks in a row must find an external measure over its maximum.
    pub external_looks: u32,
    pub on_little_traffic: OnLittleTraffic,
}

impl JudgeSettings {
    /// The component's `canary`, with defaults for what it leaves open.
    pub fn new(new_release: ReleaseId, old_release: ReleaseId, canary: &CanarySettings) -> Self {
        Self {
            new_release,
            old_release,
            alpha: 0.01,
            warm_up: canary.warm_up.unwrap_or(Duration::from_secs(30)),
            error_margin: canary.max_error_rate.unwrap_or(0.001),
            error_cap: None,
            max_latency_ratio: canary.max_latency_ratio.unwrap_or(1.3),
            latency_floor: Duration::from_millis(2),
            external_looks: 3,
            on_little_traffic: canary.on_little_traffic.unwrap_or_default(),
        }
    }
}
