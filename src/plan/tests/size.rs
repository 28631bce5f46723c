//! Planning takes time in proportion to what is planned: a stranger's thousand services hold nobody else up.

use crate::model::{
    CommitId, DeploymentId, EdgeSettings, EnvironmentName, ImageIdentity, Mount, MountSource, Observed, ProjectName,
    Release, ReleaseId, ReleasePart, Stack,
};
use crate::plan::changes::{Candidate, changes};
use crate::plan::converge::converge;
use crate::plan::durations::Durations;
use crate::plan::estimate::{step_ranks, steps_left};
use crate::plan::fingerprint::{accepted, fingerprint};
use crate::plan::fronts::{give_fronts, undecided};
use crate::plan::order::levels;
use crate::plan::routing::give_to_edge;
use crate::plan::sample::{Sample, component, stack_of};
use crate::plan::simulation::Simulation;
use crate::plan::standing::standings;
use crate::plan::{Goal, Wanted};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What this thread has taken of a processor: unlike the time that passes, whatever else the machine does.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn release(id: i64, stack: Stack) -> Release {
    let (mut parts, mut others) = (BTreeMap::new(), BTreeMap::new());
    for name in levels(&stack).unwrap().into_iter().flatten() {
        let component = &stack.components[&name];
        let reference = component.image.clone().unwrap();
        let image = ImageIdentity::Pulled { pinned: reference.clone(), reference };
        let fingerprint = fingerprint(&stack, component, &image, None, &others);
        others.insert(name.clone(), fingerprint.clone());
        parts.insert(name, ReleasePart::new(image, fingerprint, None));
    }
    Release {
        id: ReleaseId(id),
        project: ProjectName::new("shop").unwrap(),
        environment: EnvironmentName::new("production").unwrap(),
        commit: CommitId::new("a".repeat(40)).unwrap(),
        stack,
        parts,
    }
}

fn wanted<'a>(before: Option<&Release>, release: &'a Release) -> Wanted<'a> {
    Wanted {
        release: Some(release),
        accepted: accepted(before, release),
        deployment: Some(DeploymentId(release.id.0)),
        goal: Goal::Deploy,
        release_commands: BTreeSet::new(),
        passed: BTreeMap::new(),
        found: Vec::new(),
        unnamed: Default::default(),
    }
}

/// What a push plans, part by part, with what each part took.
struct Timed(Vec<(&'static str, Duration)>);

impl Timed {
    fn part<T>(&mut self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let before = cpu();
        let result = work();
        self.0.push((name, cpu() - before));
        result
    }
    fn sum(&self) -> Duration {
        self.0.iter().map(|(_, time)| *time).sum()
    }
}

fn plan_a_push(components: impl Fn(&str) -> Vec<Sample>) -> Timed {
    let mut timed = Timed(Vec::new());
    let edge = EdgeSettings::default();
    let made = |timed: &mut Timed, version: &str, id: i64| {
        let mut stack = stack_of(components(version));
        timed.part("ways in", || assert_eq!(give_to_edge(&mut stack, &edge), vec![]));
        timed.part("fronts", || give_fronts(&mut stack, &BTreeMap::new()));
        timed.part("undecided", || undecided(&stack, &BTreeMap::new(), true));
        timed.part("fingerprints", || release(id, stack))
    };
    let first = made(&mut timed, "1", 1);
    let second = made(&mut timed, "2", 2);
    let plan = timed.part("first steps", || converge(&wanted(None, &first), &Observed::default()).unwrap());
    let mut engine = Simulation::default();
    engine.carry_out(
        &plan,
        &[crate::plan::Phase::Prepare, crate::plan::Phase::Deploy, crate::plan::Phase::Clean],
        usize::MAX,
    );
    timed.part("nothing", || assert!(converge(&wanted(None, &first), &engine.observed).unwrap().is_empty()));
    let candidate = Candidate { stack: &second.stack, parts: &second.parts, tree: None };
    timed.part("changes", || changes(Some((&first, None)), &candidate));
    let plan = timed.part("next steps", || converge(&wanted(Some(&first), &second), &engine.observed).unwrap());
    timed.part("text", || plan.to_string());
    timed.part("standing", || standings(&wanted(None, &first), &engine.observed, &BTreeMap::new()).len());
    let durations = Durations::default();
    timed.part("estimate", || (step_ranks(&plan, &durations), steps_left(&plan, &durations, 8)));
    timed
}

fn name(number: usize) -> String {
    format!("s{number}")
}

fn chain(count: usize, more: impl Fn(Sample, usize) -> Sample) -> Vec<Sample> {
    let one = |number: usize| {
        let sample = component(&name(number));
        let sample = if number > 0 { sample.after(&name(number - 1)) } else { sample };
        more(sample, number)
    };
    (0..count).map(one).collect()
}

/// Four times as much takes about four times as long, and not sixteen times.
#[track_caller]
fn assert_in_proportion(kind: &str, components: impl Fn(usize, &str) -> Vec<Sample>) {
    let least = |count: usize| {
        let runs = (0..3).map(|_| plan_a_push(|version| components(count, version)));
        runs.min_by_key(Timed::sum).unwrap()
    };
    let (few, many) = (least(150), least(600));
    let slope = many.sum().as_secs_f64() / few.sum().as_secs_f64();
    let parts: Vec<String> =
        few.0.iter().zip(&many.0).map(|(few, many)| format!("{} {:?} {:?}", few.0, few.1, many.1)).collect();
    println!("{kind}: {slope:.1}: {:?} {:?}\n  {}", few.sum(), many.sum(), parts.join("\n  "));
    assert!(slope < 10.0, "{kind}: four times the services took {slope:.1} times as long:\n{}", parts.join("\n"));
}

#[test]
fn a_chain_of_services_is_planned_in_proportion_to_its_length() {
    assert_in_proportion("chain", |count, version| {
        chain(count, |sample, number| if number % 10 == 0 { sample.env("V", version) } else { sample })
    });
}

#[test]
fn a_chain_in_which_all_change_and_name_each_other() {
    assert_in_proportion("named", |count, version| {
        chain(count, |sample, number| {
            let sample = sample.env("V", version).publishes(1_000 + number as u16, 80);
            let sample = sample.env("NEXT", &format!("http://{}:8080/", name((number + 1) % count)));
            sample.volume(&format!("v{number}"), "/data")
        })
    });
}

#[test]
fn a_chain_of_those_that_share_a_network_with_the_one_before() {
    assert_in_proportion("shared network", |count, version| {
        chain(count, |mut sample, number| {
            if number > 0 {
                let before = sample.0.depends_on.keys().next().unwrap().clone();
                sample.0.container.network_mode = crate::model::NetworkMode::Component(before);
                sample.0.container.networks.clear();
            }
            sample.env("V", version)
        })
    });
}

#[test]
fn services_that_wait_for_nobody_and_mount_files() {
    assert_in_proportion("files", |count, version| {
        let one = |number: usize| {
            let mut sample = component(&name(number)).env("V", version);
            let path = crate::model::RepoPath::new("conf").unwrap();
            let source =
                MountSource::Repository { path, folder: true, id: number.to_string(), mount_points: Vec::new() };
            sample.0.container.mounts.push(Mount { target: "/conf".into(), source, read_only: true });
            sample.0.container.expose.push("8080/tcp".into());
            sample
        };
        (0..count).map(one).collect()
    });
}
