//! From `git push` to the first request that the new release answers, beside `git pull` and Compose by hand on the
//! same app, the same engine and in the same rounds.
//!
//! Our clock starts before `git push`; the rival's starts after it, at `git pull`. Bake is off: it begins when the new
//! release is live already.

mod app;
#[path = "../figures/mod.rs"]
mod figures;
mod log;
mod ours;
mod rival;
#[allow(dead_code, unused_imports)]
#[path = "../../tests/support/mod.rs"]
mod support;

use app::Change;
use figures::{Figure, is_quick, print_table, row};
use ours::Ours;
use rival::Rival;

/// One way to bring a change live.
#[derive(Default)]
struct Measured {
    /// Until the first request that the new release answered.
    live: Figure,
    /// Until the final status stood on the commit, or until the command ended.
    told: Figure,
    /// Of the time until live, what the engine's steps and builds do not account for.
    beyond: Figure,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(if is_quick() { 2 } else { 7 }));
}

async fn measure(rounds: usize) {
    println!("push to live: {rounds} interleaved rounds; an app of three components, one of them with a volume");
    let rival = Rival::find();
    let mut ours = Ours::start().await;
    let mut rival = match rival {
        Some(rival) => Some(rival.start().await),
        None => None,
    };
    let mut mine: [Measured; 3] = Default::default();
    let mut theirs: [Measured; 3] = Default::default();
    for round in 0..rounds {
        for (index, change) in Change::ALL.into_iter().enumerate() {
            // Who begins changes; what they push differs, so that neither finds the other's layers.
            if round % 2 == 0 {
                ours.bring_live(change, round, &mut mine[index]).await;
            }
            if let Some(rival) = &mut rival {
                rival.bring_live(change, round, &mut theirs[index]).await;
            }
            if round % 2 == 1 {
                ours.bring_live(change, round, &mut mine[index]).await;
            }
        }
    }
    let name = rival.as_ref().map_or("by hand".to_string(), |rival| rival.name());
    let engine = ours.engine_version().await;
    let last = ours.timeline();
    drop(rival);
    ours.end().await;
    report(&mine, &theirs, &name, &engine);
    if std::env::args().any(|argument| argument == "--timeline") {
        println!("\nThe last deployment's log:\n{last}");
    }
}

fn report(mine: &[Measured; 3], theirs: &[Measured; 3], rival: &str, engine: &str) {
    let mut rows = vec![row([
        "seconds, median (lowest-highest)",
        "Launchway: live",
        "beyond the engine",
        "status told",
        "by hand: live",
        "command done",
        "by hand / ours",
    ])];
    for ((change, mine), theirs) in Change::ALL.into_iter().zip(mine).zip(theirs) {
        let ratio = theirs.live.median() / mine.live.median();
        let ratio = if ratio.is_nan() { "-".to_string() } else { format!("{ratio:.2}") };
        rows.push(row([
            change.name(),
            &mine.live.text(2),
            &mine.beyond.text(2),
            &mine.told.text(2),
            &theirs.live.text(2),
            &theirs.told.text(2),
            &ratio,
        ]));
    }
    print_table(&format!("Push to live on Docker Engine {engine}; by hand: git pull && {rival}"), &rows);
}
