//! The order of those who wait for room. Whoever fits may go while those before it do not fit; but one that has waited for
//! long is passed only where nothing goes on that could make room for it: holding others back would then help nobody.
//!
//! What a project asks for it chooses itself, and how long what it has begun goes on, too. So its own deployments are nothing
//! that others wait for on its behalf, and it holds another project's back only for so long.

use super::disk::Disk;
use super::{Admission, Amount, Host, admit};
use crate::model::{DeploymentId, ProjectName};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

/// For so long one that waits may be passed.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// One for which there is room waits no longer than that for another project's for which there is none.
pub const HELD_BACK: Duration = Duration::from_secs(300);

/// One that waits, or asks for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    pub id: DeploymentId,
    pub project: ProjectName,
    /// Of its environment; the higher comes first.
    pub priority: i8,
    pub waited: Duration,
    /// What it waits for, as [`Admission::Wait`] says it.
    pub of: &'static str,
    /// What it asked for last.
    pub wants: Amount,
}

impl Waits {
    fn rank(&self) -> impl Ord {
        (Reverse(self.priority), Reverse(self.waited), self.id)
    }
}

/// What there is, as the one that asks finds it.
#[derive(Debug, Clone, Copy)]
pub struct There<'a> {
    pub host: &'a Host,
    /// Absent where it cannot be seen, or does not matter.
    pub disk: Option<&'a Disk>,
    /// Whose deployments were let in and have not ended, but for the one that asks.
    pub go_on: &'a BTreeSet<ProjectName>,
}

impl There<'_> {
    fn fits(&self, one: &Waits) -> bool {
        let on_disk =
            |disk: &Disk| u64::try_from(one.wants.disk_bytes).is_ok_and(|bytes| bytes <= disk.free_for_more());
        let has_disk = one.wants.disk_bytes <= 0 || self.disk.is_none_or(on_disk);
        has_disk && admit(one.wants, Amount::default(), self.host) == Admission::Start
    }

    /// Whether one for which there is no room has waited for so long that what goes on is to make room for it first.
    fn is_for(&self, one: &Waits, asks: &Waits) -> bool {
        let may_hold_back = one.project == asks.project || asks.waited < HELD_BACK;
        one.waited >= PATIENCE && may_hold_back && self.go_on.iter().any(|project| *project != one.project)
    }
}

/// Who of those that wait comes before `asks`, for whom there would be room.
pub fn comes_before<'a>(waiting: &'a [Waits], asks: &Waits, there: There<'_>) -> Option<&'a Waits> {
    let ahead = waiting.iter().filter(|one| one.id != asks.id && one.rank() < asks.rank());
    let of_the_same = ahead.filter(|one| match one.of {
        "CPU" => asks.wants.cpu_millis > 0,
        "disk" => asks.wants.disk_bytes > 0,
        _ => asks.wants.expected_bytes > 0 || asks.wants.reserved_bytes > 0,
    });
    let first = of_the_same.filter(|one| there.fits(one) || there.is_for(one, asks));
    first.min_by_key(|one| one.rank())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: i64 = 1 << 30;

    /// Waits for, or asks for, as many gigabytes.
    fn waits(id: i64, priority: i8, seconds: u64, gigabytes: i64) -> Waits {
        let wants = Amount { reserved_bytes: gigabytes * GB, expected_bytes: gigabytes * GB, ..Amount::default() };
        let (project, waited) = (project("big"), Duration::from_secs(seconds));
        Waits { id: DeploymentId(id), project, priority, waited, of: "memory", wants }
    }

    fn project(name: &str) -> ProjectName {
        ProjectName::new(name).unwrap()
    }

    /// Of 16 GB, half a gigabyte stays free.
    fn before(waiting: &[Waits], asks: &Waits, others_go_on: bool) -> Option<i64> {
        beside(waiting, asks, if others_go_on { &["busy"] } else { &[] })
    }

    fn beside(waiting: &[Waits], asks: &Waits, go_on: &[&str]) -> Option<i64> {
        let host = Host { memory_bytes: 16 * GB, cpu_millis: 4000, ..Host::default() };
        let there = There { host: &host, disk: None, go_on: &go_on.iter().map(|name| project(name)).collect() };
        comes_before(waiting, asks, there).map(|first| first.id.0)
    }

    #[test]
    fn one_that_has_waited_for_long_is_passed_only_where_nothing_goes_on() {
        let asks = waits(9, 0, 0, 1);
        assert_eq!(before(&[waits(1, 0, 59, 20)], &asks, true), None, "it may be passed for a while");
        assert_eq!(before(&[waits(1, 0, 60, 20)], &asks, true), Some(1));
        assert_eq!(before(&[waits(1, 0, 600, 20)], &asks, false), None, "nothing will end");
        assert_eq!(before(&[waits(9, 0, 600, 20)], &asks, true), None, "nobody waits for himself");
    }

    #[test]
    fn for_whom_there_is_room_by_now_goes_before_whoever_came_later() {
        let fits = waits(1, 0, 5, 9);
        assert_eq!(before(std::slice::from_ref(&fits), &waits(2, 0, 4, 9), false), Some(1));
        assert_eq!(before(std::slice::from_ref(&fits), &waits(2, 0, 6, 9), false), None, "that one has waited longer");
        assert_eq!(before(std::slice::from_ref(&fits), &waits(2, 1, 0, 9), false), None, "its priority is higher");
        let both = [fits, waits(3, 1, 2, 9)];
        assert_eq!(before(&both, &waits(2, 0, 4, 9), false), Some(3), "the very first is named");
    }

    #[test]
    fn a_project_that_asks_for_too_much_holds_others_back_only_for_so_long_and_not_by_what_it_has_begun_itself() {
        let too_much = [waits(1, 0, 3600, 20)];
        let asks = |seconds| Waits { project: project("shop"), ..waits(9, 0, seconds, 1) };
        assert_eq!(beside(&too_much, &asks(299), &["blog"]), Some(1));
        assert_eq!(beside(&too_much, &asks(300), &["blog"]), None);
        assert_eq!(beside(&too_much, &asks(0), &["big"]), None, "that goes on for as long as it likes");
        assert_eq!(beside(&too_much, &asks(0), &["big", "blog"]), Some(1));
        // Its own wait as long as it does.
        assert_eq!(beside(&too_much, &waits(9, 0, 900, 1), &["blog"]), Some(1));
    }

    #[test]
    fn who_wants_something_else_is_not_held_back() {
        let of = |of| Waits { of, ..waits(1, 0, 600, 20) };
        for other in ["CPU", "disk"] {
            assert_eq!(before(&[of(other)], &waits(9, 0, 0, 1), true), None, "{other}");
        }
        let cpu = Waits { wants: Amount { cpu_millis: 1, ..Amount::default() }, ..waits(9, 0, 0, 0) };
        assert_eq!(before(&[of("CPU")], &cpu, true), Some(1));
        assert_eq!(before(&[of("memory")], &cpu, true), None);
    }

    #[test]
    fn a_disk_that_has_room_by_now_is_for_the_one_that_has_waited_longer() {
        let on_disk = |id, seconds, bytes| Waits {
            of: "disk",
            wants: Amount { disk_bytes: bytes, ..Amount::default() },
            ..waits(id, 0, seconds, 0)
        };
        let host = Host::default();
        let disk = Disk { free_bytes: 100, total_bytes: 1000, least_bytes: 10, in_flight_bytes: 0 };
        let there = There { host: &host, disk: Some(&disk), go_on: &BTreeSet::new() };
        let first = |bytes| comes_before(&[on_disk(1, 9, bytes)], &on_disk(2, 1, 5), there).map(|first| first.id.0);
        assert_eq!((first(90), first(91)), (Some(1), None));
    }
}
