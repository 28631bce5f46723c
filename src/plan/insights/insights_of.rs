//! All of it together.

use super::causes::failures;
use super::dora::dora;
use super::findings::findings;
use super::longest_path::longest_path;
use super::parts::part_times;
use super::weeks::{total_ms, weeks};
use super::{Dora, Failure, Finding, History, PartTime, Spread, Week};
use crate::model::{ComponentName, DeploymentState, WorkKind, WorkOutcome};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What an environment's past tells. Its keys are those of the API, and stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Insights {
    pub outcomes: Outcomes,
    /// From push to end, of what went live.
    pub total: Option<Spread>,
    /// Of what went live; parts that never occurred are left out.
    pub parts: Vec<PartTime>,
    /// The oldest first.
    pub weeks: Vec<Week>,
    /// What deployments' ends waited for, the most first.
    pub longest_path: Vec<Holder>,
    pub cache: Cache,
    /// The most frequent first.
    pub failures: Vec<Failure>,
    pub dora: Dora,
    /// By component; empty where use is not measured.
    pub resources: BTreeMap<ComponentName, Resources>,
    pub findings: Vec<Finding>,
}

/// How deployments ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outcomes {
    pub succeeded: usize,
    pub failed: usize,
    pub rolled_back: usize,
    pub cancelled: usize,
    pub superseded: usize,
}

/// A component's share of the longest paths of what went live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Null: what belongs to no component, such as fetching.
    pub component: Option<ComponentName>,
    /// Whole percent of all longest paths.
    pub share: u64,
    /// In how many deployments it held more of the longest path than any other.
    pub deployments: usize,
}

/// What caches saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cache {
    /// Those that ended well.
    pub builds: usize,
    /// Those of them of which every step came from the cache.
    pub builds_cached: usize,
    pub builds_failed: usize,
    pub steps: u64,
    pub steps_cached: u64,
}

/// What the containers of a component used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    pub cpu_seconds: f64,
    pub memory_gb_hours: f64,
}

/// What the past tells; of an empty one, nothing.
pub fn insights(history: &History) -> Insights {
    let live = history.deployments.iter().filter(|past| past.is_live());
    let resources = history.usage.iter().map(|(name, usage)| {
        let cpu_seconds = usage.cpu_ms as f64 / 1000.0;
        let memory_gb_hours = usage.memory_byte_seconds as f64 / 3.6e12;
        (name.clone(), Resources { cpu_seconds, memory_gb_hours })
    });
    Insights {
        outcomes: outcomes(history),
        total: Spread::of(live.clone().map(total_ms)),
        parts: part_times(live),
        weeks: weeks(history),
        longest_path: holders(history),
        cache: cache(history),
        failures: failures(&history.deployments),
        dora: dora(history),
        resources: resources.collect(),
        findings: findings(history),
    }
}

fn outcomes(history: &History) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for past in &history.deployments {
        match past.state {
            DeploymentState::Succeeded => outcomes.succeeded += 1,
            DeploymentState::Failed => outcomes.failed += 1,
            DeploymentState::RolledBack => outcomes.rolled_back += 1,
            DeploymentState::Cancelled => outcomes.cancelled += 1,
            DeploymentState::Superseded => outcomes.superseded += 1,
            _ => {}
        }
    }
    outcomes
}

fn holders(history: &History) -> Vec<Holder> {
    let mut all: BTreeMap<Option<ComponentName>, (u64, usize)> = BTreeMap::new();
    for past in history.deployments.iter().filter(|past| past.is_live()) {
        let mut held: BTreeMap<Option<ComponentName>, u64> = BTreeMap::new();
        for work in longest_path(&past.work) {
            *held.entry(work.component.clone()).or_default() += u64::try_from(work.took().as_millis()).unwrap_or(0);
        }
        let most = held.iter().max_by_key(|(_, time)| **time).map(|(component, _)| component.clone());
        for (component, time) in held {
            let is_most = most.as_ref() == Some(&component);
            let entry = all.entry(component).or_default();
            (entry.0, entry.1) = (entry.0 + time, entry.1 + usize::from(is_most));
        }
    }
    let sum: u64 = all.values().map(|(time, _)| time).sum();
    let share = |time: u64| (time * 100 + sum / 2).checked_div(sum).unwrap_or(0);
    let holder = |(component, (time, deployments))| Holder { component, share: share(time), deployments };
    let mut holders: Vec<Holder> = all.into_iter().map(holder).collect();
    holders.sort_by_key(|holder| Reverse(holder.share));
    holders
}

fn cache(history: &History) -> Cache {
    let mut cache = Cache::default();
    for work in history.deployments.iter().flat_map(|past| &past.work).filter(|work| work.kind == WorkKind::Build) {
        match work.outcome {
            WorkOutcome::Done => cache.builds += 1,
            WorkOutcome::Failed => cache.builds_failed += 1,
            WorkOutcome::Cancelled => {}
        }
        let (Some(steps), Some(cached)) = (work.detail.steps, work.detail.cached) else { continue };
        cache.builds_cached += usize::from(work.outcome == WorkOutcome::Done && cached >= steps);
        cache.steps += u64::from(steps);
        cache.steps_cached += u64::from(cached.min(steps));
    }
    cache
}

#[cfg(test)]
mod tests {
    use super::super::sample::{build, history, work};
    use super::*;
    use crate::model::WorkDetail;
    use crate::plan::sample::stack;

    #[test]
    fn an_empty_past_tells_nothing() {
        let told = insights(&History::default());
        assert_eq!((told.outcomes, told.cache, told.total), (Outcomes::default(), Cache::default(), None));
        assert!(told.parts.is_empty() && told.longest_path.is_empty() && told.findings.is_empty());
    }

    #[test]
    fn who_holds_the_longest_path_is_told_by_its_share() {
        let told = insights(&history(4, stack([]), |id| {
            let slow = if id == 4 { "web" } else { "api" };
            vec![
                work(id, "", WorkKind::Fetch, 0, 100),
                work(id, slow, WorkKind::Build, 100, 900),
                work(id, "db", WorkKind::Build, 100, 500),
            ]
        }));
        let of = |name: &str, share, deployments| Holder {
            component: (!name.is_empty()).then(|| ComponentName::new(name).unwrap()),
            share,
            deployments,
        };
        assert_eq!(told.longest_path, [of("api", 68, 3), of("web", 23, 1), of("", 10, 0)]);
    }

    #[test]
    fn what_came_from_the_cache_is_counted_by_steps_and_by_builds() {
        let told = insights(&history(2, stack([]), |id| {
            let detail = |cached| WorkDetail { steps: Some(4), cached: Some(cached), ..WorkDetail::default() };
            let failed =
                crate::model::Work { outcome: WorkOutcome::Failed, ..build(id, "web", 9, WorkDetail::default()) };
            vec![build(id, "api", 10, detail(4)), build(id, "web", 10, detail(1)), failed]
        }));
        let expected = Cache { builds: 4, builds_cached: 2, builds_failed: 2, steps: 16, steps_cached: 10 };
        assert_eq!(told.cache, expected);
    }
}
