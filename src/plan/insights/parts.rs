//! The parts of a deployment's time.

use super::{Past, Spread};
use crate::model::WorkKind;
use serde::{Deserialize, Serialize};

/// A part of the time from a push to being live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// From the push until it left the queue.
    Queue,
    Fetch,
    /// Pulls too.
    Build,
    ReleaseCommand,
    /// Creating and starting containers, with networks, volumes and names.
    Start,
    /// Until containers are ready.
    Health,
    /// Until replicas had finished what they had, and had stopped.
    Drain,
    /// A canary at its shares, and times to wait between batches.
    Hold,
    Bake,
}

impl Part {
    /// Every part, in its order.
    pub const ALL: [Part; 9] = {
        use Part::*;
        [Queue, Fetch, Build, ReleaseCommand, Start, Health, Drain, Hold, Bake]
    };

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Part::Queue => "queue",
            Part::Fetch => "fetch",
            Part::Build => "build",
            Part::ReleaseCommand => "release command",
            Part::Start => "start",
            Part::Health => "health",
            Part::Drain => "drain, stop",
            Part::Hold => "hold",
            Part::Bake => "bake",
        }
    }

    /// `None` of what is done after the release counts.
    pub fn of(kind: WorkKind) -> Option<Self> {
        match kind {
            WorkKind::Wait => Some(Part::Queue),
            WorkKind::Fetch => Some(Part::Fetch),
            WorkKind::Pull | WorkKind::Build => Some(Part::Build),
            WorkKind::ReleaseCommand => Some(Part::ReleaseCommand),
            WorkKind::Create | WorkKind::Start | WorkKind::Other => Some(Part::Start),
            WorkKind::Ready => Some(Part::Health),
            WorkKind::Drain | WorkKind::Stop => Some(Part::Drain),
            WorkKind::Hold => Some(Part::Hold),
            WorkKind::Bake => Some(Part::Bake),
            WorkKind::Remove => None,
        }
    }

    /// How long a deployment was at it, what went on side by side counted once; `None` where it never was.
    pub fn time_ms(self, past: &Past) -> Option<i64> {
        // The wait for its turn has no row of its own.
        let turn = past.started_ms.filter(|_| self == Part::Queue).map(|started| (started - past.created_ms).max(0));
        let of_part = past.work.iter().filter(|work| Part::of(work.kind) == Some(self));
        let mut spans: Vec<(i64, i64)> = of_part.map(|work| (work.started_ms, work.ended_ms)).collect();
        spans.sort_unstable();
        let Some(first) = spans.first() else { return turn };
        let (mut until, mut sum) = (first.0, turn.unwrap_or(0));
        for (from, to) in spans {
            sum += (to - from.max(until)).max(0);
            until = until.max(to);
        }
        Some(sum)
    }
}

/// What a part takes in the deployments that had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartTime {
    pub part: Part,
    pub time: Spread,
}

/// Parts that no deployment had are left out.
pub fn part_times<'a>(deployments: impl Iterator<Item = &'a Past> + Clone) -> Vec<PartTime> {
    let of = |part: Part| {
        let time = Spread::of(deployments.clone().filter_map(|past| part.time_ms(past)))?;
        Some(PartTime { part, time })
    };
    Part::ALL.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{past, work};
    use super::*;

    #[test]
    fn what_goes_on_side_by_side_is_counted_once() {
        let mut past = past(1);
        past.work = vec![
            work(1, "api", WorkKind::Build, 0, 1000),
            work(1, "web", WorkKind::Build, 500, 1000),
            work(1, "db", WorkKind::Pull, 3000, 200),
            work(1, "api", WorkKind::Build, 100, 50),
        ];
        assert_eq!(Part::Build.time_ms(&past), Some(1700));
        let turn = Part::Queue.time_ms(&past).unwrap();
        past.work.push(work(1, "", WorkKind::Wait, 5000, 700));
        assert_eq!(Part::Queue.time_ms(&past), Some(turn + 700), "a wait for room or a slot");
        assert_eq!(Part::Health.time_ms(&past), None);
    }

    #[test]
    fn a_deployment_that_never_left_the_queue_tells_nothing_of_it() {
        let mut past = past(1);
        assert_eq!(Part::Queue.time_ms(&past), Some(past.started_ms.unwrap() - past.created_ms));
        past.started_ms = None;
        assert_eq!(Part::Queue.time_ms(&past), None);
    }
}
