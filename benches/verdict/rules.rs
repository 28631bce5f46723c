//! The rules that are compared: ours, and what people use instead.

use launchway::model::{CanarySettings, ReleaseId};
use launchway::plan::verdict::{Baseline, Counts, Decision, Histogram, Interval, Judge, JudgeSettings};

/// Says at some interval that the new release is worse, or never.
pub trait Rule {
    fn is_worse(&mut self, interval: &Interval) -> bool;
}

/// A name, and how it begins a canary from what the old release did before.
pub type Named = (&'static str, fn(&[Counts]) -> Box<dyn Rule>);

pub const RULES: [Named; 5] = [
    ("ours", |past| Box::new(ours(past, 1.3))),
    ("ours, ratio 1.1", |past| Box::new(ours(past, 1.1))),
    ("threshold (Flagger)", |_| Box::new(Threshold::default())),
    ("z-test, each look", |_| Box::new(ZTest::default())),
    ("Mann-Whitney (Kayenta)", |_| Box::new(MannWhitney::default())),
];

fn ours(past: &[Counts], max_latency_ratio: f64) -> Judge {
    let canary = CanarySettings { max_latency_ratio: Some(max_latency_ratio), ..CanarySettings::default() };
    Judge::new(JudgeSettings::new(ReleaseId(42), ReleaseId(41), &canary), Baseline::Beside, past)
}

impl Rule for Judge {
    fn is_worse(&mut self, interval: &Interval) -> bool {
        self.observe(interval) != Decision::Continue
    }
}

/// Adds five-second intervals up to the minutes that the others look at.
#[derive(Default)]
struct Minute {
    intervals: u32,
    sides: [Totals; 2],
}

#[derive(Default, Clone)]
struct Totals {
    requests: u64,
    errors: u64,
    latency: Histogram,
}

impl Totals {
    fn add(&mut self, counts: &Counts) {
        self.requests += counts.requests;
        self.errors += counts.errors;
        self.latency.add(counts);
    }

    fn error_rate(&self) -> f64 {
        self.errors as f64 / self.requests.max(1) as f64
    }

    fn p99_ms(&self) -> f64 {
        self.latency.quantile_us(0.99).unwrap_or(0) as f64 / 1e3
    }
}

impl Minute {
    fn add(&mut self, interval: &Interval) -> Option<[Totals; 2]> {
        self.sides[0].add(&interval.new);
        self.sides[1].add(&interval.old);
        self.intervals += 1;
        (self.intervals == 12).then(|| std::mem::take(self).sides)
    }
}

/// As Flagger's documentation writes it (docs.flagger.app/usage/metrics, 2026): each minute a success rate of at least
/// 99 % and a p99 of at most 500 ms; put back after 5 failed checks.
#[derive(Default)]
struct Threshold {
    minute: Minute,
    failed: u32,
}

impl Rule for Threshold {
    fn is_worse(&mut self, interval: &Interval) -> bool {
        if let Some([new, _]) = self.minute.add(interval) {
            self.failed += u32::from(new.requests > 0 && (new.error_rate() > 0.01 || new.p99_ms() > 500.0));
        }
        self.failed >= 5
    }
}

/// The test of two proportions that spreadsheets have, one-sided at 1 %, at each look at all errors so far.
#[derive(Default)]
struct ZTest {
    /// Errors and requests.
    new: (f64, f64),
    old: (f64, f64),
}

impl Rule for ZTest {
    fn is_worse(&mut self, interval: &Interval) -> bool {
        for (sums, counts) in [(&mut self.new, &interval.new), (&mut self.old, &interval.old)] {
            sums.0 += counts.errors as f64;
            sums.1 += counts.requests as f64;
        }
        let ((new, n), (old, m)) = (self.new, self.old);
        let pooled = (new + old) / (n + m);
        let z = (new / n - old / m) / (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
        n >= 30.0 && m >= 30.0 && z > 2.326
    }
}

/// Kayenta's classifier (kayenta-judge, MannWhitneyClassifier: confidence 0.98, tolerance 0.25) on a point a minute of
/// the error rate and the p99, again at each minute from the tenth on: the lower end of the confidence interval of the
/// shift is above a quarter of the estimated shift.
#[derive(Default)]
struct MannWhitney {
    minute: Minute,
    errors: [Vec<f64>; 2],
    p99: [Vec<f64>; 2],
}

impl Rule for MannWhitney {
    fn is_worse(&mut self, interval: &Interval) -> bool {
        let Some(sides) = self.minute.add(interval) else { return false };
        for (side, totals) in sides.iter().enumerate() {
            self.errors[side].push(totals.error_rate());
            self.p99[side].push(totals.p99_ms());
        }
        self.errors[0].len() >= 10 && (shifted(&self.errors) || shifted(&self.p99))
    }
}

fn shifted([new, old]: &[Vec<f64>; 2]) -> bool {
    let mut differences: Vec<f64> = new.iter().flat_map(|new| old.iter().map(move |old| new - old)).collect();
    differences.sort_by(f64::total_cmp);
    let (n, m) = (new.len() as f64, old.len() as f64);
    let below = n * m / 2.0 - 2.326 * (n * m * (n + m + 1.0) / 12.0).sqrt();
    let lower = differences[below.max(0.0) as usize];
    let estimate = differences[differences.len() / 2];
    lower > 0.25 * estimate.abs()
}
