//! Is a new release worse than the old one? Asked after every interval, without more false alarms for asking often.
//!
//! Each measure is a null hypothesis ("the new release is not worse than ... by more than ...") and an e-process against
//! it: a non-negative process whose expectation never exceeds 1 while the hypothesis holds, so that by Ville's inequality
//! the chance that it *ever* reaches 1/alpha is at most alpha, however often and for however long it is looked at
//! (Ramdas, Grünwald, Vovk, Shafer, "Game-theoretic statistics and safe anytime-valid inference", 2023). [`block`] has
//! the bet on one interval, [`wealth`] how bets add up, [`dispersion`] what is done about requests that are not
//! independent of each other. The measures share alpha evenly.
//!
//! A judge is plain data: it is kept in the store after each interval and goes on after a restart.

mod block;
mod conclusion;
mod dispersion;
mod figures;
mod histogram;
mod interval;
mod latency;
mod proportion;
mod settings;
mod wealth;
mod words;

#[cfg(test)]
mod tests;

pub use conclusion::{Conclusion, Decision};
pub use figures::{Figures, Side};
pub use histogram::Histogram;
pub use interval::{Counts, External, Interval};
pub use settings::{Baseline, JudgeSettings};

use latency::Latency;
use proportion::{Alternatives, Hypothesis, Proportion};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Points of errors above what is tolerated that a canary must have been able to show before "as good" is said.
const NOTICEABLE: f64 = 0.05;

/// Answers of a release beside or before which nothing served, before "as good" is said.
const ENOUGH_ALONE: u64 = 30;

/// "Clearly worse" than a past: this factor, and at least so many points more.
const PAST_FACTOR: f64 = 2.0;
const PAST_POINTS: f64 = 0.01;

/// Judges one new release of one component. See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judge {
    settings: JudgeSettings,
    baseline: Baseline,
    /// Seconds since the new release's newest replicas began to serve.
    served_seconds: f64,
    errors: Option<Proportion>,
    cap: Option<Proportion>,
    latency: Option<Latency>,
    /// Looks in a row at which an external measure was over its maximum.
    over: BTreeMap<String, u32>,
    /// External measures that have had no answer yet.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    silent: BTreeSet<String>,
    figures: Figures,
    worse: Option<String>,
}

impl Judge {
    /// `past`: what the old release did in intervals before the new one served, oldest first; the more, the better is
    /// known how its errors cluster. It may be empty. For [`Baseline::Past`] it is what is compared with.
    pub fn new(settings: JudgeSettings, baseline: Baseline, past: &[Counts]) -> Self {
        let measures = u8::from(baseline != Baseline::Nothing) * 2 + u8::from(settings.error_cap.is_some());
        let alpha = settings.alpha / f64::from(measures.max(1));
        let cap =
            settings.error_cap.map(|limit| Proportion::new(alpha, Hypothesis::Limit(limit), Alternatives::Points));
        let errors = match baseline {
            Baseline::Beside => {
                let margin = settings.error_margin;
                let mut errors = Proportion::new(alpha, Hypothesis::Beside { margin }, Alternatives::Points);
                past.iter().for_each(|counts| errors.learn(counts.error_share()));
                Some(errors)
            }
            Baseline::Past => {
                let mut shares = past.iter().map(Counts::error_share).peekable();
                let margin = settings.error_margin.max(PAST_POINTS);
                shares.peek().is_some().then(|| {
                    Proportion::beyond_past(alpha, shares, Alternatives::Points, |rate| PAST_FACTOR * rate + margin)
                })
            }
            Baseline::Nothing => None,
        };
        let latency = (baseline != Baseline::Nothing).then(|| Latency::new(alpha, &settings, baseline, past));
        let mut figures = Figures::new(settings.old_release, baseline);
        if baseline == Baseline::Past {
            past.iter().for_each(|counts| figures.old.add(counts));
        }
        Self {
            settings,
            baseline,
            served_seconds: 0.0,
            errors,
            cap,
            latency,
            over: BTreeMap::new(),
            silent: BTreeSet::new(),
            figures,
            worse: None,
        }
    }

    /// Takes what happened since the last look. Once worse, it stays worse.
    pub fn observe(&mut self, interval: &Interval) -> Decision {
        if self.worse.is_none() {
            self.worse = self.look(interval);
        }
        match &self.worse {
            Some(why) => Decision::Worse { why: why.clone() },
            None => Decision::Continue,
        }
    }

    fn look(&mut self, interval: &Interval) -> Option<String> {
        if interval.restarts > 0 {
            return Some(words::restarted(self.settings.new_release, interval.restarts));
        }
        // What was never judged does not speak for the release.
        let new = interval.external.iter().filter(|measure| !self.over.contains_key(&measure.name));
        self.silent.extend(new.map(|measure| measure.name.clone()));
        let warm = self.served_seconds >= self.settings.warm_up.as_secs_f64();
        self.served_seconds += interval.seconds;
        if !warm {
            self.learn(&interval.old);
            return None;
        }
        self.figures.add(interval);
        let seconds = interval.seconds;
        let (new, old) = (interval.new.error_share(), interval.old.error_share());
        for errors in [&mut self.errors, &mut self.cap].into_iter().flatten() {
            errors.observe(new, old, seconds);
            if let Some(seen) = errors.refuted() {
                return Some(words::errors(&self.settings, errors.hypothesis(), &seen, &self.figures));
            }
        }
        if let Some(latency) = &mut self.latency {
            latency.observe(&interval.new, &interval.old, seconds);
            if let Some(slow) = latency.refuted() {
                return Some(words::latency(&self.settings, &slow, &self.figures));
            }
        }
        self.look_at_externals(&interval.external)
    }

    fn look_at_externals(&mut self, external: &[External]) -> Option<String> {
        for measure in external {
            // A query without an answer says neither good nor bad.
            let Some(value) = measure.value.filter(|value| !value.is_nan()) else { continue };
            self.silent.remove(&measure.name);
            let looks = self.over.entry(measure.name.clone()).or_default();
            *looks = if value > measure.max { *looks + 1 } else { 0 };
            if *looks >= self.settings.external_looks.max(1) {
                return Some(words::external(measure, value, *looks));
            }
        }
        None
    }

    /// The old release is watched while the new one warms up.
    fn learn(&mut self, old: &Counts) {
        if self.baseline != Baseline::Beside {
            return;
        }
        if let Some(errors) = &mut self.errors {
            errors.learn(old.error_share());
        }
        if let Some(latency) = &mut self.latency {
            latency.learn(old);
        }
    }

    /// More replicas of the new release begin to serve (a larger share of the traffic): they warm up first. What is
    /// known about the release stays.
    pub fn next_hold(&mut self) {
        self.served_seconds = 0.0;
    }

    /// What is to be said when a hold is over. It may be asked at any time, and `observe` goes on after it.
    pub fn conclude(&self) -> Conclusion {
        if let Some(why) = &self.worse {
            return Conclusion::Worse { why: why.clone() };
        }
        let figures = self.figures.clone();
        let then = self.settings.on_little_traffic;
        if let Some(measure) = self.silent.first() {
            return Conclusion::NoAnswer { figures, measure: measure.clone(), then };
        }
        let answered = self.figures.new.requests;
        let (enough, needed) = match (&self.errors, &self.cap) {
            (Some(errors), _) | (None, Some(errors)) => (errors.could_have_shown(), errors.needed(answered)),
            (None, None) => (answered >= ENOUGH_ALONE, Some(ENOUGH_ALONE)),
        };
        if enough && answered > 0 {
            return Conclusion::AsGood { figures };
        }
        Conclusion::NotEnoughTraffic { figures, needed, then }
    }

    /// What was judged so far, without the warm-up.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }
}
