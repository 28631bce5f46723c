//! What work is expected to take, learned from what it took.
//!
//! The expectation is a weighted median: half of the work may have gone astray (a registry that hung, a host that
//! swapped) before it moves at will, which no mean can say of itself (Hampel's breakdown point; Huber and Ronchetti,
//! "Robust Statistics", 2009, section 1.4). Newer deployments weigh more, so that it follows a drift: the weight halves
//! every [`HALF_LIFE`] deployments, as in exponential smoothing.

use crate::model::{ComponentName, DeploymentId, Work, WorkKind, WorkOutcome};
use std::collections::BTreeMap;
use std::time::Duration;

/// Deployments after which what was measured weighs half.
pub const HALF_LIFE: f64 = 6.0;
/// Fewer than that of its own are no history.
const ENOUGH: usize = 2;

/// How much of a build was in the cache. Other work has no warmth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warmth {
    /// No step came from the cache.
    Cold,
    /// Some steps did, those after the change did not.
    Warm,
    /// Every step did.
    Cached,
}

/// Whose past an expectation rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// The component's own.
    Own,
    /// That of its environment's other components.
    Environment,
    /// That of other projects.
    Others,
}

/// What a piece of work is expected to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expectation {
    pub likely: Duration,
    /// Of ten, one was shorter than the first and one longer than the second, by the same weights.
    pub spread: (Duration, Duration),
    pub basis: Basis,
}

impl Expectation {
    /// What is left of work that has gone on for `elapsed`: at first the rest of what is likely, then the rest of what the
    /// longest took, and beyond that half as long again, since what takes long tends to take longer.
    pub fn left(&self, elapsed: Duration) -> Duration {
        let longest = self.spread.1.max(self.likely);
        match () {
            () if elapsed < self.likely => self.likely - elapsed,
            () if elapsed < longest => longest - elapsed,
            () => elapsed / 2,
        }
    }
}

type Key = (Option<ComponentName>, WorkKind, Option<Warmth>);

/// What is known of how long work takes. Times are of work that ended well.
#[derive(Debug, Clone, Default)]
pub struct Durations {
    own: BTreeMap<Key, Vec<Sample>>,
    environment: BTreeMap<(WorkKind, Option<Warmth>), Vec<Sample>>,
    others: BTreeMap<(WorkKind, Option<Warmth>), Vec<Sample>>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    took: Duration,
    weight: f64,
}

impl Durations {
    /// Learns from the work of an environment's past deployments, and, for what was never seen there, from that of
    /// others. Each newest deployment first.
    pub fn learn<'a>(own: impl IntoIterator<Item = &'a Work>, others: impl IntoIterator<Item = &'a Work>) -> Self {
        let mut learned = Self::default();
        for (work, sample) in aged(own) {
            let (kind, warmth) = (work.kind, warmth(work));
            learned.own.entry((work.component.clone(), kind, warmth)).or_default().push(sample);
            learned.environment.entry((kind, warmth)).or_default().push(sample);
        }
        for (work, sample) in aged(others) {
            learned.others.entry((work.kind, warmth(work))).or_default().push(sample);
        }
        learned
    }

    /// What a piece of work is expected to take; `None` where nothing like it was ever seen. A build counts with the
    /// warmth that the component's builds had last: rebuilds from the cache alone are told apart, as nothing is learned
    /// from them for a build of something new.
    pub fn expect(&self, component: Option<&ComponentName>, kind: WorkKind) -> Option<Expectation> {
        match kind {
            WorkKind::Build => {
                self.likely_warmth(component).and_then(|warmth| self.expect_as(component, kind, Some(warmth)))
            }
            _ => self.expect_as(component, kind, None),
        }
    }

    /// The same of a build of which the warmth is known.
    pub fn expect_build(&self, component: &ComponentName, warmth: Warmth) -> Option<Expectation> {
        self.expect_as(Some(component), WorkKind::Build, Some(warmth))
    }

    fn expect_as(
        &self,
        component: Option<&ComponentName>,
        kind: WorkKind,
        warmth: Option<Warmth>,
    ) -> Option<Expectation> {
        let own = self.own.get(&(component.cloned(), kind, warmth)).filter(|samples| samples.len() >= ENOUGH);
        let environment = self.environment.get(&(kind, warmth)).filter(|samples| samples.len() >= ENOUGH);
        let others = self.others.get(&(kind, warmth));
        let found = own.map(|samples| (samples, Basis::Own));
        let found = found.or(environment.map(|samples| (samples, Basis::Environment)));
        let (samples, basis) = found.or(others.map(|samples| (samples, Basis::Others)))?;
        let likely = quantile(samples, 0.5)?;
        let (low, high) = (quantile(samples, 0.1)?, quantile(samples, 0.9)?);
        // What was learned of something else may be twice off.
        let spread = if basis == Basis::Own { (low, high) } else { (low / 2, high * 2) };
        Some(Expectation { likely, spread, basis })
    }

    /// The warmth with the most weight among the component's builds of something new; where it only ever had others, theirs.
    fn likely_warmth(&self, component: Option<&ComponentName>) -> Option<Warmth> {
        let weight = |warmth: Warmth, enough: usize| {
            let samples = self.own.get(&(component.cloned(), WorkKind::Build, Some(warmth)))?;
            (samples.len() >= enough).then(|| samples.iter().map(|sample| sample.weight).sum::<f64>())
        };
        let heaviest = |enough: usize| {
            let seen = [Warmth::Warm, Warmth::Cold].into_iter().filter_map(|w| Some((w, weight(w, enough)?)));
            seen.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(warmth, _)| warmth)
        };
        let cached = weight(Warmth::Cached, ENOUGH).map(|_| Warmth::Cached);
        // Never built here: its first build is cold.
        heaviest(ENOUGH).or(cached).or(heaviest(1)).or(Some(Warmth::Cold))
    }
}

/// How much of a build was in the cache; `None` of what is no build, or of which it is not known.
pub fn warmth(work: &Work) -> Option<Warmth> {
    let (steps, cached) = (work.detail.steps?, work.detail.cached?);
    match cached {
        _ if work.kind != WorkKind::Build => None,
        cached if cached >= steps => Some(Warmth::Cached),
        0 => Some(Warmth::Cold),
        _ => Some(Warmth::Warm),
    }
}

/// Work that ended well, with the weight of its deployment's age.
fn aged<'a>(history: impl IntoIterator<Item = &'a Work>) -> impl Iterator<Item = (&'a Work, Sample)> {
    let mut seen: BTreeMap<DeploymentId, usize> = BTreeMap::new();
    let aged = history.into_iter().map(move |work| {
        let number = seen.len();
        let age = *seen.entry(work.deployment).or_insert(number);
        (work, Sample { took: work.took(), weight: 0.5f64.powf(age as f64 / HALF_LIFE) })
    });
    aged.filter(|(work, _)| work.outcome == WorkOutcome::Done)
}

/// The time that the given part of all weight does not exceed; between two where it falls between them, so that the median
/// of two is their middle.
fn quantile(samples: &[Sample], part: f64) -> Option<Duration> {
    let mut sorted = samples.to_vec();
    sorted.sort_by_key(|sample| sample.took);
    let total: f64 = sorted.iter().map(|sample| sample.weight).sum();
    let mut below = 0.0;
    // Each time stands in the middle of its weight.
    let mut before: Option<(f64, f64)> = None;
    for sample in &sorted {
        let (at, took) = ((below + sample.weight / 2.0) / total, sample.took.as_secs_f64());
        if at >= part {
            let seconds = match before {
                Some((at_before, took_before)) => {
                    took_before + (took - took_before) * (part - at_before) / (at - at_before)
                }
                None => took,
            };
            return Some(Duration::from_secs_f64(seconds));
        }
        before = Some((at, took));
        below += sample.weight;
    }
    sorted.last().map(|sample| sample.took)
}

#[cfg(test)]
mod tests;
