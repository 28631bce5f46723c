//! How much more the old release's errors vary than independent ones would.
//!
//! Requests of one visitor fail together, so a hundred errors can be the evidence of five. The factor by which a count's
//! variance exceeds the binomial one (the design effect of cluster sampling, L. Kish, "Survey Sampling", 1965) divides
//! the logarithm of the evidence: were each visitor to send k requests that all end alike, that is exactly the test over
//! visitors. It is taken from the old release alone, so that a new release's badness cannot excuse itself, and from
//! neighbouring spans of time, so that a daily rhythm is not taken for clustering (J. von Neumann, 1941); spans of
//! several lengths, as visits outlast an interval. In independent data a power below 1 keeps an e-variable one (Jensen).

use super::proportion::Share;
use serde::{Deserialize, Serialize};

/// Lengths of the spans that are compared, in intervals.
const LENGTHS: [u32; 3] = [1, 4, 16];

/// What is believed before anything is seen, and as if after how many comparisons. Of a longer span, what the shorter
/// ones showed is believed.
const PRIOR: f64 = 1.3;
const PRIOR_PAIRS: f64 = 6.0;

/// Visits are of uneven lengths, and the long ones mislead more than a variance says; few comparisons may have missed
/// them. So what is above 1 counts this much, and more by the second over the root of their number.
const UNEVEN: (f64, f64) = (2.0, 2.5);

/// One comparison counts at most this much: a short outage is not clustering.
const MOST: f64 = 50.0;

/// How much further than by chance shares of errors are apart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Dispersion([Spans; LENGTHS.len()]);

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Spans {
    filling: Share,
    intervals: u32,
    before: Share,
    sum: f64,
    pairs: f64,
}

impl Dispersion {
    /// Takes in one interval.
    pub fn observe(&mut self, share: Share) {
        for (spans, length) in self.0.iter_mut().zip(LENGTHS) {
            spans.filling += share;
            spans.intervals += 1;
            if spans.intervals == length {
                if let Some(pair) = difference(spans.before, spans.filling) {
                    spans.sum += pair.min(MOST);
                    spans.pairs += 1.0;
                }
                *spans = Spans { before: spans.filling, sum: spans.sum, pairs: spans.pairs, ..Spans::default() };
            }
        }
    }

    /// 1.0 and more.
    pub fn factor(&self) -> f64 {
        let mut most: f64 = 1.0;
        let mut believed = PRIOR;
        for spans in &self.0 {
            let factor = (believed * PRIOR_PAIRS + spans.sum) / (PRIOR_PAIRS + spans.pairs);
            let cautious = UNEVEN.0 + UNEVEN.1 / (PRIOR_PAIRS + spans.pairs).sqrt();
            most = most.max(1.0 + cautious * (factor - 1.0));
            believed = factor.max(1.0);
        }
        most
    }
}

/// Pearson's statistic of two shares, whose expectation is 1 for independent outcomes at one rate. `None` where nothing
/// or everything was hit: given the sum of the hits, such pairs say nothing.
fn difference(a: Share, b: Share) -> Option<f64> {
    let (hits, of) = ((a.hits + b.hits) as f64, (a.of + b.of) as f64);
    if a.of == 0 || b.of == 0 || hits == 0.0 || hits == of {
        return None;
    }
    let rate = hits / of;
    let variance = rate * (1.0 - rate) * (1.0 / a.of as f64 + 1.0 / b.of as f64);
    Some((a.rate() - b.rate()).powi(2) / variance)
}

#[cfg(test)]
mod tests {
    use super::super::tests::world::Chance;
    use super::*;

    /// The factor after an hour of intervals in which `visitors` fail with the rate, `requests` each.
    fn factor(visitors: u64, requests: u64, rate: impl Fn(f64) -> f64) -> f64 {
        let mut chance = Chance::new(7);
        let mut dispersion = Dispersion::default();
        for interval in 0..720 {
            let rate = rate(f64::from(interval) / 720.0);
            let failing = (0..visitors).filter(|_| chance.happens(rate)).count() as u64;
            dispersion.observe(Share { hits: failing * requests, of: visitors * requests });
        }
        dispersion.factor()
    }

    #[test]
    fn visitors_whose_requests_fail_together_weigh_as_visitors() {
        let independent = factor(500, 1, |_| 0.02);
        let clustered = factor(100, 10, |_| 0.02);
        assert!((1.0..1.6).contains(&independent), "{independent}");
        assert!((15.0..30.0).contains(&clustered), "{clustered}");
    }

    #[test]
    fn a_daily_rhythm_is_not_clustering() {
        let rhythm = factor(500, 1, |time| 0.02 + 0.015 * (time * std::f64::consts::TAU).sin());
        assert!(rhythm < 2.0, "{rhythm}");
    }
}
