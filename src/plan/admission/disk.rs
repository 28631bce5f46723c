//! Whether what a build or a pull will add to the engine's disk has room there: by what the component's builds and pulls
//! added before. What was never measured is let in.

use super::Admission;
use crate::model::{ComponentName, Work, WorkKind, WorkOutcome, bytes_text};
use crate::plan::durations::{Warmth, warmth};
use std::collections::BTreeMap;

/// That many of the newest builds or pulls of a component are asked; the largest counts.
const NEWEST: usize = 5;

/// What builds or pulls of each component added before, in bytes: the most of the newest. A build that had nothing in the
/// cache says little of one that has, so it counts only where there was no other.
pub fn added_before(history: &[Work], kind: WorkKind) -> BTreeMap<ComponentName, u64> {
    let mut seen: BTreeMap<ComponentName, Vec<(u64, bool)>> = BTreeMap::new();
    for work in history.iter().filter(|work| work.kind == kind && work.outcome == WorkOutcome::Done) {
        let (Some(component), Some(bytes)) = (&work.component, work.detail.disk_bytes) else { continue };
        seen.entry(component.clone()).or_default().push((bytes, warmth(work) == Some(Warmth::Cold)));
    }
    let most = |samples: &[(u64, bool)], cold: bool| {
        samples.iter().filter(|(_, is_cold)| *is_cold == cold).map(|(bytes, _)| *bytes).take(NEWEST).max()
    };
    let of = |(name, samples): (ComponentName, Vec<(u64, bool)>)| {
        most(&samples, false).or(most(&samples, true)).map(|bytes| (name, bytes))
    };
    seen.into_iter().filter_map(of).collect()
}

/// The engine's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    pub free_bytes: u64,
    pub total_bytes: u64,
    /// What stays free whatever happens.
    pub least_bytes: u64,
    /// What others were let in with and have not ended. Some of it may be on the disk by now, and counts twice.
    pub in_flight_bytes: u64,
}

impl Disk {
    /// What somebody new may take, in bytes.
    pub fn free_for_more(&self) -> u64 {
        self.free_bytes.saturating_sub(self.least_bytes).saturating_sub(self.in_flight_bytes)
    }
}

/// Whether builds that added so much before have room. `needs`: bytes by component.
pub fn admit_to_disk(needs: &BTreeMap<ComponentName, u64>, disk: &Disk) -> Admission {
    let need = needs.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
    if need == 0 || disk.total_bytes == 0 {
        return Admission::Start;
    }
    let what = || {
        let names: Vec<&str> = needs.iter().filter(|(_, bytes)| **bytes > 0).map(|(name, _)| name.as_str()).collect();
        match names.as_slice() {
            [name] => format!("building {name} added {} before", bytes_text(need)),
            names => format!("builds of {} components added {} before", names.len(), bytes_text(need)),
        }
    };
    if need > disk.total_bytes.saturating_sub(disk.least_bytes) {
        return Admission::Never {
            why: format!("{}, and the engine's disk has {} in all", what(), bytes_text(disk.total_bytes)),
        };
    }
    let free = disk.free_for_more();
    match need > free {
        true => Admission::Wait { of: "disk", why: format!("disk: {}, {} are free", what(), bytes_text(free)) },
        false => Admission::Start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DeploymentId, WorkDetail};

    const GB: u64 = 1_000_000_000;

    fn name(component: &str) -> ComponentName {
        ComponentName::new(component).unwrap()
    }

    fn work(component: &str, kind: WorkKind, gigabytes: Option<u64>, cached: u32) -> Work {
        Work {
            deployment: DeploymentId(1),
            component: Some(name(component)),
            kind,
            subject: String::new(),
            started_ms: 0,
            ended_ms: 0,
            outcome: WorkOutcome::Done,
            detail: WorkDetail {
                steps: Some(4),
                cached: Some(cached),
                disk_bytes: gigabytes.map(|count| count * GB),
                ..WorkDetail::default()
            },
        }
    }

    fn needs(component: &str, gigabytes: u64) -> BTreeMap<ComponentName, u64> {
        BTreeMap::from([(name(component), gigabytes * GB)])
    }

    const DISK: Disk = Disk { free_bytes: 10 * GB, total_bytes: 20 * GB, least_bytes: GB, in_flight_bytes: 0 };

    #[test]
    fn the_largest_of_the_newest_counts_and_a_cold_build_only_where_there_was_no_other() {
        let mut history = vec![
            work("api", WorkKind::Build, Some(1), 2),
            work("api", WorkKind::Build, None, 2),
            work("api", WorkKind::Build, Some(2), 2),
            work("api", WorkKind::Build, Some(9), 0),
            work("web", WorkKind::Build, Some(3), 0),
            work("db", WorkKind::Pull, Some(4), 0),
        ];
        let added = added_before(&history, WorkKind::Build);
        assert_eq!(added, [needs("api", 2), needs("web", 3)].into_iter().flatten().collect());
        assert_eq!(added_before(&history, WorkKind::Pull), needs("db", 4));
        history.splice(0..0, (0..5).map(|_| work("api", WorkKind::Build, Some(1), 2)));
        assert_eq!(added_before(&history, WorkKind::Build)[&name("api")], GB, "the old one is forgotten");
        history[0].outcome = WorkOutcome::Failed;
        assert_eq!(added_before(&history[..1], WorkKind::Build), BTreeMap::new(), "what failed tells nothing");
    }

    #[test]
    fn a_build_waits_for_disk_with_the_figures_and_never_fits_where_the_disk_is_smaller() {
        assert_eq!(admit_to_disk(&needs("api", 9), &DISK), Admission::Start);
        assert_eq!(admit_to_disk(&BTreeMap::new(), &Disk { free_bytes: 0, ..DISK }), Admission::Start);
        let why = "disk: building api added 9.0 GB before, 8.0 GB are free".to_string();
        let beside = Disk { in_flight_bytes: GB, ..DISK };
        assert_eq!(admit_to_disk(&needs("api", 9), &beside), Admission::Wait { of: "disk", why });
        let two = [needs("api", 8), needs("web", 2)].into_iter().flatten().collect();
        let why = "disk: builds of 2 components added 10 GB before, 9.0 GB are free".to_string();
        assert_eq!(admit_to_disk(&two, &DISK), Admission::Wait { of: "disk", why });
        let why = "building api added 25 GB before, and the engine's disk has 20 GB in all".to_string();
        assert_eq!(admit_to_disk(&needs("api", 25), &DISK), Admission::Never { why });
    }
}
