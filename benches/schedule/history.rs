//! A made-up history of deployments, and how far off the estimate of the next one is.

use super::figures::{percentile, print_table, row};
use launchway::model::{ComponentName, DeploymentId, Work, WorkDetail, WorkKind, WorkOutcome};
use launchway::plan::durations::Durations;
use launchway::plan::estimate::{BuildLeft, builds_left};
use std::collections::VecDeque;

/// A log-normal time, by Box and Muller.
pub fn log_normal(random: &mut fastrand::Rng, median: f64, sigma: f64) -> f64 {
    let (one, two) = (1.0 - random.f64(), random.f64());
    median * (sigma * (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * two).cos()).exp()
}

/// What a project's builds are like.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    /// Of each build about its own median.
    sigma: f64,
    /// Builds that go astray, and take two to twenty times as long.
    astray: f64,
    /// What builds take more after thirty of the sixty deployments.
    drift: f64,
}

/// For each kind of history: sixty deployments of projects of one to eight components on two slots, each estimated from
/// the ones before it, from the fifth on.
pub fn estimates(projects: u64) {
    let kinds = [
        Kind { name: "steady (a tenth up or down)", sigma: 0.1, astray: 0.0, drift: 1.0 },
        Kind { name: "5 % of builds go astray", sigma: 0.1, astray: 0.05, drift: 1.0 },
        Kind { name: "10 % go astray, and it becomes half as slow again", sigma: 0.1, astray: 0.1, drift: 1.5 },
        Kind { name: "a quarter up or down, 10 % go astray", sigma: 0.25, astray: 0.1, drift: 1.0 },
    ];
    let mut rows =
        vec![row(["history", "Launchway", "p90", "who knows the true medians", "mean of all", "the last one"])];
    for kind in kinds {
        let mut errors: [Vec<f64>; 4] = Default::default();
        for seed in 0..projects {
            project(kind, seed, &mut errors);
        }
        let [ours, known, mean, last] = &mut errors;
        let cells = [
            percentile(ours, 50.0),
            percentile(ours, 90.0),
            percentile(known, 50.0),
            percentile(mean, 50.0),
            percentile(last, 50.0),
        ];
        rows.push(
            [vec![kind.name.to_string()], cells.map(|error| format!("{:.1} %", error * 100.0)).to_vec()].concat(),
        );
    }
    print_table(
        "How far off the estimate of all builds together is, the median of all; with p90 of Launchway's (aim: median within 10 %)",
        &rows,
    );
}

fn project(kind: Kind, seed: u64, errors: &mut [Vec<f64>; 4]) {
    let mut random = fastrand::Rng::with_seed(seed);
    let count = random.usize(1..=8);
    let medians: Vec<f64> = (0..count).map(|_| log_normal(&mut random, 20_000.0, 0.8)).collect();
    let names: Vec<ComponentName> = (0..count).map(|n| ComponentName::new(format!("c{n}")).expect("a name")).collect();
    let builds: Vec<BuildLeft> =
        names.iter().map(|name| BuildLeft { component: name.clone(), waits_for: Vec::new(), runs: None }).collect();
    // Newest first, as the store gives them.
    let mut history: VecDeque<Work> = VecDeque::new();
    for deployment in 0..60 {
        let drift = if deployment >= 30 { kind.drift } else { 1.0 };
        let times: Vec<u64> = medians
            .iter()
            .map(|median| {
                let astray = if random.f64() < kind.astray { 2.0 + 18.0 * random.f64() } else { 1.0 };
                (log_normal(&mut random, median * drift, kind.sigma) * astray) as u64
            })
            .collect();
        if deployment >= 5 {
            let truth = builds_took(&builds, &times);
            let past: Vec<Work> = history.iter().take(40 * count).cloned().collect();
            let durations = Durations::learn(&past, []);
            let said = builds_left(&builds, &durations, 2).expect("enough history").as_secs_f64();
            let of = |name: &ComponentName| -> Vec<u64> {
                let own = past.iter().filter(|work| work.component.as_ref() == Some(name));
                own.map(|work| work.took().as_millis() as u64).collect()
            };
            let mean = |times: Vec<u64>| times.iter().sum::<u64>() / times.len() as u64;
            let means: Vec<u64> = names.iter().map(|name| mean(of(name))).collect();
            let last: Vec<u64> = names.iter().map(|name| of(name)[0]).collect();
            let known: Vec<u64> = medians.iter().map(|median| (median * drift) as u64).collect();
            let rivals =
                [said, builds_took(&builds, &known), builds_took(&builds, &means), builds_took(&builds, &last)];
            for (errors, said) in errors.iter_mut().zip(rivals) {
                errors.push((said - truth).abs() / truth);
            }
        }
        for (name, took) in names.iter().zip(times) {
            history.push_front(Work {
                deployment: DeploymentId(deployment),
                component: Some(name.clone()),
                kind: WorkKind::Build,
                subject: String::new(),
                started_ms: 0,
                ended_ms: took as i64,
                outcome: WorkOutcome::Done,
                detail: WorkDetail { steps: Some(4), cached: Some(1), ..WorkDetail::default() },
            });
        }
    }
}

/// Seconds that builds of these times take on two slots.
fn builds_took(builds: &[BuildLeft], times_ms: &[u64]) -> f64 {
    use launchway::plan::schedule::{Room, Task, schedule};
    let task =
        |(_, time): (&BuildLeft, &u64)| Task { waits_for: vec![], time_ms: *time, demand: Room::SLOT, runs: false };
    let tasks: Vec<Task> = builds.iter().zip(times_ms).map(task).collect();
    schedule(&tasks, &Room::slots(2)).expect("it can be done").makespan_ms as f64 / 1e3
}
