//! One measure that is a share of requests: errors, or answers slower than a time.

use super::block::Bet;
use super::dispersion::Dispersion;
use super::wealth::{FIRST_START, Seen, Wealth, add_logs, log_mean, richest};
use super::{ENOUGH_ALONE, NOTICEABLE};
use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Share {
    pub hits: u64,
    pub of: u64,
}

/// What is to be refuted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hypothesis {
    /// The new release's rate is at most the old one's over the same seconds plus `margin`.
    Beside { margin: f64 },
    /// It is at most this.
    Limit(f64),
}

/// How bad a bad release may be: where the money is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alternatives {
    /// Points above what the hypothesis allows.
    Points,
    /// Multiples of the odds of what it allows.
    Odds,
}

const POINTS: [f64; 6] = [0.003, 0.01, 0.025, NOTICEABLE, 0.15, 0.5];
const ODDS: [f64; 5] = [1.3, 1.8, 3.0, 8.0, 30.0];

/// An interval brings at most this part of the evidence that is needed: three have to agree, so that one burst of one
/// visitor is not a verdict. (Less evidence than there is keeps an e-variable one.)
const MOST_AT_ONCE: f64 = 0.5;

/// What is known of the old rate fades by this from interval to interval, for days have a rhythm.
const MEMORY: f64 = 0.98;

/// The part of a measure's alpha that the bound on a past rate takes.
const ALPHA_OF_BOUND: f64 = 0.2;

/// Tells whether one share is larger than another, at any time and as often as it is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proportion {
    /// Logarithm of the evidence at which the hypothesis is refuted.
    threshold: f64,
    hypothesis: Hypothesis,
    alternatives: Alternatives,
    /// Faded hits and outcomes of the old release, with half a hit in fifty as what is believed before.
    old: (f64, f64),
    dispersion: Dispersion,
    wealths: Vec<Wealth>,
    blocks: u64,
    /// Waits until both releases have an outcome.
    waiting: Seen,
    /// The logarithm of the evidence to be expected by now had the new release been noticeably worse.
    expected: f64,
}

impl Proportion {
    /// `alpha`: how often what is as good may be called worse.
    pub fn new(alpha: f64, hypothesis: Hypothesis, alternatives: Alternatives) -> Self {
        let count = match alternatives {
            Alternatives::Points => POINTS.len(),
            Alternatives::Odds => ODDS.len(),
        };
        Self {
            threshold: -alpha.ln(),
            hypothesis,
            alternatives,
            old: (0.5, 50.0),
            dispersion: Dispersion::default(),
            wealths: vec![Wealth::default(); count],
            blocks: 0,
            waiting: Seen::default(),
            expected: 0.0,
        }
    }

    /// Against a past that cannot be seen again: the limit is `clearly` of an upper bound on its rate.
    pub fn beyond_past(
        alpha: f64,
        past: impl Iterator<Item = Share>,
        alternatives: Alternatives,
        clearly: impl Fn(f64) -> f64,
    ) -> Self {
        let mut dispersion = Dispersion::default();
        let mut total = Share::default();
        for share in past {
            dispersion.observe(share);
            total += share;
        }
        let bound = upper_bound(total.rate(), total.of as f64 / dispersion.factor(), ALPHA_OF_BOUND * alpha);
        let limit = Hypothesis::Limit(clearly(bound).min(0.9));
        Self { dispersion, ..Self::new((1.0 - ALPHA_OF_BOUND) * alpha, limit, alternatives) }
    }

    /// What it is tested against.
    pub fn hypothesis(&self) -> Hypothesis {
        self.hypothesis
    }

    /// The old release alone: what is known of its rate, and of how its hits cluster.
    pub fn learn(&mut self, old: Share) {
        self.dispersion.observe(old);
        self.old.0 = self.old.0 * MEMORY + old.hits as f64;
        self.old.1 = self.old.1 * MEMORY + old.of as f64;
    }

    /// Bets by what was known before, then learns.
    pub fn observe(&mut self, new: Share, old: Share, seconds: f64) {
        self.waiting.new += new;
        self.waiting.old += old;
        self.waiting.seconds += seconds;
        let beside = matches!(self.hypothesis, Hypothesis::Beside { .. });
        if self.waiting.new.of > 0 && (!beside || self.waiting.old.of > 0) {
            let block = std::mem::take(&mut self.waiting);
            self.bet(block);
        }
        if beside {
            self.learn(old);
        }
    }

    fn bet(&mut self, block: Seen) {
        self.blocks += 1;
        let sizes = (block.new.of, block.old.of);
        let (allowed, old_rate) = match self.hypothesis {
            Hypothesis::Beside { margin } => (self.old.0 / self.old.1 + margin, self.old.0 / self.old.1),
            Hypothesis::Limit(limit) => (limit, 0.0),
        };
        let factor = self.dispersion.factor();
        let bet_on = |rate: f64| match self.hypothesis {
            Hypothesis::Beside { margin } => Bet::beside(rate, old_rate, margin, sizes),
            Hypothesis::Limit(limit) => Bet::limit(rate, limit),
        };
        let rates: Vec<f64> = match self.alternatives {
            Alternatives::Points => POINTS.iter().map(|points| (allowed + points).min(0.999)).collect(),
            Alternatives::Odds => ODDS.iter().map(|odds| odds * allowed / (1.0 + (odds - 1.0) * allowed)).collect(),
        };
        let most = MOST_AT_ONCE * self.threshold;
        for (wealth, rate) in self.wealths.iter_mut().zip(rates) {
            let evidence = bet_on(rate).map_or(0.0, |bet| bet.log_evidence(block.new, block.old) / factor);
            wealth.bet(self.blocks, evidence.min(most), block);
        }
        let noticeable = bet_on((allowed + NOTICEABLE).min(0.999));
        self.expected += noticeable.map_or(0.0, |bet| (bet.expected(sizes) / factor).min(most));
    }

    /// What it was refuted on.
    pub fn refuted(&self) -> Option<Seen> {
        (self.log_evidence() >= self.threshold).then(|| self.leading())
    }

    /// What speaks loudest against the hypothesis.
    pub fn leading(&self) -> Seen {
        richest(&self.wealths).map(Wealth::seen).unwrap_or_default()
    }

    /// The logarithm of the evidence so far.
    pub fn log_evidence(&self) -> f64 {
        log_mean(&self.wealths)
    }

    /// From so much evidence on (its logarithm) it is told.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The measures' mean is an e-process for all of their hypotheses together.
    pub fn log_mean_of<'a>(all: impl Iterator<Item = &'a Proportion>) -> f64 {
        let logs: Vec<f64> = all.map(Proportion::log_evidence).collect();
        let count = logs.len().max(1) as f64;
        logs.into_iter().reduce(add_logs).map_or(f64::NEG_INFINITY, |sum| sum - count.ln())
    }

    /// Had the new release been noticeably worse, it would have been refuted by now on average.
    pub fn could_have_shown(&self) -> bool {
        self.expected >= self.needed_evidence()
    }

    /// About how many answers of the new release it takes, going by those `answered` so far.
    pub fn needed(&self, answered: u64) -> Option<u64> {
        let needed = answered as f64 * self.needed_evidence() / self.expected;
        (needed.is_finite() && needed < 1e12).then(|| (needed.ceil() as u64).max(ENOUGH_ALONE))
    }

    /// One alternative's money has to make up for the others', and for what was kept for later starts.
    fn needed_evidence(&self) -> f64 {
        self.threshold + (self.wealths.len() as f64 / FIRST_START).ln()
    }
}

/// A rate that is above the true one but for the chance `alpha`: the largest whose Kullback-Leibler distance from what
/// was seen is within -ln(alpha) / outcomes (Chernoff's bound, exact for independent outcomes).
fn upper_bound(rate: f64, outcomes: f64, alpha: f64) -> f64 {
    let allowed = -alpha.ln() / outcomes.max(1e-9);
    let term = |p: f64, q: f64| if p == 0.0 { 0.0 } else { p * (p / q).ln() };
    let (mut low, mut high) = (rate, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if term(rate, middle) + term(1.0 - rate, 1.0 - middle) > allowed {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

impl Share {
    /// 0 without outcomes.
    pub fn rate(self) -> f64 {
        if self.of == 0 { 0.0 } else { self.hits as f64 / self.of as f64 }
    }
}

impl AddAssign for Share {
    fn add_assign(&mut self, other: Self) {
        self.hits += other.hits;
        self.of += other.of;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_on_a_past_rate_is_above_it_and_closes_in() {
        // Nothing in n: 1 - alpha^(1/n).
        assert!((upper_bound(0.0, 1_000.0, 0.001) - (1.0 - 0.001f64.powf(1e-3))).abs() < 1e-9);
        assert!(upper_bound(0.01, 1e3, 0.001) > upper_bound(0.01, 1e5, 0.001));
        assert!((0.01..0.0105).contains(&upper_bound(0.01, 1e6, 0.001)));
        assert_eq!(upper_bound(0.0, 0.0, 0.001), 1.0);
    }

    #[test]
    fn no_interval_decides_alone() {
        let mut errors = Proportion::new(0.005, Hypothesis::Beside { margin: 0.001 }, Alternatives::Points);
        let all = |of| Share { hits: of, of };
        let none = |of| Share { hits: 0, of };
        for look in 1..=3 {
            errors.observe(all(10_000), none(10_000), 5.0);
            assert_eq!(errors.refuted().is_some(), look == 3, "look {look}");
        }
    }

    #[test]
    fn outcomes_wait_for_the_other_release() {
        let mut errors = Proportion::new(0.005, Hypothesis::Beside { margin: 0.001 }, Alternatives::Points);
        errors.observe(Share { hits: 1, of: 2 }, Share::default(), 5.0);
        assert_eq!(errors.blocks, 0);
        errors.observe(Share::default(), Share { hits: 0, of: 3 }, 5.0);
        assert_eq!((errors.blocks, errors.waiting), (1, Seen::default()));
    }
}
