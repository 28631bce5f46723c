//! Is the new release slower? By quantiles, from histograms.
//!
//! "At most r times as slow" as a hypothesis about distributions: for every time t, the new release's share of answers
//! slower than r t is at most the old one's share slower than t. For a t chosen beforehand that is a hypothesis about two
//! shares, and [`super::proportion`] bets against it. The times are the old release's median, 95th and 99th percentile,
//! of what it answered before: a release that is slower throughout shows at the median first, one with a longer tail at
//! the others. What slows both releases moves both shares.

use super::proportion::{Alternatives, Hypothesis, Proportion};
use super::wealth::Seen;
use super::{Baseline, Counts, Histogram, JudgeSettings, PAST_FACTOR};
use serde::{Deserialize, Serialize};

/// The quantiles, and how many answers of the old release tell where each is.
const QUANTILES: [(f64, u64); 3] = [(0.5, 100), (0.95, 200), (0.99, 1_000)];

/// Tells whether the new release answers slower.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    alpha: f64,
    ratio: f64,
    floor_us: f64,
    /// The old release's, until each quantile has been taken from it.
    old: Histogram,
    quantiles: Vec<Quantile>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Quantile {
    share: f64,
    limit_old_us: f64,
    limit_new_us: f64,
    slower: Proportion,
}

/// What the verdict "slower" was reached on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slow {
    pub quantile: f64,
    /// The old release's, in microseconds.
    pub limit_old_us: f64,
    /// What the new release was allowed.
    pub limit_new_us: f64,
    /// Answers slower than these limits.
    pub seen: Seen,
    pub hypothesis: Hypothesis,
}

impl Latency {
    /// `alpha`: how often a release that is as good may be called worse.
    pub fn new(alpha: f64, settings: &JudgeSettings, baseline: Baseline, past: &[Counts]) -> Self {
        let ratio = settings.max_latency_ratio;
        let mut latency = Self {
            alpha,
            ratio: if baseline == Baseline::Past { 1.0 + PAST_FACTOR * (ratio - 1.0) } else { ratio },
            floor_us: settings.latency_floor.as_micros() as f64,
            old: Histogram::default(),
            quantiles: Vec::new(),
        };
        past.iter().for_each(|counts| latency.old.add(counts));
        latency.take_quantiles(|limit_old_us| match baseline {
            Baseline::Past => {
                let shares = past.iter().map(|counts| counts.slower_than(limit_old_us));
                let clearly = |rate: f64| PAST_FACTOR * rate / (1.0 + (PAST_FACTOR - 1.0) * rate);
                Proportion::beyond_past(alpha, shares, Alternatives::Odds, clearly)
            }
            _ => {
                let mut slower = beside(alpha);
                past.iter().for_each(|counts| slower.learn(counts.slower_than(limit_old_us)));
                slower
            }
        });
        latency
    }

    /// The old release alone.
    pub fn learn(&mut self, old: &Counts) {
        for quantile in &mut self.quantiles {
            quantile.slower.learn(old.slower_than(quantile.limit_old_us));
        }
        self.find_quantiles(old);
    }

    /// Takes in one interval.
    pub fn observe(&mut self, new: &Counts, old: &Counts, seconds: f64) {
        for quantile in &mut self.quantiles {
            let (new, old) = (new.slower_than(quantile.limit_new_us), old.slower_than(quantile.limit_old_us));
            quantile.slower.observe(new, old, seconds);
        }
        self.find_quantiles(old);
    }

    fn find_quantiles(&mut self, old: &Counts) {
        if self.quantiles.len() < QUANTILES.len() {
            self.old.add(old);
            let alpha = self.alpha;
            self.take_quantiles(|_| beside(alpha));
        }
    }

    /// Those for which the old release has answered enough by now; they stay where they are, so that figures add up.
    fn take_quantiles(&mut self, measure: impl Fn(f64) -> Proportion) {
        let answered = self.old.total();
        let next = self.quantiles.len();
        for (share, _) in QUANTILES.into_iter().skip(next).take_while(|(_, enough)| answered >= *enough) {
            let Some(limit) = self.old.quantile_us(share).map(|limit| limit as f64) else { break };
            self.quantiles.push(Quantile {
                share,
                limit_old_us: limit,
                limit_new_us: (limit * self.ratio).max(limit + self.floor_us),
                slower: measure(limit),
            });
        }
        if self.quantiles.len() == QUANTILES.len() {
            self.old = Histogram::default();
        }
    }

    /// The quantiles share the money; one that joins later brings its own from then on.
    pub fn refuted(&self) -> Option<Slow> {
        let threshold = self.quantiles.first()?.slower.threshold();
        let missing = (QUANTILES.len() as f64 / self.quantiles.len() as f64).ln();
        let evidence = Proportion::log_mean_of(self.quantiles.iter().map(|quantile| &quantile.slower)) - missing;
        if evidence < threshold {
            return None;
        }
        let most = |a: &&Quantile, b: &&Quantile| a.slower.log_evidence().total_cmp(&b.slower.log_evidence());
        let quantile = self.quantiles.iter().max_by(most)?;
        Some(Slow {
            quantile: quantile.share,
            limit_old_us: quantile.limit_old_us,
            limit_new_us: quantile.limit_new_us,
            seen: quantile.slower.leading(),
            hypothesis: quantile.slower.hypothesis(),
        })
    }
}

fn beside(alpha: f64) -> Proportion {
    Proportion::new(alpha, Hypothesis::Beside { margin: 0.0 }, Alternatives::Odds)
}
