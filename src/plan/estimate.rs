//! How long a deployment still takes until its release is live, and which of its work has the longest path ahead. The
//! bake and what is removed after it are not counted: by then the release runs.

use super::durations::{Basis, Durations};
use super::schedule::{Room, Task, ranks, schedule};
use super::{Action, Phase, Plan, Step};
use crate::model::{ComponentName, WorkKind};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is never seen and takes long as a rule: its rank has to be something, though nobody is told of it.
const UNKNOWN: Duration = Duration::from_secs(10);
/// What is never seen and is over at once as a rule.
const SHORT: Duration = Duration::from_millis(100);

/// An image that is to be built, or is being built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildLeft {
    pub component: ComponentName,
    /// Whose images it is built from. Those that are not to be built any more do not count.
    pub waits_for: Vec<ComponentName>,
    /// For how long it has been going on.
    pub runs: Option<Duration>,
}

/// What the builds still take with so many at once; `None` where the history of one of them tells nothing.
pub fn builds_left(builds: &[BuildLeft], durations: &Durations, slots: usize) -> Option<Duration> {
    let known = |build: &BuildLeft| {
        let expected = durations.expect(Some(&build.component), WorkKind::Build)?;
        (expected.basis == Basis::Own).then(|| expected.left(build.runs.unwrap_or_default()))
    };
    let times: Option<Vec<Duration>> = builds.iter().map(known).collect();
    makespan(&build_tasks(builds, &times?), slots)
}

/// For each build its own time and the longest path of builds after it, in milliseconds.
pub fn build_ranks(builds: &[BuildLeft], durations: &Durations) -> BTreeMap<ComponentName, u64> {
    let time = |build: &BuildLeft| {
        durations.expect(Some(&build.component), WorkKind::Build).map_or(UNKNOWN, |expected| expected.likely)
    };
    let tasks = build_tasks(builds, &builds.iter().map(time).collect::<Vec<_>>());
    // Images that are built from each other are refused where they are built.
    let ranks = ranks(&tasks).unwrap_or_else(|_| vec![0; builds.len()]);
    builds.iter().map(|build| build.component.clone()).zip(ranks).collect()
}

/// What the plan's steps take until the release is live; `None` where the history tells nothing of what takes long.
pub fn steps_left(plan: &Plan, durations: &Durations, at_once: usize) -> Option<Duration> {
    let mut left = Duration::ZERO;
    for phase in [Phase::Prepare, Phase::Deploy] {
        let steps: Vec<&Step> = plan.steps.iter().filter(|step| step.phase == phase).collect();
        let times: Option<Vec<Duration>> = steps.iter().map(|step| known_time(step, durations)).collect();
        left += makespan(&step_tasks(&steps, &times?), at_once)?;
    }
    Some(left)
}

/// For each step, by id, its own time and the longest path of steps after it within its phase, in milliseconds.
pub fn step_ranks(plan: &Plan, durations: &Durations) -> BTreeMap<u32, u64> {
    let mut found = BTreeMap::new();
    for phase in [Phase::Prepare, Phase::Deploy, Phase::Clean] {
        let steps: Vec<&Step> = plan.steps.iter().filter(|step| step.phase == phase).collect();
        let times: Vec<Duration> = steps.iter().map(|step| time(step, durations)).collect();
        let ranks = ranks(&step_tasks(&steps, &times)).unwrap_or_else(|_| vec![0; steps.len()]);
        found.extend(steps.iter().map(|step| step.id).zip(ranks));
    }
    found
}

fn known_time(step: &Step, durations: &Durations) -> Option<Duration> {
    let kind = step.work_kind();
    let takes_long = matches!(kind, WorkKind::Ready | WorkKind::ReleaseCommand);
    let expected = durations.expect(step.component.as_ref(), kind);
    match expected {
        // How soon one component is ready says nothing of another's release command, but a little of its readiness.
        Some(expected) if expected.basis == Basis::Others && takes_long => None,
        None if takes_long => None,
        _ => Some(time(step, durations)),
    }
}

fn time(step: &Step, durations: &Durations) -> Duration {
    match &step.action {
        Action::Pause(time) => return *time,
        Action::Hold(hold) => return hold.time,
        _ => {}
    }
    let kind = step.work_kind();
    let expected = durations.expect(step.component.as_ref(), kind).map(|expected| expected.likely);
    expected.unwrap_or(match kind {
        WorkKind::Ready | WorkKind::ReleaseCommand => UNKNOWN,
        _ => SHORT,
    })
}

fn build_tasks(builds: &[BuildLeft], times: &[Duration]) -> Vec<Task> {
    let place = |name: &ComponentName| builds.iter().position(|build| build.component == *name);
    let task = |(build, time): (&BuildLeft, &Duration)| Task {
        waits_for: build.waits_for.iter().filter_map(place).collect(),
        time_ms: milliseconds(*time),
        demand: Room::SLOT,
        runs: build.runs.is_some(),
    };
    builds.iter().zip(times).map(task).collect()
}

fn step_tasks(steps: &[&Step], times: &[Duration]) -> Vec<Task> {
    let place: BTreeMap<u32, usize> = steps.iter().enumerate().map(|(place, step)| (step.id, place)).collect();
    let task = |(step, time): (&&Step, &Duration)| Task {
        waits_for: step.waits_for.iter().filter_map(|id| place.get(id).copied()).collect(),
        time_ms: milliseconds(*time),
        demand: Room::SLOT,
        runs: false,
    };
    steps.iter().zip(times).map(task).collect()
}

fn makespan(tasks: &[Task], slots: usize) -> Option<Duration> {
    Some(Duration::from_millis(schedule(tasks, &Room::slots(slots.max(1))).ok()?.makespan_ms))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DeploymentId, Work, WorkDetail, WorkOutcome};
    use crate::plan::Target;

    fn name(text: &str) -> ComponentName {
        ComponentName::new(text).unwrap()
    }

    fn work(deployment: i64, component: &str, kind: WorkKind, took_ms: i64) -> Work {
        let steps = (kind == WorkKind::Build).then_some(4);
        Work {
            deployment: DeploymentId(deployment),
            component: Some(name(component)),
            kind,
            subject: String::new(),
            started_ms: 0,
            ended_ms: took_ms,
            outcome: WorkOutcome::Done,
            detail: WorkDetail { steps, cached: steps.map(|_| 1), ..WorkDetail::default() },
        }
    }

    fn history() -> Durations {
        let one = |n| {
            [
                work(n, "api", WorkKind::Build, 30_000),
                work(n, "web", WorkKind::Build, 10_000),
                work(n, "db", WorkKind::Build, 15_000),
                work(n, "api", WorkKind::Ready, 4_000),
                work(n, "api", WorkKind::Start, 500),
            ]
        };
        Durations::learn(&[one(3), one(2), one(1)].concat(), [])
    }

    fn left(component: &str, waits_for: &[&str], runs: Option<u64>) -> BuildLeft {
        let waits_for = waits_for.iter().map(|wait| name(wait)).collect();
        BuildLeft { component: name(component), waits_for, runs: runs.map(Duration::from_secs) }
    }

    #[test]
    fn builds_are_counted_with_what_they_wait_for_and_what_is_over_of_them() {
        let seconds = |builds: &[BuildLeft], slots| builds_left(builds, &history(), slots).map(|left| left.as_secs());
        let all = [left("api", &[], None), left("db", &[], None), left("web", &[], None)];
        assert_eq!(seconds(&all, 1), Some(55));
        assert_eq!(seconds(&all, 2), Some(30));
        assert_eq!(seconds(&[left("api", &[], Some(20)), left("web", &["api"], None)], 2), Some(20));
        assert_eq!(seconds(&[left("api", &[], None), left("new", &[], None)], 2), None);
        assert_eq!(seconds(&[], 2), Some(0));
    }

    #[test]
    fn the_build_that_most_waits_behind_ranks_first() {
        let ranks =
            build_ranks(&[left("api", &[], None), left("db", &[], None), left("web", &["db"], None)], &history());
        assert_eq!(ranks.into_values().collect::<Vec<_>>(), [30_000, 25_000, 10_000]);
    }

    fn step(id: u32, component: &str, action: Action, waits_for: &[u32], phase: Phase) -> Step {
        let (waits_for, component) = (waits_for.to_vec(), Some(name(component)));
        Step { id, waits_for, component, subject: String::new(), action, cause: String::new(), phase }
    }

    fn ready(id: u32, component: &str, waits_for: &[u32]) -> Step {
        let target = Target::Created { step: 1 };
        let readiness = crate::plan::Readiness {
            goal: crate::plan::ReadyGoal::Ready,
            stay_up: Duration::ZERO,
            deadline: Duration::ZERO,
            ports: Vec::new(),
            follow: false,
            reach: None,
        };
        step(id, component, Action::WaitReady { target, readiness }, waits_for, Phase::Deploy)
    }

    #[test]
    fn steps_are_counted_until_the_release_is_live() {
        let start = |id| step(id, "api", Action::StartContainer(Target::Created { step: 1 }), &[], Phase::Deploy);
        let pause = |id, phase| step(id, "api", Action::Pause(Duration::from_secs(7)), &[], phase);
        let plan =
            Plan { steps: vec![pause(1, Phase::Prepare), start(2), ready(3, "api", &[2]), pause(4, Phase::Clean)] };
        assert_eq!(steps_left(&plan, &history(), 8), Some(Duration::from_millis(11_500)));
        assert_eq!(step_ranks(&plan, &history()).into_values().collect::<Vec<_>>(), [7_000, 4_500, 4_000, 7_000]);
        let unknown = Plan { steps: vec![ready(1, "api", &[])] };
        assert_eq!(steps_left(&unknown, &Durations::default(), 8), None);
    }
}
