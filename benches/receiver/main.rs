//! How many deliveries a second the receiver verifies, stores durably and answers, and how fast: beside the same
//! server that verifies and stores nothing, in one run.
//!
//! Server and load are processes of their own: this binary starts itself again for each.

#[path = "../figures/mod.rs"]
mod figures;
mod load;
mod payload;
mod server;

use figures::{Figure, cpu_seconds, is_quick, print_table, row};
use load::{Asked, Told};
use server::{Server, Stores};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// The product's binary has it too (`src/main.rs`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Open connections, as the issue asks.
const CONNECTIONS: usize = 200;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("serve") => server::serve(&arguments[2..]),
        Some("load") => load::run(&arguments[2..]),
        _ => measure(),
    }
}

/// The figures of one kind of server, one value a round.
#[derive(Default)]
struct Measured {
    per_second: Figure,
    p50_full_ms: Figure,
    p99_full_ms: Figure,
    p50_ms: Figure,
    p99_ms: Figure,
    server_cpu_us: Figure,
    load_cpu: Figure,
}

fn measure() {
    let (rounds, seconds) = if is_quick() { (2, 1.0) } else { (7, 4.0) };
    let payload = payload::median();
    println!(
        "receiver: {CONNECTIONS} connections, {rounds} interleaved rounds of {seconds} s; payload {} ({} bytes)",
        payload.name,
        payload.body.len()
    );
    let folder = figures::folder();
    let (mut fsyncs, mut ratio, mut open_rate) = (Figure::default(), Figure::default(), 0.0);
    let mut measured = [Measured::default(), Measured::default()];
    let kinds = [Stores::Nothing, Stores::Durably];
    for round in 0..rounds {
        fsyncs.add(fsyncs_per_second(folder.path()));
        // Who begins changes, so that neither always runs after the other.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        let mut full = [0.0; 2];
        for kind in order {
            let data = tempfile::tempdir_in(folder.path()).expect("a data directory");
            let server = Server::start(kinds[kind], data.path());
            let told = load::start(&server, &Asked { connections: CONNECTIONS, rate: None, seconds });
            let cpu = server.cpu_seconds();
            let stored = server.kill();
            check(kinds[kind], &told, stored);
            full[kind] = told.per_second();
            let figures = &mut measured[kind];
            figures.per_second.add(told.per_second());
            figures.p50_full_ms.add(told.p50_ms);
            figures.p99_full_ms.add(told.p99_ms);
            figures.server_cpu_us.add(cpu * 1e6 / told.sent as f64);
            figures.load_cpu.add(told.cpu_seconds / told.elapsed_seconds * 100.0);
        }
        ratio.add(full[1] / full[0]);
    }
    // The same fixed rate for both: half of what the slower one can do.
    let slower = measured.iter().map(|m| m.per_second.median()).fold(f64::INFINITY, f64::min);
    open_rate += (slower / 2.0 / 100.0).round() * 100.0;
    for round in 0..rounds {
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for kind in order {
            let data = tempfile::tempdir_in(folder.path()).expect("a data directory");
            let server = Server::start(kinds[kind], data.path());
            let told = load::start(&server, &Asked { connections: CONNECTIONS, rate: Some(open_rate), seconds });
            let stored = server.kill();
            check(kinds[kind], &told, stored);
            measured[kind].p50_ms.add(told.p50_ms);
            measured[kind].p99_ms.add(told.p99_ms);
        }
    }
    report(&measured, &ratio, &fsyncs, open_rate);
}

/// Nothing may be refused, and what was answered before the server was killed must be in the store.
fn check(kind: Stores, told: &Told, stored: Option<i64>) {
    assert_eq!(told.refused, 0, "every delivery is answered with 202");
    if kind == Stores::Durably {
        let stored = stored.expect("a store");
        assert!(stored >= told.sent as i64, "{} deliveries were answered and only {stored} are stored", told.sent);
    }
}

fn report(measured: &[Measured; 2], ratio: &Figure, fsyncs: &Figure, rate: f64) {
    let [verified, stored] = measured;
    let line = |name: &str, of: fn(&Measured) -> &Figure, decimals: usize| {
        row([name, &of(verified).text(decimals), &of(stored).text(decimals)])
    };
    let head = row(["median (lowest-highest) of all rounds", "verified only", "verified and stored"]);
    let rows = [
        head,
        line("deliveries/s, closed loop at full load", |m| &m.per_second, 0),
        line("  answer p50, ms", |m| &m.p50_full_ms, 1),
        line("  answer p99, ms", |m| &m.p99_full_ms, 1),
        line("  server CPU a delivery, us", |m| &m.server_cpu_us, 0),
        line("  load generator, % of one core", |m| &m.load_cpu, 0),
        line(&format!("open loop at {rate:.0}/s: answer p50, ms"), |m| &m.p50_ms, 1),
        line("  answer p99, ms", |m| &m.p99_ms, 1),
    ];
    print_table("Receiver", &rows);
    println!("  stored / verified only: {} (aim: at least 0.70)", ratio.text(2));
    println!("  the disk's own fdatasyncs a second (4 KiB appended each): {}", fsyncs.text(0));
}

/// What the disk itself can do: 4 KiB appended and made durable, one after the other.
fn fsyncs_per_second(folder: &Path) -> f64 {
    let mut file = File::create(folder.join("fsyncs")).expect("a file to measure the disk with");
    let block = [7u8; 4096];
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_millis(500) {
        file.write_all(&block).and_then(|()| file.sync_data()).expect("the disk takes a block");
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}
