//! The four figures of DORA (Forsgren, Humble, Kim, "Accelerate", 2018, chapter 2), as a deployer can tell them.

use super::{History, Past, Spread};
use crate::model::{DeploymentState, WorkKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const DAY_MS: i64 = 24 * 3_600_000;

/// The four keys of DORA (dora.dev), as far as a deployer sees them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dora {
    /// What went live a week, rollbacks not counted; over the time since the first deployment where that is shorter.
    pub deployments_per_week: f64,
    /// From the push until it, or a newer one that has it, is live.
    pub lead_time: Option<Spread>,
    /// Changes that users could notice.
    pub changes: usize,
    /// Those of them that were put back, left broken, or rolled back later.
    pub failed_changes: usize,
    /// `failed_changes` of `changes`, 0 to 1.
    pub change_failure_rate: Option<f64>,
    /// From the moment in which a change that failed could be noticed until what runs was well again.
    pub time_to_restore: Option<Spread>,
}

/// The four keys over a history.
pub fn dora(history: &History) -> Dora {
    let all = &history.deployments;
    let went_live = all.iter().filter(|past| past.is_live() && !past.is_rollback);
    let first = all.first().map_or(history.from_ms, |past| past.created_ms.max(history.from_ms));
    let weeks = (history.until_ms - first).max(DAY_MS) as f64 / (7 * DAY_MS) as f64;
    let (failed, restored) = failures(all);
    let changes =
        all.iter().filter(|past| !past.is_rollback && (past.is_live() || past.is_failed() && past.reached_users()));
    let (changes, failed_changes) = (changes.count(), failed.len());
    Dora {
        deployments_per_week: went_live.count() as f64 / weeks,
        lead_time: Spread::of(all.iter().enumerate().filter_map(|(at, past)| lead_time(past, &all[at..]))),
        changes,
        failed_changes,
        change_failure_rate: (changes > 0).then(|| failed_changes as f64 / changes as f64),
        time_to_restore: Spread::of(restored),
    }
}

/// A push that a newer one overtook is live with that one. One that failed never is: what mends it is another change.
fn lead_time(past: &Past, from_it_on: &[Past]) -> Option<i64> {
    let pushed = past.pushed_ms?;
    if past.is_rollback || !(past.is_live() || past.state == DeploymentState::Superseded) {
        return None;
    }
    let live = from_it_on.iter().find(|later| !later.is_rollback && (later.is_live() || later.is_failed()))?;
    live.is_live().then(|| live.ended_ms - pushed)
}

/// The changes that failed, and how long each time took until what runs was well again.
fn failures(all: &[Past]) -> (BTreeSet<i64>, Vec<i64>) {
    let (mut failed, mut restored) = (BTreeSet::new(), Vec::new());
    for (at, past) in all.iter().enumerate() {
        if past.is_rollback && past.is_live() {
            // It leaves what went live last; what had failed by itself is counted already.
            let left = all[..at].iter().rev().find(|before| before.is_live() && !before.is_rollback);
            if let Some(left) = left.filter(|left| !failed.contains(&left.id.0)) {
                failed.insert(left.id.0);
                restored.push(past.ended_ms - left.ended_ms);
            }
        }
        if past.is_rollback || !past.is_failed() || !past.reached_users() {
            continue;
        }
        failed.insert(past.id.0);
        let well_again = match past.state {
            DeploymentState::RolledBack => Some(past.ended_ms),
            _ => all[at + 1..].iter().find(|later| later.is_live()).map(|later| later.ended_ms),
        };
        restored.extend(well_again.map(|well| well - noticed_ms(past)));
    }
    (failed, restored)
}

/// When a deployment could be noticed first.
fn noticed_ms(past: &Past) -> i64 {
    let touches =
        past.work.iter().filter(|work| matches!(work.kind, WorkKind::Stop | WorkKind::Drain | WorkKind::Hold));
    let began = touches.map(|work| work.started_ms).min();
    began.or(past.started_ms).unwrap_or(past.created_ms)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{DAY_MS, past, work};
    use super::*;
    use DeploymentState::*;

    fn of(deployments: Vec<Past>) -> Dora {
        let until_ms = 15 * DAY_MS;
        dora(&History { deployments, from_ms: DAY_MS, until_ms, ..History::default() })
    }

    fn in_state(id: i64, state: DeploymentState) -> Past {
        Past { state, ..past(id) }
    }

    #[test]
    fn an_empty_past_has_no_figures() {
        let none = of(Vec::new());
        assert_eq!((none.deployments_per_week, none.changes, none.lead_time), (0.0, 0, None));
        assert_eq!((none.change_failure_rate, none.time_to_restore), (None, None));
    }

    #[test]
    fn what_goes_live_is_counted_by_week() {
        assert_eq!(of((1..=14).map(past).collect()).deployments_per_week, 7.0);
        // A young project is not measured by the time before it.
        assert_eq!(of(vec![past(14)]).deployments_per_week, 7.0);
    }

    #[test]
    fn a_push_that_was_overtaken_is_live_with_the_one_that_overtook_it() {
        let overtaken = Past { pushed_ms: Some(2 * DAY_MS - 39_000), ..in_state(1, Superseded) };
        let lead = of(vec![overtaken, past(2)]).lead_time;
        assert_eq!(lead, Some(Spread { count: 2, median_ms: 80_500, p95_ms: 100_000 }));
        let failed = of(vec![in_state(1, Superseded), in_state(2, RolledBack), past(3)]).lead_time;
        assert_eq!(failed.map(|lead| lead.count), Some(1), "what it was overtaken by was put back");
    }

    #[test]
    fn a_build_that_fails_is_no_failed_change_and_one_that_is_put_back_is() {
        let build = Past { touched: false, ..in_state(1, Failed) };
        let mut put_back = in_state(2, RolledBack);
        put_back.work = vec![work(2, "web", WorkKind::Stop, put_back.ended_ms - 7_000, 1_000)];
        let dora = of(vec![build, put_back, past(3), past(4)]);
        assert_eq!((dora.changes, dora.failed_changes), (3, 1));
        assert_eq!(dora.time_to_restore, Some(Spread { count: 1, median_ms: 7_000, p95_ms: 7_000 }));
    }

    #[test]
    fn a_rollback_makes_the_change_it_leaves_a_failed_one_once() {
        let back = |id| Past { is_rollback: true, pushed_ms: None, ..past(id) };
        let dora = of(vec![past(1), past(2), back(3), back(4)]);
        assert_eq!((dora.changes, dora.failed_changes), (2, 1));
        assert_eq!(dora.time_to_restore.map(|time| time.median_ms), Some(DAY_MS));
        assert_eq!(dora.lead_time.map(|lead| lead.count), Some(2));
    }

    #[test]
    fn what_could_not_be_put_back_is_broken_until_the_next_goes_live() {
        let dora = of(vec![past(1), in_state(2, Failed), past(3)]);
        assert_eq!(dora.time_to_restore.map(|time| time.median_ms), Some(DAY_MS + 60_000));
    }
}
