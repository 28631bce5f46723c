//! Answer times, kept small: a bucket is at most 1/64 wide.

use super::Counts;
use serde::{Deserialize, Serialize};

/// `(highest value of the bucket in microseconds, count)`, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram(Vec<(u64, u64)>);

impl Histogram {
    /// Adds the answers of an interval.
    pub fn add(&mut self, counts: &Counts) {
        let mut at = 0;
        for (time, count) in &counts.latency_us {
            let bucket = bucket(*time);
            // The times ascend, so most often the place is the same or the next.
            at += self.0[at..].iter().take_while(|(next, _)| *next < bucket).count();
            if at > 0 && self.0[at - 1].0 >= bucket {
                at = self.0.partition_point(|(before, _)| *before < bucket);
            }
            match self.0.get_mut(at) {
                Some((found, total)) if *found == bucket => *total += count,
                _ => self.0.insert(at, (bucket, *count)),
            }
        }
    }

    /// How many answers there were.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
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
        let before = histogram.clone();
        histogram.add(&Counts { latency_us: vec![(100, 1), (5, 1)], ..Counts::default() });
        assert_eq!(histogram.0, [(5, 1), (10, 90), (100, 10), (127, 1)]);
        let of = |share| before.quantile_us(share).unwrap();
        assert_eq!((of(0.5), of(0.9), of(0.95), of(0.99), of(1.0)), (10, 10, 100, 100, 127));
    }
}
