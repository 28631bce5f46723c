//! What a judge says, and how often it is wrong.

mod sentences;
mod simulations;
pub mod world;

use super::{Baseline, Conclusion, Counts, Decision, External, Interval, Judge, JudgeSettings};
use crate::model::{CanarySettings, ReleaseId};

fn settings() -> JudgeSettings {
    JudgeSettings::new(ReleaseId(42), ReleaseId(41), &CanarySettings::default())
}
