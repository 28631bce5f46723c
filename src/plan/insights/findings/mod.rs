//! What could be better, told only where the past shows it: a file for each.

mod early_layer;
mod health_interval;
mod ignored_signal;
mod limits;
mod method;
mod needless_wait;
mod sent_context;

use super::History;
use serde::{Deserialize, Serialize};

/// Fewer than that may be chance: nothing is said.
const ENOUGH: usize = 5;

/// Something that could be better.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// One sentence that begins with the component.
    pub what: String,
    /// The figures, with deployments' numbers.
    pub evidence: String,
    /// What to change where.
    pub change: String,
}

/// What the past shows, by kind and component.
pub fn findings(history: &History) -> Vec<Finding> {
    let all = [
        early_layer::find,
        sent_context::find,
        health_interval::find,
        needless_wait::find,
        ignored_signal::find,
        limits::find,
        method::find,
    ];
    all.into_iter().flat_map(|find| find(history)).collect()
}

/// Whether so many of all are the rule: four of five.
fn is_the_rule(some: usize, all: usize) -> bool {
    some * 5 >= all * 4
}
