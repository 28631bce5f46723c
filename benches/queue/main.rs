//! Whose turn it is, with 10,000 deployments of 500 projects that wait: how fair the order is, how long anybody waits, and
//! what one decision costs as the queue grows. Beside plain first come, first served, which is what a user has elsewhere.

#[path = "../figures/mod.rs"]
mod figures;

use figures::{is_quick, percentile, print_table, row};
use launchway::model::{DeploymentId, ProjectName};
use launchway::plan::turns::{Given, Ready, turns};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

const PROJECTS: usize = 500;
const WAITING: usize = 10_000;
const SLOTS: usize = 4;

fn main() {
    println!("queue: {WAITING} deployments of {PROJECTS} projects, {SLOTS} at once, seeded");
    fairness();
    stream();
    cost();
}

fn name(number: usize) -> ProjectName {
    ProjectName::new(format!("p{number}")).expect("a name")
}

/// One project asks for half of all, early; the rest is spread by chance. One of ten is production.
fn waiting(random: &mut fastrand::Rng, count: usize) -> Vec<Ready> {
    let priority = |random: &mut fastrand::Rng| if random.u8(0..10) == 0 { 10 } else { 0 };
    (0..count)
        .map(|number| Ready {
            id: DeploymentId(number as i64 + 1),
            project: name(if number < count / 2 { 0 } else { random.usize(1..PROJECTS) }),
            priority: priority(random),
        })
        .collect()
}

/// For each project, the turn at which it is first served.
fn first_turns(order: &[DeploymentId], ready: &[Ready]) -> Vec<f64> {
    let mut first: BTreeMap<&ProjectName, usize> = BTreeMap::new();
    for (turn, id) in order.iter().enumerate() {
        first.entry(&ready[id.0 as usize - 1].project).or_insert(turn + 1);
    }
    first.values().map(|turn| *turn as f64).collect()
}

/// By how much the most served project leads over the least served, among those that still wait, at worst.
fn widest_lead(order: &[DeploymentId], ready: &[Ready]) -> usize {
    let (mut left, mut served) = (BTreeMap::new(), BTreeMap::new());
    for one in ready {
        *left.entry(one.project.clone()).or_insert(0_usize) += 1;
        served.entry(one.project.clone()).or_insert(0_usize);
    }
    let mut widest = 0;
    for (turn, id) in order.iter().enumerate() {
        let project = &ready[id.0 as usize - 1].project;
        *left.get_mut(project).expect("a project") -= 1;
        *served.get_mut(project).expect("a project") += 1;
        if left[project] == 0 {
            served.remove(project);
        }
        if turn % 50 == 0 && !served.is_empty() {
            let counts = || served.values().copied();
            widest = widest.max(counts().max().unwrap_or(0) - counts().min().unwrap_or(0));
        }
    }
    widest
}

fn fairness() {
    let mut rows = vec![row([
        "order",
        "last project served at turn",
        "production, median turn",
        "the rest, median",
        "widest lead",
    ])];
    let ready = waiting(&mut fastrand::Rng::with_seed(1), WAITING);
    let by_turns = turns(&ready, &Given::default(), usize::MAX);
    let by_age: Vec<DeploymentId> = ready.iter().map(|one| one.id).collect();
    for (what, order) in [("Launchway", by_turns), ("first come, first served", by_age)] {
        assert_eq!(order.len(), ready.len(), "everybody has a turn");
        let place = |id: &DeploymentId| ready[id.0 as usize - 1].priority;
        let median = |priority: i8| {
            let mut at: Vec<f64> =
                order.iter().enumerate().filter(|(_, id)| place(id) == priority).map(|(turn, _)| turn as f64).collect();
            percentile(&mut at, 50.0)
        };
        let last = first_turns(&order, &ready).into_iter().fold(0.0, f64::max);
        rows.push(row([
            what,
            &format!("{last:.0}"),
            &format!("{:.0}", median(10)),
            &format!("{:.0}", median(0)),
            &widest_lead(&order, &ready).to_string(),
        ]));
    }
    print_table("All of them wait at once; one project asked for half of them, first", &rows);
}

/// They come all the time, more of production than can be served: nothing of the rest is to wait for ever.
fn stream() {
    let mut random = fastrand::Rng::with_seed(2);
    let (mut ready, mut given, mut id) = (Vec::<Ready>::new(), Given::default(), 0_i64);
    let mut came: BTreeMap<DeploymentId, u64> = BTreeMap::new();
    let mut running: VecDeque<(ProjectName, u64)> = VecDeque::new();
    let (mut waits, mut served) = (Vec::new(), 0_u64);
    let ticks = if is_quick() { 2_000 } else { 20_000 };
    for tick in 0..ticks {
        // Each deployment takes SLOTS ticks, so one ends each tick; one of production comes each tick, and now and then
        // one of the rest.
        let mut come = |priority: i8, project: ProjectName, ready: &mut Vec<Ready>| {
            id += 1;
            came.insert(DeploymentId(id), tick);
            ready.push(Ready { id: DeploymentId(id), project, priority });
        };
        come(10, name(random.usize(0..PROJECTS)), &mut ready);
        if tick % 5 == 0 {
            come(0, name(random.usize(0..PROJECTS)), &mut ready);
        }
        while running.front().is_some_and(|(_, ends)| *ends <= tick) {
            if let Some((project, _)) = running.pop_front() {
                *given.running.entry(project).or_default() -= 1;
            }
        }
        while running.len() < SLOTS {
            let Some(next) = turns(&ready, &given, 1).first().copied() else { break };
            let at = ready.iter().position(|one| one.id == next).expect("it waits");
            let one = ready.remove(at);
            *given.running.entry(one.project.clone()).or_default() += 1;
            given.last.insert(one.project.clone(), tick as i64);
            given.turns += 1;
            served += 1;
            running.push_back((one.project, tick + SLOTS as u64));
            if one.priority == 0 {
                waits.push((tick - came[&next]) as f64);
            }
        }
    }
    let left = ready.iter().filter(|one| one.priority == 0).count();
    let oldest = ready.iter().filter(|one| one.priority == 0).map(|one| ticks - came[&one.id]).max().unwrap_or(0);
    let mut rows = vec![row([
        "turns",
        "of the rest served",
        "still waiting",
        "median wait, turns",
        "p99",
        "longest",
        "oldest that waits",
    ])];
    rows.push(row([
        &served.to_string(),
        &waits.len().to_string(),
        &left.to_string(),
        &format!("{:.0}", percentile(&mut waits, 50.0)),
        &format!("{:.0}", percentile(&mut waits, 99.0)),
        &format!("{:.0}", percentile(&mut waits, 100.0)),
        &oldest.to_string(),
    ]));
    print_table("More of production comes than can be served, and a fifth as much of the rest: no starvation", &rows);
}

fn cost() {
    let mut rows =
        vec![row(["waiting", "one decision (the next turn), ms", "whole order, ms", "whole order, times the half"])];
    let mut before: Option<f64> = None;
    for count in [625, 1_250, 2_500, 5_000, 10_000, 20_000] {
        let ready = waiting(&mut fastrand::Rng::with_seed(3), count);
        let repeats = if is_quick() { 3 } else { 15 };
        let measure = |most: usize| {
            let mut times: Vec<f64> = (0..repeats)
                .map(|_| {
                    let start = Instant::now();
                    std::hint::black_box(turns(std::hint::black_box(&ready), &Given::default(), most));
                    start.elapsed().as_secs_f64() * 1000.0
                })
                .collect();
            percentile(&mut times, 50.0)
        };
        let (one, all) = (measure(1), measure(usize::MAX));
        let times = before.map_or("-".into(), |before| format!("{:.2}", all / before));
        rows.push(row([&count.to_string(), &format!("{one:.2}"), &format!("{all:.2}"), &times]));
        before = Some(all);
    }
    print_table("What it costs", &rows);
}
