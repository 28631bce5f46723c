//! The edge beside nginx: requests a second and CPU per request, the same upstream, load and core in one run.
//!
//! Load (`wrk`) and upstream share one core, the proxy has the other. Where `nginx` or `wrk` is not installed, nothing
//! is measured.

#[path = "../figures/mod.rs"]
mod figures;
mod proxy;
mod upstream;

use figures::{Figure, is_quick, print_table, row};
use proxy::Proxy;
use std::process::Command;

/// Open connections of the load, all kept alive.
const CONNECTIONS: &str = "64";
/// The core of load and upstream, and the proxy's own.
const CORES: (&str, &str) = ("0", "1");

#[derive(Default)]
struct Measured {
    per_second: Figure,
    cpu_us: Figure,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|argument| argument == "upstream") {
        return upstream::serve();
    }
    for (tool, argument) in [("nginx", "-v"), ("wrk", "-v"), ("taskset", "--version")] {
        if Command::new(tool).arg(argument).output().is_err() {
            println!("edge: not measured, {tool} is not installed");
            return;
        }
    }
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        println!("edge: not measured, load and proxy need a core each");
        return;
    }
    measure();
}

fn measure() {
    let (rounds, seconds) = if is_quick() { (2, 1) } else { (7, 4) };
    println!(
        "edge: {CONNECTIONS} connections kept alive, {rounds} interleaved rounds of {seconds} s, answers of 256 bytes"
    );
    let folder = figures::folder();
    let upstream = upstream::start(CORES.0);
    let proxies = [
        Proxy::nginx(folder.path(), &upstream.address, CORES.1),
        Proxy::edge(folder.path(), &upstream.address, CORES.1),
    ];
    let mut measured = [Measured::default(), Measured::default()];
    let mut ratio = Figure::default();
    for round in 0..rounds {
        // Who begins changes, so that neither always runs after the other.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        let mut per_second = [0.0; 2];
        for index in order {
            let before = proxies[index].cpu_seconds();
            let told = load(&proxies[index].address, seconds);
            per_second[index] = told.per_second;
            measured[index].per_second.add(told.per_second);
            measured[index].cpu_us.add((proxies[index].cpu_seconds() - before) * 1e6 / told.requests);
        }
        ratio.add(per_second[1] / per_second[0]);
    }
    let [nginx, edge] = &measured;
    let rows = [
        row(["median (lowest-highest) of all rounds", "nginx", "edge"]),
        row(["requests/s, one core", &nginx.per_second.text(0), &edge.per_second.text(0)]),
        row(["CPU a request, us", &nginx.cpu_us.text(1), &edge.cpu_us.text(1)]),
    ];
    print_table("Edge", &rows);
    println!("  edge / nginx, requests/s: {} (aim: at least 0.90)", ratio.text(2));
}

struct Told {
    requests: f64,
    per_second: f64,
}

/// One round of `wrk`. Every answer has to be the upstream's.
fn load(address: &str, seconds: u32) -> Told {
    let output = Command::new("taskset")
        .args(["-c", CORES.0, "wrk", "-t1", "-c", CONNECTIONS, "-d", &format!("{seconds}s")])
        .arg(format!("http://{address}/"))
        .output()
        .expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let per_second = text.lines().find_map(|line| number(line.strip_prefix("Requests/sec:")?));
    let requests = text.lines().find_map(|line| number(line.split_once(" requests in ")?.0));
    match (requests, per_second) {
        (Some(requests), Some(per_second)) => Told { requests, per_second },
        _ => panic!("wrk is not understood: {text}"),
    }
}
