//! What happened between two looks, from the edge's sums.

use super::proportion::Share;
use crate::model::ReleaseTraffic;
use serde::{Deserialize, Serialize};

/// What one release answered in some seconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Those that came to an end, answered or not.
    pub requests: u64,
    /// Answers 5xx, and requests without an answer.
    pub errors: u64,
    /// `(microseconds, count)`, ascending.
    pub latency_us: Vec<(u64, u64)>,
}

/// What both releases did between two looks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Interval {
    pub seconds: f64,
    pub new: Counts,
    /// Over the same seconds; empty where the old release did not serve.
    pub old: Counts,
    /// Of the new release's containers, crashes included.
    pub restarts: u32,
    pub external: Vec<External>,
}

/// A further measure, such as the answer to a Prometheus query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct External {
    pub name: String,
    /// `None`: the query had no answer.
    pub value: Option<f64>,
    pub max: f64,
}

impl Counts {
    /// What was added between two looks at the edge's sums. Where a sum went down, the edge has started anew in between
    /// and `after` is all that is known.
    pub fn between(before: &ReleaseTraffic, after: &ReleaseTraffic) -> Self {
        let sums = |traffic: &ReleaseTraffic| {
            let mut sums = vec![traffic.requests, traffic.failed];
            sums.extend(traffic.status_classes);
            sums
        };
        let went_down = sums(before).iter().zip(sums(after)).any(|(before, after)| after < *before)
            || latency_between(&before.latency_us, &after.latency_us).is_none();
        let nothing = ReleaseTraffic::default();
        let before = if went_down { &nothing } else { before };
        let answered: u64 = after.status_classes.iter().sum::<u64>() - before.status_classes.iter().sum::<u64>();
        let failed = after.failed - before.failed;
        Self {
            requests: answered + failed,
            errors: after.status_classes[4] - before.status_classes[4] + failed,
            latency_us: latency_between(&before.latency_us, &after.latency_us).unwrap_or_default(),
        }
    }

    pub(super) fn error_share(&self) -> Share {
        Share { hits: self.errors.min(self.requests), of: self.requests }
    }

    /// Answers that took longer than this.
    pub(super) fn slower_than(&self, limit_us: f64) -> Share {
        let mut share = Share::default();
        for (time, count) in &self.latency_us {
            share.of += count;
            share.hits += if *time as f64 > limit_us { *count } else { 0 };
        }
        share
    }
}

/// `None` where a count went down.
fn latency_between(before: &[(u64, u64)], after: &[(u64, u64)]) -> Option<Vec<(u64, u64)>> {
    let mut before = before.iter().filter(|(_, count)| *count > 0).peekable();
    let mut difference = Vec::new();
    for (time, count) in after {
        let earlier = match before.peek() {
            Some((earlier, _)) if earlier < time => return None,
            Some((earlier, count)) if earlier == time => {
                before.next();
                *count
            }
            _ => 0,
        };
        let added = count.checked_sub(earlier)?;
        if added > 0 {
            difference.push((*time, added));
        }
    }
    before.peek().is_none().then_some(difference)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(classes: [u64; 5], failed: u64, latency_us: &[(u64, u64)]) -> ReleaseTraffic {
        let requests = classes.iter().sum::<u64>() + failed;
        ReleaseTraffic { requests, status_classes: classes, failed, latency_us: latency_us.to_vec() }
    }

    #[test]
    fn an_interval_is_what_the_sums_grew_by() {
        let before = traffic([0, 90, 0, 0, 1], 1, &[(1_000, 80), (9_000, 11)]);
        let after = traffic([0, 180, 0, 5, 3], 2, &[(500, 5), (1_000, 160), (9_000, 11), (20_000, 12)]);
        let counts = Counts::between(&before, &after);
        assert_eq!((counts.requests, counts.errors), (98, 3));
        assert_eq!(counts.latency_us, [(500, 5), (1_000, 80), (20_000, 12)]);
    }

    #[test]
    fn after_a_restart_of_the_edge_its_new_sums_are_the_interval() {
        let before = traffic([0, 90, 0, 0, 1], 0, &[(1_000, 91)]);
        let after = traffic([0, 7, 0, 0, 0], 0, &[(1_000, 7)]);
        assert_eq!(Counts::between(&before, &after).requests, 7);
        // More than before in every sum, but another distribution: those cannot be the same requests.
        let other = traffic([0, 95, 0, 0, 1], 0, &[(2_000, 96)]);
        assert_eq!(Counts::between(&before, &other).requests, 96);
        assert_eq!(Counts::between(&other, &other), Counts::default());
    }

    #[test]
    fn requests_that_still_run_are_not_counted_as_answered() {
        let mut after = traffic([0, 10, 0, 0, 0], 0, &[(1_000, 10)]);
        after.requests += 5;
        assert_eq!(Counts::between(&ReleaseTraffic::default(), &after).requests, 10);
    }
}
