//! The past by week, the oldest first, counted back from now.

use super::parts::part_times;
use super::{History, Part, PartTime, Past, Spread};
use serde::{Deserialize, Serialize};

const WEEK_MS: i64 = 7 * 24 * 3_600_000;

/// What a week was like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Week {
    /// Milliseconds since 1970 (UTC).
    pub from_ms: i64,
    pub until_ms: i64,
    pub deployments: usize,
    pub failed: usize,
    /// From push to end, of what went live.
    pub total: Option<Spread>,
    /// Of what went live.
    pub parts: Vec<PartTime>,
}

impl Week {
    /// How long a part took in that week.
    pub fn part(&self, part: Part) -> Option<Spread> {
        self.parts.iter().find(|one| one.part == part).map(|one| one.time)
    }
}

/// From push to end.
pub fn total_ms(past: &Past) -> i64 {
    past.ended_ms - past.pushed_ms.unwrap_or(past.created_ms)
}

/// The first week may be shorter.
pub fn weeks(history: &History) -> Vec<Week> {
    let mut weeks = Vec::new();
    let mut until = history.until_ms;
    while until > history.from_ms {
        let from = (until - WEEK_MS).max(history.from_ms);
        // Whatever a clock that is ahead says, the newest week has it.
        let is_in = move |past: &&Past| past.ended_ms > from && (past.ended_ms <= until || until == history.until_ms);
        let all = history.deployments.iter().filter(is_in);
        let live = all.clone().filter(|past| past.is_live());
        weeks.push(Week {
            from_ms: from,
            until_ms: until,
            deployments: all.clone().count(),
            failed: all.filter(|past| past.is_failed()).count(),
            total: Spread::of(live.clone().map(total_ms)),
            parts: part_times(live),
        });
        until = from;
    }
    weeks.reverse();
    weeks
}

#[cfg(test)]
mod tests {
    use super::super::sample::past;
    use super::*;

    #[test]
    fn each_deployment_is_in_one_week() {
        let day = 24 * 3_600_000;
        let at = |id: i64, ended_ms: i64| Past { ended_ms, created_ms: ended_ms - 9, pushed_ms: None, ..past(id) };
        let deployments = vec![at(1, day), at(2, 2 * day), at(3, 3 * day), at(4, 10 * day), at(5, 11 * day)];
        let history = History { deployments, until_ms: 10 * day, ..History::default() };
        let weeks = weeks(&history);
        assert_eq!(weeks.iter().map(|week| week.deployments).collect::<Vec<_>>(), [3, 2]);
        assert_eq!((weeks[0].from_ms, weeks[0].until_ms, weeks[1].until_ms), (0, 3 * day, 10 * day));
        assert_eq!(weeks[1].total, Some(Spread { count: 2, median_ms: 9, p95_ms: 9 }));
    }

    #[test]
    fn no_time_has_no_week() {
        assert!(weeks(&History::default()).is_empty());
    }
}
