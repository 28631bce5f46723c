//! Which work a deployment's end waited for.

use crate::model::{Work, WorkKind, WorkOutcome};

/// Times are whole milliseconds, and each is rounded.
const ROUNDING_MS: i64 = 2;

/// The chain of work that ended last before the bake, the first first: each began when the one before it had ended, or
/// some time after where nothing was going on. What was waited for is not in the record, so a piece of work that ended
/// just before another began counts as what that one waited for.
pub fn longest_path(work: &[Work]) -> Vec<&Work> {
    let bake = work.iter().filter(|work| work.kind == WorkKind::Bake).map(|work| work.started_ms).min();
    let counts = |work: &&Work| {
        let is_after = bake.is_some_and(|bake| work.started_ms >= bake);
        work.outcome == WorkOutcome::Done && !is_after && !matches!(work.kind, WorkKind::Bake | WorkKind::Remove)
    };
    let mut by_end: Vec<&Work> = work.iter().filter(counts).collect();
    by_end.sort_by_key(|work| (work.ended_ms, work.started_ms));
    let mut path: Vec<&Work> = Vec::new();
    while let Some(work) = by_end.pop() {
        let led_to =
            |next: &&Work| work.ended_ms <= next.started_ms + ROUNDING_MS && work.started_ms <= next.started_ms;
        if path.last().is_none_or(led_to) {
            path.push(work);
        }
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::super::sample::work;
    use super::*;

    fn subjects(all: &[Work]) -> Vec<String> {
        longest_path(all).iter().map(|work| format!("{} {}", work.subject, work.kind)).collect()
    }

    #[test]
    fn it_goes_through_what_ended_last_before_each_began() {
        let all = [
            work(1, "", WorkKind::Fetch, 0, 100),
            work(1, "api", WorkKind::Build, 120, 900),
            work(1, "web", WorkKind::Build, 120, 300),
            work(1, "api", WorkKind::Start, 1021, 10),
            work(1, "web", WorkKind::Start, 1022, 10),
            work(1, "web", WorkKind::Ready, 1032, 5000),
            work(1, "api", WorkKind::Ready, 1031, 800),
            work(1, "", WorkKind::Bake, 6033, 60_000),
            work(1, "web", WorkKind::Stop, 66_040, 10_000),
            work(1, "web", WorkKind::Remove, 76_040, 100),
        ];
        // The web's start waited for the api's build: no container starts before all images are there.
        assert_eq!(subjects(&all), [" fetch", "api build", "web start", "web ready"]);
    }

    #[test]
    fn work_that_failed_and_no_work_hold_nothing() {
        let failed = Work { outcome: WorkOutcome::Failed, ..work(1, "api", WorkKind::Build, 0, 100) };
        assert!(longest_path(&[failed]).is_empty());
        assert!(longest_path(&[]).is_empty());
    }
}
