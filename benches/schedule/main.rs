//! How soon a deployment's work is over in the order that Launchway chooses, and how far off it says so: on the dependency
//! graphs of real Compose files, seeded, beside other orders and beside what no order can beat.

#[path = "../figures/mod.rs"]
mod figures;
mod graphs;
mod history;

use figures::{argument, is_quick, percentile, print_table, row};
use graphs::{Graph, graphs};
use launchway::plan::schedule::{Room, Task, by_level, by_rank, lower_bound_ms, schedule};
use std::time::Instant;

const MOST_WORKERS: usize = 16;

fn main() {
    let seeds = argument("--seeds").map_or(if is_quick() { 5 } else { 100 }, |text| text.parse().expect("--seeds N"));
    let graphs = graphs();
    println!(
        "schedule: {} graphs ({} of them with at least 5 services, the largest with {}), {seeds} seeds each, 1 to {MOST_WORKERS} workers",
        graphs.len(),
        graphs.iter().filter(|graph| graph.waits_for.len() >= 5).count(),
        graphs.iter().map(|graph| graph.waits_for.len()).max().unwrap_or(0),
    );
    let large: Vec<&Graph> = graphs.iter().filter(|graph| graph.waits_for.len() >= 5).collect();
    let all: Vec<&Graph> = graphs.iter().collect();
    makespans("All graphs, even random durations (1 to 60 s)", &all, seeds, even);
    makespans("All graphs, durations as builds have them (log-normal, median 20 s)", &all, seeds, like_builds);
    makespans("Graphs of at least 5 services, as builds have them", &large, seeds, like_builds);
    let merged = [graphs::merged(&graphs)];
    let all_at_once: Vec<&Graph> = merged.iter().collect();
    makespans("All graphs deployed at once, as builds have them", &all_at_once, seeds, like_builds);
    cost();
    history::estimates(seeds);
}

fn even(random: &mut fastrand::Rng) -> u64 {
    random.u64(1_000..60_000)
}

fn like_builds(random: &mut fastrand::Rng) -> u64 {
    history::log_normal(random, 20_000.0, 0.9) as u64
}

fn makespans(title: &str, graphs: &[&Graph], seeds: u64, duration: fn(&mut fastrand::Rng) -> u64) {
    let names = ["Launchway", "by rank alone", "level by level", "as ready, in file order"];
    let mut ratios: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
    let mut gains = Vec::new();
    let mut worse = vec![0; names.len()];
    for graph in graphs {
        for seed in 0..seeds {
            let mut random = fastrand::Rng::with_seed(seed);
            let task = |waits_for: &Vec<usize>| Task {
                waits_for: waits_for.clone(),
                time_ms: duration(&mut random),
                demand: Room::SLOT,
                runs: false,
            };
            let tasks: Vec<Task> = graph.waits_for.iter().map(task).collect();
            for workers in 1..=MOST_WORKERS {
                let room = Room::slots(workers);
                let bound = lower_bound_ms(&tasks, &room).expect("no circle") as f64;
                let ours = schedule(&tasks, &room).expect("it can be done").makespan_ms;
                let level = by_level(&tasks, &room).expect("it can be done").makespan_ms;
                let rank = by_rank(&tasks, &room).expect("it can be done").makespan_ms;
                let found = [ours, rank, level, graphs::in_file_order(&tasks, workers)];
                for (index, makespan) in found.into_iter().enumerate() {
                    ratios[index].push(makespan as f64 / bound);
                    worse[index] += usize::from(makespan > level);
                }
                gains.push(level as f64 / ours as f64);
            }
        }
    }
    let count = gains.len();
    let mut rows = vec![row(["makespan / lower bound", "median", "p95", "worst", "worse than level by level"])];
    for ((name, ratios), worse) in names.iter().zip(&mut ratios).zip(worse) {
        let of = |ratios: &mut Vec<f64>, percent| format!("{:.3}", percentile(ratios, percent));
        let figures = [of(ratios, 50.0), of(ratios, 95.0), of(ratios, 100.0), format!("{worse} of {count}")];
        rows.push([vec![name.to_string()], figures.to_vec()].concat());
    }
    print_table(title, &rows);
    println!(
        "  level by level takes {:.2} times as long in the middle, {:.2} times at p95",
        percentile(&mut gains, 50.0),
        percentile(&mut gains, 95.0)
    );
}

/// What one whole schedule costs, by its size: random tasks, each waiting for up to three of the hundred before it.
fn cost() {
    let sizes = [1_250, 2_500, 5_000, 10_000, 20_000];
    let mut rows = vec![row(["tasks", "whole schedule, ms", "a decision, us", "times the half"])];
    let mut before: Option<f64> = None;
    for size in sizes {
        let mut random = fastrand::Rng::with_seed(size as u64);
        let tasks: Vec<Task> = (0..size)
            .map(|n: usize| Task {
                waits_for: (0..random.usize(..=3).min(n)).map(|_| random.usize(n.saturating_sub(100)..n)).collect(),
                time_ms: random.u64(1_000..60_000),
                demand: Room { slots: 1, milli_cpus: random.u64(1..=4) * 500, memory_bytes: 1 << 28 },
                runs: false,
            })
            .collect();
        let room = Room { slots: 16, milli_cpus: 16_000, memory_bytes: 1 << 33 };
        let mut times: Vec<f64> = (0..7)
            .map(|_| {
                let start = Instant::now();
                std::hint::black_box(schedule(&tasks, &room).expect("it can be done"));
                start.elapsed().as_secs_f64()
            })
            .collect();
        let time = percentile(&mut times, 50.0);
        let growth = before.map_or("-".to_string(), |before| format!("{:.2}", time / before));
        rows.push(vec![
            size.to_string(),
            format!("{:.1}", time * 1e3),
            format!("{:.2}", time * 1e6 / size as f64),
            growth,
        ]);
        before = Some(time);
    }
    print_table("What it costs, four different demands of CPU and memory (n log n would be 2.1 to 2.2)", &rows);
}
