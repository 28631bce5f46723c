//! The order of those who wait for room. A small deployment may pass a large one for a while; then the large one comes
//! first as soon as what goes on beside it has ended. Where nothing goes on that could make room for it, holding others
//! back would help nobody.

use super::Amount;
use crate::model::DeploymentId;
use std::cmp::Reverse;
use std::time::Duration;

/// For so long one that waits may be passed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One that waits, or asks for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    pub id: DeploymentId,
    /// Of its environment; the higher comes first.
    pub priority: i8,
    pub waited: Duration,
    /// What it waits for, as [`super::Admission::Wait`] says it.
    pub of: &'static str,
    /// Whether it has looked since something ended last.
    pub has_looked: bool,
}

impl Waits {
    fn rank(&self) -> impl Ord {
        (Reverse(self.priority), Reverse(self.waited), self.id)
    }
}

/// Who of those that wait comes before `asks`, which would have room for `wants`. `others_go_on`: somebody was let in and
/// has not ended.
pub fn comes_before<'a>(waiting: &'a [Waits], asks: &Waits, wants: Amount, others_go_on: bool) -> Option<&'a Waits> {
    let ahead = waiting.iter().filter(|one| one.id != asks.id && one.rank() < asks.rank());
    let of_the_same = ahead.filter(|one| match one.of {
        "CPU" => wants.cpu_millis > 0,
        "disk" => wants.disk_bytes > 0,
        _ => wants.expected_bytes > 0 || wants.reserved_bytes > 0,
    });
    let first = of_the_same.filter(|one| !one.has_looked || (others_go_on && one.waited >= PATIENCE));
    first.min_by_key(|one| one.rank())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(id: i64, priority: i8, seconds: u64, of: &'static str) -> Waits {
        let waited = Duration::from_secs(seconds);
        Waits { id: DeploymentId(id), priority, waited, of, has_looked: true }
    }

    const MEMORY: Amount = Amount { reserved_bytes: 1, expected_bytes: 1, cpu_millis: 0, disk_bytes: 0 };

    fn before(waiting: &[Waits], asks: &Waits, others_go_on: bool) -> Option<i64> {
        comes_before(waiting, asks, MEMORY, others_go_on).map(|first| first.id.0)
    }

    #[test]
    fn one_that_has_waited_for_long_is_passed_only_where_nothing_goes_on() {
        let asks = waits(9, 0, 0, "memory");
        assert_eq!(before(&[waits(1, 0, 59, "memory")], &asks, true), None, "it may be passed for a while");
        assert_eq!(before(&[waits(1, 0, 60, "memory")], &asks, true), Some(1));
        assert_eq!(before(&[waits(1, 0, 600, "memory")], &asks, false), None, "nothing will end");
        assert_eq!(before(&[waits(9, 0, 600, "memory")], &asks, true), None, "nobody waits for himself");
    }

    #[test]
    fn when_something_has_ended_the_first_in_line_looks_first() {
        let fresh = Waits { has_looked: false, ..waits(1, 0, 5, "memory") };
        assert_eq!(before(&[fresh], &waits(2, 0, 4, "memory"), false), Some(1));
        assert_eq!(before(&[fresh], &waits(2, 0, 6, "memory"), false), None, "that one has waited longer");
        assert_eq!(before(&[fresh], &waits(2, 1, 0, "memory"), false), None, "its priority is higher");
        let both = [fresh, Waits { has_looked: false, ..waits(3, 1, 2, "memory") }];
        assert_eq!(before(&both, &waits(2, 0, 4, "memory"), false), Some(3), "the very first is named");
    }

    #[test]
    fn who_wants_something_else_is_not_held_back() {
        let asks = waits(9, 0, 0, "memory");
        for of in ["CPU", "disk"] {
            assert_eq!(before(&[waits(1, 0, 600, of)], &asks, true), None, "{of}");
        }
        let cpu = Amount { cpu_millis: 1, ..Amount::default() };
        assert!(comes_before(&[waits(1, 0, 600, "CPU")], &asks, cpu, true).is_some());
        assert_eq!(comes_before(&[waits(1, 0, 600, "memory")], &asks, cpu, true), None);
    }
}
