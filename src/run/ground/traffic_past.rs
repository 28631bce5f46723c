//! What the edge counted lately: the old release's recent past, with which a new one is compared while it is watched.

use crate::model::{EnvironmentName, ProjectName, ReleaseId, ReleaseTraffic, RouteKey, Stack, Traffic};
use crate::plan::verdict::Counts;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The edge is often asked several times in a moment.
const APART: Duration = Duration::from_secs(5);
/// A rate over less says little.
const RATE_OVER: Duration = Duration::from_secs(60);
/// Sums that are kept of a component.
const KEPT: usize = 60;

struct Noted {
    at: Instant,
    releases: BTreeMap<ReleaseId, ReleaseTraffic>,
}

/// What each component was asked of late.
#[derive(Default)]
pub struct TrafficPast(Mutex<HashMap<RouteKey, VecDeque<Noted>>>);

impl TrafficPast {
    /// Takes the edge's sums of now.
    pub fn note(&self, traffic: &Traffic) {
        self.note_at(Instant::now(), traffic);
    }

    fn note_at(&self, now: Instant, traffic: &Traffic) {
        let mut past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        past.retain(|key, _| traffic.components.iter().any(|(other, _)| other == key));
        for (key, component) in &traffic.components {
            let noted = past.entry(key.clone()).or_default();
            if noted.back().is_some_and(|last| now - last.at < APART) {
                continue;
            }
            noted.push_back(Noted { at: now, releases: component.releases.clone() });
            if noted.len() > KEPT {
                noted.pop_front();
            }
        }
    }

    /// Requests a second to the component in the last minutes, all releases together; `None` where it was watched for less
    /// than a minute.
    pub fn rate(&self, key: &RouteKey) -> Option<f64> {
        let past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = past.get(key)?;
        let (first, last) = (noted.front()?, noted.back()?);
        let time = last.at - first.at;
        if time < RATE_OVER {
            return None;
        }
        let releases: BTreeSet<&ReleaseId> = noted.iter().flat_map(|noted| noted.releases.keys()).collect();
        let requests = noted
            .iter()
            .zip(noted.iter().skip(1))
            .flat_map(|(before, after)| releases.iter().map(move |release| between(**release, before, after).requests));
        Some(requests.sum::<u64>() as f64 / time.as_secs_f64())
    }

    /// Notes with each component of the stack how much the edge led to it lately.
    pub fn tell(&self, stack: &mut Stack, project: &ProjectName, environment: &EnvironmentName) {
        for component in stack.components.values_mut().filter(|component| !component.entries.is_empty()) {
            let (project, environment) = (project.clone(), environment.clone());
            component.traffic = self.rate(&RouteKey { project, environment, component: component.name.clone() });
        }
    }

    /// The release, other than `new`, that answered last, and what it answered between each two looks, oldest first.
    pub fn before(&self, key: &RouteKey, new: ReleaseId) -> Option<(ReleaseId, Vec<Counts>)> {
        let past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = past.get(key)?;
        let pairs: Vec<(&Noted, &Noted)> = noted.iter().zip(noted.iter().skip(1)).collect();
        let answered = |release: &ReleaseId| {
            pairs.iter().rposition(|(before, after)| between(*release, before, after).requests > 0)
        };
        let others: Vec<ReleaseId> = noted.back()?.releases.keys().copied().filter(|release| *release != new).collect();
        let (_, old) = others.into_iter().filter_map(|release| Some((answered(&release)?, release))).max()?;
        let counts = pairs.iter().map(|(before, after)| between(old, before, after));
        Some((old, counts.filter(|counts| counts.requests > 0).collect()))
    }
}

/// What a release answered between two looks.
fn between(release: ReleaseId, before: &Noted, after: &Noted) -> Counts {
    let nothing = ReleaseTraffic::default();
    let sums = |noted: &'_ Noted| noted.releases.get(&release).cloned().unwrap_or_else(|| nothing.clone());
    Counts::between(&sums(before), &sums(after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ComponentName, ComponentTraffic};

    fn key() -> RouteKey {
        RouteKey {
            project: ProjectName::new("shop").unwrap(),
            environment: EnvironmentName::new("production").unwrap(),
            component: ComponentName::new("web").unwrap(),
        }
    }

    fn sums(releases: &[(i64, u64)]) -> Traffic {
        let of = |answers: u64| ReleaseTraffic {
            requests: answers,
            status_classes: [0, answers, 0, 0, 0],
            failed: 0,
            latency_us: vec![(1000, answers)],
        };
        let releases = releases.iter().map(|(id, answers)| (ReleaseId(*id), of(*answers))).collect();
        Traffic { components: vec![(key(), ComponentTraffic { releases, ..ComponentTraffic::default() })] }
    }

    #[test]
    fn the_past_is_what_the_last_other_release_answered() {
        let past = TrafficPast::default();
        assert_eq!(past.before(&key(), ReleaseId(3)), None);
        let mut now = Instant::now();
        for releases in [&[(1, 10), (2, 0)][..], &[(1, 10), (2, 5)], &[(1, 10), (2, 12)], &[(1, 10), (2, 12), (3, 4)]] {
            past.note_at(now, &sums(releases));
            // At once again: too soon to tell anything.
            past.note_at(now, &sums(releases));
            now += APART;
        }
        let (old, counts) = past.before(&key(), ReleaseId(3)).unwrap();
        assert_eq!(old, ReleaseId(2));
        assert_eq!(counts.iter().map(|counts| counts.requests).collect::<Vec<_>>(), [5, 7]);
        past.note(&Traffic::default());
        assert_eq!(past.before(&key(), ReleaseId(3)), None);
    }

    #[test]
    fn the_rate_is_that_of_all_releases() {
        let past = TrafficPast::default();
        let start = Instant::now();
        past.note_at(start, &sums(&[(1, 100)]));
        past.note_at(start + Duration::from_secs(50), &sums(&[(1, 300)]));
        assert_eq!(past.rate(&key()), None);
        past.note_at(start + Duration::from_secs(100), &sums(&[(1, 300), (2, 100)]));
        assert_eq!(past.rate(&key()), Some(3.0));
    }
}
