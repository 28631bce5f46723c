//! A one-container app that keeps its data in SQLite on a volume: it cannot run twice. It is replaced again and again
//! under load, by Launchway with its edge and by `docker compose up -d`, in turns; then a stack that Compose started is
//! taken over (`--take-over` alone), and how long nobody answered is measured.
//!
//! `--deployments N` of each; `--logs FOLDER` keeps the log of ours.

mod app;
#[path = "../figures/mod.rs"]
mod figures;
#[allow(dead_code)]
#[path = "../deployments/image.rs"]
mod image;
mod load;
#[allow(dead_code, unused_imports)]
#[path = "../../tests/support/mod.rs"]
mod support;

use figures::{Compose, Figure, argument, is_healthy, is_quick, percentile, print_table, row};
use load::{Load, RATE, Told};
use std::process::{Command, ExitCode};
use std::time::Duration;
use support::git_repository::GitRepository;
use support::world::{Settings, World, free_port};
use tokio::time::{Instant, sleep};

/// Load alone, before the first and after each.
const STEADY: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("app") => {
            app::serve();
            return ExitCode::SUCCESS;
        }
        Some("healthy") => return is_healthy(app::PORT),
        _ => {}
    }
    let usual = if is_quick() { 2 } else { 100 };
    let deployments = argument("--deployments").map_or(usual, |text| text.parse().expect("--deployments N"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let compose = Compose::find();
    if !std::env::args().any(|argument| argument == "--take-over") {
        runtime.block_on(replace(deployments, compose.as_ref()));
    }
    match &compose {
        Some(compose) => runtime.block_on(take_over(if is_quick() { 1 } else { 5 }, compose)),
        None => println!("taking over: not measured, there is no Compose here"),
    }
    ExitCode::SUCCESS
}

fn file(image: &str, version: &str) -> String {
    format!(
        r#"
services:
  app:
    image: {image}
    command: ["{binary}", app]
    environment: {{ VERSION: "{version}" }}
    ports: ["127.0.0.1:${{PORT}}:{port}"]
    volumes: ["data:{data}"]
    healthcheck: {{ test: [CMD, "{binary}", healthy, "http://localhost:{port}/health"], interval: 1s }}
volumes: {{ data: {{}} }}
"#,
        binary = image::BINARY,
        port = app::PORT,
        data = app::DATA
    )
}

/// What load told of one side: while it was steady, and while it was being replaced.
#[derive(Default)]
struct Side {
    steady: Vec<Told>,
    replacing: Vec<Told>,
    /// While the other side was replaced.
    between: Vec<Told>,
    /// Seconds from the first request that was not answered to the next that was, of each replacement.
    away: Figure,
}

impl Side {
    /// `replaced` are its replacements, from and to; `busy` those of the other side, in which this one is not steady either.
    fn of(told: Vec<Told>, replaced: &[(Instant, Instant)], busy: &[(Instant, Instant)]) -> Self {
        let mut side = Self::default();
        for (from, to) in replaced {
            let during = || told.iter().filter(|told| told.due >= *from && told.due < *to);
            let first = during().filter(|told| told.failed.is_some()).map(|told| told.due).min();
            let last = during().filter(|told| told.failed.is_some()).map(|told| told.due).max();
            let away = first.zip(last).map_or(Duration::ZERO, |(first, last)| last - first + once());
            side.away.add_time(away);
        }
        for one in told {
            let is_in = |times: &[(Instant, Instant)]| times.iter().any(|(from, to)| one.due >= *from && one.due < *to);
            match (is_in(replaced), is_in(busy)) {
                (true, _) => side.replacing.push(one),
                (false, true) => side.between.push(one),
                (false, false) => side.steady.push(one),
            }
        }
        side
    }

    fn failed(&self) -> usize {
        self.told().filter(|told| told.failed.is_some()).count()
    }

    fn all(&self) -> usize {
        self.told().count()
    }

    fn told(&self) -> impl Iterator<Item = &Told> {
        self.steady.iter().chain(&self.replacing).chain(&self.between)
    }
}

fn once() -> Duration {
    Duration::from_secs_f64(1.0 / RATE)
}

fn milliseconds(told: &[Told], percent: f64) -> String {
    let mut times: Vec<f64> =
        told.iter().filter(|told| told.failed.is_none()).map(|told| told.took.as_secs_f64() * 1000.0).collect();
    format!("{:.1}", percentile(&mut times, percent))
}

/// The app behind Launchway's edge.
struct Ours {
    world: World,
    image: String,
}

impl Ours {
    async fn start(image: &str) -> Self {
        let mut world = World::not_serving(Settings { tables: "[edge]\n".into(), ..Settings::default() }).await;
        world.start_edge().await;
        world.serve().await;
        Self { world, image: image.into() }
    }

    async fn deploy(&self, version: &str) {
        self.world.repository.write("compose.yaml", file(&self.image, version));
        let commit = tokio::task::block_in_place(|| self.world.push(version));
        let shown = self.world.ends(&commit).await;
        assert_eq!(shown.state, "success", "{shown:?}\n{}", self.world.deployment_logs());
    }
}

/// The app by Compose alone.
struct ByHand<'a> {
    compose: &'a Compose,
    repository: GitRepository,
    name: String,
    image: String,
    port: u16,
}

impl<'a> ByHand<'a> {
    fn new(compose: &'a Compose, name: String, image: &str, port: u16) -> Self {
        Self { compose, repository: GitRepository::new(), name, image: image.into(), port }
    }

    fn command(&self) -> Command {
        let mut command = self.compose.command();
        let file = self.repository.work().join("compose.yaml");
        command.arg("-p").arg(&self.name).arg("-f").arg(file).env("PORT", self.port.to_string());
        command
    }

    fn up(&self, version: &str) {
        self.repository.write("compose.yaml", file(&self.image, version));
        let output =
            tokio::task::block_in_place(|| self.command().args(["up", "-d"]).output()).expect("Compose starts");
        assert!(output.status.success(), "Compose failed: {}", String::from_utf8_lossy(&output.stderr));
    }

    async fn until_it_answers(&self) {
        while support::world::get(&format!("http://127.0.0.1:{}/", self.port)).await.is_none() {
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn down(&self) {
        let _ = self.command().args(["down", "-v", "-t", "1"]).output();
    }
}

async fn replace(deployments: usize, compose: Option<&Compose>) {
    println!("recreate: {deployments} replacements of each, in turns, under {RATE} requests a second to each");
    let engine = support::images::Engine::here().await;
    let image = image::import(&engine, "recreate", Vec::new()).await;
    let ours = Ours::start(&image.0).await;
    ours.deploy("first").await;
    let by_hand =
        compose.map(|compose| ByHand::new(compose, format!("{}byhand", ours.world.project), &image.0, free_port()));
    if let Some(by_hand) = &by_hand {
        by_hand.up("first");
        by_hand.until_it_answers().await;
    }
    let load = Load::start(ours.world.app_port);
    let other_load = by_hand.as_ref().map(|by_hand| Load::start(by_hand.port));
    sleep(STEADY).await;
    let (mut replaced, mut other_replaced) = (Vec::new(), Vec::new());
    for number in 1..=deployments {
        let began = Instant::now();
        ours.deploy(&number.to_string()).await;
        replaced.push((began, Instant::now()));
        sleep(STEADY).await;
        if let Some(by_hand) = &by_hand {
            let began = Instant::now();
            by_hand.up(&number.to_string());
            by_hand.until_it_answers().await;
            other_replaced.push((began, Instant::now()));
            sleep(STEADY).await;
        }
        if number.is_multiple_of(20) {
            println!("  {number} of {deployments}");
        }
    }
    let mut sides =
        vec![("Launchway and its edge".to_string(), Side::of(load.end().await, &replaced, &other_replaced))];
    if let (Some(by_hand), Some(load)) = (&by_hand, other_load) {
        sides.push((by_hand.compose.name(), Side::of(load.end().await, &other_replaced, &replaced)));
        by_hand.down();
    }
    assert_eq!(lost_rows(&sides[0].1), 0, "what was answered is in the database, once each");
    print(&sides);
    if let Some(folder) = argument("--logs") {
        std::fs::write(std::path::Path::new(&folder).join("deployments.log"), ours.world.deployment_logs())
            .expect("a log");
    }
    ours.world.end().await;
}

/// Answers whose row another answer has, too: the database went back.
fn lost_rows(side: &Side) -> usize {
    let mut rows: Vec<u64> = side.told().filter_map(|told| told.row).collect();
    let all = rows.len();
    rows.sort_unstable();
    rows.dedup();
    all - rows.len()
}

fn print(sides: &[(String, Side)]) {
    let mut rows = vec![row([""])];
    rows[0].extend(sides.iter().map(|(name, _)| name.clone()));
    let mut add = |title: &str, cell: &dyn Fn(&Side) -> String| {
        let mut line = vec![title.to_string()];
        line.extend(sides.iter().map(|(_, side)| cell(side)));
        rows.push(line);
    };
    add("requests failed, of all", &|side| format!("{} of {}", side.failed(), side.all()));
    add("nobody answered, s each", &|side| side.away.text(2));
    add("answer p50 while steady, ms", &|side| milliseconds(&side.steady, 50.0));
    add("answer p99 while steady, ms", &|side| milliseconds(&side.steady, 99.0));
    add("answer p50 while replaced, ms", &|side| milliseconds(&side.replacing, 50.0));
    add("answer p99 while replaced, ms", &|side| milliseconds(&side.replacing, 99.0));
    add("longest wait of all, ms", &|side| milliseconds(&side.replacing, 100.0));
    print_table("answered requests; what failed has no time", &rows);
    for (name, side) in sides {
        let mut whys: Vec<&String> = side.told().filter_map(|told| told.failed.as_ref()).collect();
        whys.sort();
        for same in whys.chunk_by(|a, b| a == b).take(8) {
            println!("  {name}: {} times {}", same.len(), same[0]);
        }
    }
}

/// The stack runs, started by Compose; then it is pushed to Launchway, whose edge takes its port.
async fn take_over(times: usize, compose: &Compose) {
    println!("\ntaking over: {times} times what {} started, under {RATE} requests a second", compose.name());
    let engine = support::images::Engine::here().await;
    let image = image::import(&engine, "takeover", Vec::new()).await;
    let (mut away, mut failed) = (Figure::default(), Figure::default());
    for _ in 0..times {
        let ours = Ours::start(&image.0).await;
        let name = format!("{}-production", ours.world.project);
        let by_hand = ByHand::new(compose, name, &image.0, ours.world.app_port);
        by_hand.up("by-hand");
        by_hand.until_it_answers().await;
        let load = Load::start(ours.world.app_port);
        sleep(STEADY).await;
        let began = Instant::now();
        ours.deploy("taken-over").await;
        let ended = Instant::now();
        sleep(STEADY).await;
        let side = Side::of(load.end().await, &[(began, ended)], &[]);
        assert_eq!(lost_rows(&side), 0, "what was answered is in the database, once each");
        away.add(side.away.last());
        failed.add(side.failed() as f64);
        ours.world.end().await;
        by_hand.down();
    }
    let rows = [
        row(["", "median (lowest-highest)"]),
        vec!["nobody answered, s".to_string(), away.text(2)],
        vec!["requests failed".to_string(), failed.text(0)],
    ];
    print_table("the one gap", &rows);
}
