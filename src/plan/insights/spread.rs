//! How long something takes: the middle, and what is rarely exceeded.

use serde::{Deserialize, Serialize};

/// How values are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many were measured.
    pub count: usize,
    pub median_ms: i64,
    /// 95 of 100 took no longer; of few, the longest.
    pub p95_ms: i64,
}

impl Spread {
    /// `None` of nothing.
    pub fn of(times_ms: impl IntoIterator<Item = i64>) -> Option<Self> {
        let mut sorted: Vec<i64> = times_ms.into_iter().map(|time| time.max(0)).collect();
        sorted.sort_unstable();
        let count = sorted.len();
        let middle = *sorted.get(count / 2)?;
        let median_ms = if count % 2 == 1 { middle } else { (sorted[count / 2 - 1] + middle) / 2 };
        // The nearest rank.
        let p95_ms = sorted[(count * 95).div_ceil(100).saturating_sub(1)];
        Some(Self { count, median_ms, p95_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_what_is_rarely_exceeded() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([7]), Some(Spread { count: 1, median_ms: 7, p95_ms: 7 }));
        assert_eq!(Spread::of([30, 10]), Some(Spread { count: 2, median_ms: 20, p95_ms: 30 }));
        assert_eq!(Spread::of(1..=100), Some(Spread { count: 100, median_ms: 50, p95_ms: 95 }));
        assert_eq!(Spread::of([-5, -1, 3]), Some(Spread { count: 3, median_ms: 0, p95_ms: 3 }), "a clock set back");
    }
}
