//! An app under a constant load while a build beside it wants every core and more memory than builds may take: what fails,
//! and how much longer answers take meanwhile.
//!
//! The real server with `limits.build-memory = "512MB"`, an app of busybox, and a build that spins on twice the cores and
//! then asks for 1 GB, never more. `--rounds N`; needs root, and the engine on this machine, for there to be a limit.

#[path = "../figures/mod.rs"]
mod figures;
#[allow(dead_code, unused_imports)]
#[path = "../../tests/support/mod.rs"]
mod support;

use figures::{argument, is_quick, percentile, print_table, row};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use support::app::{WEB, write_web};
use support::images::BASE;
use support::world::{Settings, World};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Requests a second.
const RATE: f64 = 100.0;
/// Load alone, before each build.
const QUIET: Duration = Duration::from_secs(10);
/// For how long a build spins, in seconds.
const SPIN: u32 = 10;
/// Whoever waits longer gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// One request of an open loop: `took` counts from when it was due.
struct Told {
    due: Instant,
    took: Duration,
    is_good: bool,
}

type Book = Arc<Mutex<Vec<Told>>>;

#[tokio::main]
async fn main() {
    let rounds: u32 =
        argument("--rounds").map_or(if is_quick() { 1 } else { 5 }, |text| text.parse().expect("--rounds N"));
    println!("build_pressure: {rounds} builds beside an app that is asked {RATE} times a second");
    let world = World::with(Settings { limits: "build-memory = \"512MB\"".into(), ..Settings::default() }).await;
    world.repository.write("compose.yaml", format!("services:{WEB}"));
    write_web(&world.repository, "one");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");

    let (stop, book) = (CancellationToken::new(), Book::default());
    let load = tokio::spawn(ask(format!("http://127.0.0.1:{}/", world.app_port), stop.clone(), book.clone()));
    // From the end of each push until its deployment has ended.
    let mut builds = Vec::new();
    let mut said = Vec::new();
    for round in 0..rounds {
        tokio::time::sleep(QUIET).await;
        write_hungry(&world, round);
        let commit = tokio::task::block_in_place(|| world.push(&format!("Hungry {round}")));
        let from = Instant::now();
        // Asks the store: reading the commit's status starts a process each time, and would be measured, too.
        world.until_deployment(&commit, &["failed", "rolled_back", "succeeded"]).await;
        builds.push((from, Instant::now()));
        said.push(world.ends(&commit).await.description);
    }
    stop.cancel();
    load.await.expect("the load");
    report(&std::mem::take(&mut *book.lock().unwrap_or_else(PoisonError::into_inner)), &builds, &said);
    world.end().await;
    // The group of an engine that has but one for all builds.
    for file in ["memory.memsw.limit_in_bytes", "memory.limit_in_bytes"] {
        let _ = std::fs::write(format!("/sys/fs/cgroup/memory/docker/buildkit/{file}"), "-1");
    }
}

fn write_hungry(world: &World, round: u32) {
    let spinning = 2 * std::thread::available_parallelism().map_or(2, usize::from);
    world.repository.write(
        "hungry/Dockerfile",
        format!(
            "FROM {BASE}\nRUN echo {project} {round}; for i in $(seq {spinning}); do timeout {SPIN} sh -c 'while :; do :; done' & done; wait; \
             dd if=/dev/zero of=/dev/null bs=1000M count=1\n",
            project = world.project
        ),
    );
    let hungry = "  hungry: { build: ./hungry, command: [\"tail\", \"-f\", \"/dev/null\"] }\n";
    world.repository.write("compose.yaml", format!("services:{WEB}{hungry}"));
}

/// Asks at a fixed rate until it is stopped, whatever the answers take.
async fn ask(url: String, stop: CancellationToken, book: Book) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().expect("a client");
    let (mut due, mut under_way) = (Instant::now(), JoinSet::new());
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            () = stop.cancelled() => break,
        }
        let (client, url, book) = (client.clone(), url.clone(), book.clone());
        under_way.spawn(async move {
            let answered = async { client.get(url).send().await?.error_for_status()?.bytes().await };
            let is_good = answered.await.is_ok_and(|body| body == "one".as_bytes());
            let told = Told { due, took: due.elapsed(), is_good };
            book.lock().unwrap_or_else(PoisonError::into_inner).push(told);
        });
        while under_way.try_join_next().is_some() {}
        due += Duration::from_secs_f64(1.0 / RATE);
    }
    under_way.join_all().await;
}

fn report(told: &[Told], builds: &[(Instant, Instant)], said: &[String]) {
    let meets = |told: &Told| builds.iter().any(|(from, to)| told.due < *to && *from < told.due + told.took);
    let mut rows = vec![row(["", "requests", "failed", "p50, ms", "p99, ms", "longest, ms"])];
    let mut p99s = Vec::new();
    for (name, is_building) in [("nothing is built", false), ("a build beside it", true)] {
        let own: Vec<&Told> = told.iter().filter(|told| meets(told) == is_building).collect();
        let failed = own.iter().filter(|told| !told.is_good).count();
        let mut times: Vec<f64> = own.iter().map(|told| told.took.as_secs_f64() * 1e3).collect();
        let [p50, p99, longest] = [50.0, 99.0, 100.0].map(|percent| percentile(&mut times, percent));
        p99s.push(p99);
        let figures = [p50, p99, longest].map(|ms| format!("{ms:.1}"));
        rows.push([vec![name.into(), own.len().to_string(), failed.to_string()], figures.to_vec()].concat());
    }
    print_table("An app while a build takes what it gets (aims: 0 failed, p99 at most 2 times)", &rows);
    println!("  p99 {:.2} times", p99s[1] / p99s[0]);
    for description in said {
        println!("  the build's end: {description}");
    }
}
