//! The edge beside nginx, HAProxy and Caddy: requests a second, CPU per request and added latency, the same upstream,
//! load and core in one run.
//!
//! Load (`wrk`) and upstream share one core, the proxy has the other. Proxies that are not installed are left out;
//! without `wrk`, nothing is measured.

#[path = "../figures/mod.rs"]
mod figures;
mod front;
mod proxy;
mod upstream;

use figures::{Figure, is_quick, print_table};
use proxy::Proxy;
use std::process::Command;

/// Open connections of the full load, all kept alive.
const FULL: &str = "64";
/// One connection: nothing waits behind anything, so what is added to a direct request is the proxy's own time.
const ALONE: &str = "1";
/// The core of load and upstream, and the proxy's own.
const CORES: (&str, &str) = ("0", "1");

#[derive(Default)]
struct Measured {
    per_second: Figure,
    full_p99: Figure,
    cpu_us: Figure,
    alone_p50: Figure,
    alone_p99: Figure,
    /// The edge's requests a second over this one's, round by round.
    edge_over: Figure,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|argument| argument == "upstream") {
        return upstream::serve();
    }
    for (tool, argument) in [("wrk", "-v"), ("taskset", "--version")] {
        if Command::new(tool).arg(argument).output().is_err() {
            println!("edge: not measured, {tool} is not installed");
            return;
        }
    }
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        println!("edge: not measured, load and proxy need a core each");
        return;
    }
    // `--front`: fronts alone.
    if !arguments.iter().any(|argument| argument == "--front") {
        measure();
    }
    front::measure();
}

fn measure() {
    let (rounds, seconds) = if is_quick() { (2, 1) } else { (7, 4) };
    println!(
        "edge: {rounds} interleaved rounds of {seconds} s a proxy and load, answers of 256 bytes, one core a proxy"
    );
    let folder = figures::folder();
    let upstream = upstream::start(CORES.0);
    let proxies = proxy::all(folder.path(), &upstream.address, CORES.1);
    let mut measured: Vec<Measured> = proxies.iter().map(|_| Measured::default()).collect();
    let mut direct = Measured::default();
    for round in 0..rounds {
        add_alone(&mut direct, &load(&upstream.address, ALONE, seconds));
        // Who begins changes, so that none always runs after the same one.
        for turn in 0..proxies.len() {
            let index = (round + turn) % proxies.len();
            let (proxy, measured) = (&proxies[index], &mut measured[index]);
            let before = proxy.cpu_seconds();
            let told = load(&proxy.address, FULL, seconds);
            measured.cpu_us.add((proxy.cpu_seconds() - before) * 1e6 / told.requests);
            measured.per_second.add(told.per_second);
            measured.full_p99.add(told.p99_us);
            add_alone(measured, &load(&proxy.address, ALONE, seconds));
        }
        let edge = measured.last().map_or(f64::NAN, |edge| edge.per_second.last());
        for measured in &mut measured {
            let theirs = measured.per_second.last();
            measured.edge_over.add(edge / theirs);
        }
    }
    print(&proxies, &measured, &direct);
}

fn add_alone(measured: &mut Measured, told: &Told) {
    measured.alone_p50.add(told.p50_us);
    measured.alone_p99.add(told.p99_us);
}

fn print(proxies: &[Proxy], measured: &[Measured], direct: &Measured) {
    let line = |name: &str, text: &dyn Fn(&Measured) -> String| {
        [vec![name.to_string()], measured.iter().map(text).collect()].concat()
    };
    let added = |of: &Figure, direct: &Figure| format!("{:.0}", of.median() - direct.median());
    let rows = [
        [vec!["median (lowest-highest)".to_string()], proxies.iter().map(|proxy| proxy.name.clone()).collect()]
            .concat(),
        line("requests/s, full load", &|one| one.per_second.text(0)),
        line("p99 at full load, us", &|one| one.full_p99.text(0)),
        line("CPU a request, us", &|one| one.cpu_us.text(1)),
        line("added p50, us", &|one| added(&one.alone_p50, &direct.alone_p50)),
        line("added p99, us", &|one| added(&one.alone_p99, &direct.alone_p99)),
        line("edge / it, requests/s", &|one| one.edge_over.text(2)),
    ];
    print_table("Edge", &rows);
    println!(
        "  full load: {FULL} connections; added: {ALONE} connection, beside {} (p50) and {} (p99) us without a proxy",
        direct.alone_p50.text(0),
        direct.alone_p99.text(0)
    );
}

struct Told {
    requests: f64,
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
}

/// One round of `wrk`. Every answer has to be the upstream's.
fn load(address: &str, connections: &str, seconds: u32) -> Told {
    load_path(address, "/", connections, seconds)
}

fn load_path(address: &str, path: &str, connections: &str, seconds: u32) -> Told {
    let output = Command::new("taskset")
        .args(["-c", CORES.0, "wrk", "-t1", "--latency", "-c", connections, "-d", &format!("{seconds}s")])
        .arg(format!("http://{address}{path}"))
        .output()
        .expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let line = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name).map(str::trim));
    let requests = text.lines().find_map(|line| number(line.split_once(" requests in ")?.0));
    let told = || {
        Some(Told {
            requests: requests?,
            per_second: number(line("Requests/sec:")?)?,
            p50_us: microseconds(line("50%")?)?,
            p99_us: microseconds(line("99%")?)?,
        })
    };
    told().unwrap_or_else(|| panic!("wrk is not understood: {text}"))
}

/// As wrk writes times: `85.00us`, `1.20ms`, `0.90s`.
fn microseconds(text: &str) -> Option<f64> {
    let unit = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let factor = match &text[unit..] {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        _ => return None,
    };
    Some(text[..unit].parse::<f64>().ok()? * factor)
}
