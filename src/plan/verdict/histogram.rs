//! Answer times, kept small: a bucket is at most 1/64 wide.

use super::Counts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Counts by the highest value of their bucket, in microseconds. Kept as pairs: numbers are no keys in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct Histogram(BTreeMap<u64, u64>);

impl Histogram {
    pub fn add(&mut self, counts: &Counts) {
        for (time, count) in &counts.latency_us {
            *self.0.entry(bucket(*time)).or_default() += count;
        }
    }

    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The time in microseconds within which `share` (0.0 to 1.0) of all answers came; `None` without answers.
    pub fn quantile_us(&self, share: f64) -> Option<u64> {
        let rank = ((self.total() as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        self.0.iter().find_map(|(time, count)| {
            seen += count;
            (seen >= rank).then_some(*time)
        })
    }
}

impl From<Vec<(u64, u64)>> for Histogram {
    fn from(pairs: Vec<(u64, u64)>) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl From<Histogram> for Vec<(u64, u64)> {
    fn from(histogram: Histogram) -> Self {
        histogram.0.into_iter().collect()
    }
}

fn bucket(time: u64) -> u64 {
    let width = (u64::BITS - time.leading_zeros()).saturating_sub(7);
    time | ((1 << width) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_at_most_a_sixty_fourth_wide_and_holds_its_times() {
        for time in (0..5_000_000_u64).step_by(37) {
            let highest = bucket(time);
            assert!(highest >= time && highest as f64 <= time as f64 * 1.016, "{time} in {highest}");
        }
        assert_eq!(bucket(u64::MAX), u64::MAX);
    }

    #[test]
    fn quantiles_are_times_within_which_so_many_answers_came() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile_us(0.5), None);
        histogram.add(&Counts { latency_us: vec![(10, 90), (100, 9), (127, 1)], ..Counts::default() });
        let of = |share| histogram.quantile_us(share).unwrap();
        assert_eq!((of(0.5), of(0.9), of(0.95), of(0.99), of(1.0)), (10, 10, 100, 100, 127));
    }
}
