//! How long it takes to plan one push, from the fetched commit to the steps, without the engine's calls: in large
//! repositories, beside `git diff-tree` of the same two commits in the same run.

#[path = "../figures/mod.rs"]
mod figures;
mod pushes;
mod repository;

use figures::{Figure, is_quick, print_table, row};
use pushes::Planner;
use repository::{Shape, Sources};
use std::time::{Duration, Instant};

fn main() {
    let pushes = if is_quick() { 5 } else { 25 };
    let full = Shape { files: 100_000, components: 200, history: 10, pushes, whole: false, chain: false };
    let chain = Shape { chain: true, components: 1_000, files: 4_000, ..full };
    let mut shapes = vec![
        Shape { files: 25_000, ..full },
        Shape { files: 50_000, ..full },
        full,
        Shape { history: 10_000, ..full },
        Shape { components: 50, ..full },
        Shape { whole: true, ..full },
        Shape { components: 250, files: 1_000, ..chain },
        Shape { components: 500, files: 2_000, ..chain },
        chain,
    ];
    if is_quick() {
        shapes = vec![
            Shape { files: 10_000, components: 50, ..full },
            Shape { files: 20_000, components: 50, ..full },
            Shape { components: 500, files: 2_000, ..chain },
            chain,
        ];
    }
    println!(
        "planning: {pushes} pushes in each repository, one file changed by each; every component has an ignore file"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut rows = vec![row([
        "files / components / commits before",
        "a push, ms",
        "after a restart, ms",
        "git diff-tree, ms",
        "the git process alone, ms",
    ])];
    let mut parts =
        vec![row(["of a push, ms", "find commit", "read Compose", "keys, fingerprints", "changes", "steps"])];
    for shape in shapes {
        let measured = runtime.block_on(measure(shape));
        let name = format!(
            "{} / {} / {}{}",
            shape.files,
            shape.components,
            shape.history,
            match (shape.whole, shape.chain) {
                (true, _) => ", one built from everything",
                (_, true) => ", in a chain",
                _ => "",
            }
        );
        let Measured { total, cold, diff_tree, nothing, steps } = measured;
        rows.push(row([&name, &total.text(1), &cold.text(1), &diff_tree.text(1), &nothing.text(1)]));
        let medians: Vec<String> = steps.iter().map(|figure| format!("{:.1}", figure.median())).collect();
        parts.push([vec![name], medians].concat());
    }
    print_table("Planning one push: median (lowest-highest)", &rows);
    print_table("Where the time goes: medians", &parts);
    println!("  aim: under 50 ms at 100000 / 200, whatever the history; under 1 s for 1000 services in a chain");
}

#[derive(Default)]
struct Measured {
    total: Figure,
    /// With nothing remembered, as the first push after a restart.
    cold: Figure,
    diff_tree: Figure,
    /// The same process with nothing to do.
    nothing: Figure,
    steps: [Figure; 5],
}

async fn measure(shape: Shape) -> Measured {
    let folder = figures::folder();
    let sources = Sources::make(shape, folder.path()).await;
    let mut planner = Planner::new(&sources);
    let mut measured = Measured::default();
    planner.plan(&sources.commits[0]).await;
    planner.goes_live();
    for (number, pair) in sources.commits.windows(2).enumerate() {
        let timed = planner.plan(&pair[1]).await;
        assert_eq!(timed.changed, 1 + usize::from(shape.whole), "a push changes what it touches");
        let total: Duration = timed.parts.iter().sum();
        measured.total.add(ms(total));
        for (figure, part) in measured.steps.iter_mut().zip(timed.parts) {
            figure.add(ms(part));
        }
        measured
            .diff_tree
            .add(ms(git(&sources, &["diff-tree", "-r", "--name-only", pair[0].as_str(), pair[1].as_str()])));
        measured.nothing.add(ms(git(&sources, &["diff-tree", pair[1].as_str(), pair[1].as_str()])));
        if number % 5 == 0 {
            let cold = planner.after_a_restart().plan(&pair[1]).await;
            measured.cold.add(ms(cold.parts.iter().sum()));
        }
        planner.goes_live();
    }
    measured
}

fn git(sources: &Sources, arguments: &[&str]) -> Duration {
    let start = Instant::now();
    let output = std::process::Command::new("git").arg("-C").arg(&sources.mirror).args(arguments).output();
    assert!(output.expect("git").status.success());
    start.elapsed()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
