//! 10,000 strangers of each kind beside a constant load: how many of its requests fail, how much longer they take than
//! without them in the same run, and what the edge (and a front) holds of the memory before, with and after them.

mod crowd;
#[path = "../figures/mod.rs"]
mod figures;
mod load;
#[allow(dead_code)] // It knows other proxies, too.
#[path = "../edge/proxy.rs"]
mod proxy;
#[path = "../edge/upstream.rs"]
mod upstream;

use crowd::Crowd;
use figures::{is_quick, print_table};
use launchway::model::EntryProtocol;
use load::{Load, Told};
use proxy::Proxy;
use std::path::Path;
use std::time::{Duration, Instant};

/// What strangers of a kind say; nobody reads anything.
const KINDS: [(&str, &[u8]); 7] = [
    ("say nothing", b""),
    ("say P", b"P"),
    ("half a head", b"GET / HTTP/1.1\r\nHost: a\r\nX-A"),
    ("half a body", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx"),
    ("begin HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
    ("begin TLS", b"\x16\x03\x01"),
    ("read nothing", b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"),
];
/// Its memory is given back within this time after the last of them has left.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(30);

/// Their leaving is looked at for so long.
const LEAVING: Duration = Duration::from_secs(3);

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("upstream") => return upstream::serve(),
        Some("crowd") => return crowd::be_one(),
        _ => {}
    }
    launchway::process::raise_file_limit();
    let (count, seconds) = if is_quick() { (1_000, 3) } else { (10_000, 10) };
    println!(
        "strangers: {count} of each kind beside {} requests/s, {seconds} s alone, and {seconds} s with all of them",
        load::A_SECOND
    );
    let folder = figures::folder();
    let upstream = upstream::start("0,1");
    let proxies: [fn(&Path, &str) -> Proxy; 3] = [
        |folder, upstream| Proxy::edge(folder, upstream, "0,1"),
        |folder, upstream| Proxy::front(folder, upstream, "0,1", EntryProtocol::Http, "front, HTTP"),
        |folder, upstream| Proxy::front(folder, upstream, "0,1", EntryProtocol::Tcp, "front, TCP"),
    ];
    let wanted = figures::argument("--kind");
    let kinds: Vec<_> =
        KINDS.into_iter().filter(|(kind, _)| wanted.as_deref().is_none_or(|word| kind.contains(word))).collect();
    for start in proxies {
        measure(&start(folder.path(), &upstream.address), &kinds, count, Duration::from_secs(seconds));
    }
}

fn measure(proxy: &Proxy, kinds: &[(&str, &[u8])], count: usize, lasts: Duration) {
    let head = [
        "",
        "failed",
        "alone: p50",
        "p99, ms",
        "coming: s",
        "p99 / alone",
        "here: p99 / alone",
        "leaving: p99 / alone",
        "came",
        "MB before",
        "MB with",
        "kB each",
        "MB after",
        "TCP, MB",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    for (kind, says) in kinds {
        rows.push(one(proxy, kind, says, count, lasts));
    }
    print_table(&proxy.name, &rows);
}

fn one(proxy: &Proxy, kind: &str, says: &[u8], count: usize, lasts: Duration) -> Vec<String> {
    let load = Load::start(&proxy.address);
    // Not the first requests.
    std::thread::sleep(Duration::from_secs(1));
    let alone = Instant::now();
    std::thread::sleep(lasts);
    let before = proxy.memory_mb().1;
    let coming = Instant::now();
    let mut crowd = Crowd::of(count, says, &proxy.address);
    let here = Instant::now();
    let (mut most, mut tcp) = (0f64, 0f64);
    while here.elapsed() < lasts {
        // What they took in coming is given back within a second or two.
        if here.elapsed() > lasts / 3 {
            most = most.max(proxy.memory_mb().1);
        }
        tcp = tcp.max(tcp_mb());
        std::thread::sleep(Duration::from_millis(200));
    }
    let leaving = Instant::now();
    crowd.leave();
    let mut after = proxy.memory_mb().1;
    while after > before * 1.1 + 1.0 && leaving.elapsed() < GIVEN_BACK_WITHIN || leaving.elapsed() < LEAVING {
        std::thread::sleep(Duration::from_millis(200));
        after = proxy.memory_mb().1;
    }
    let asked = load.stop();
    let [alone, came, with, left] = [(alone, coming), (coming, here), (here, leaving), (leaving, leaving + LEAVING)]
        .map(|(from, to)| Told::of(&asked, from, to));
    let failed = came.failed + with.failed + left.failed;
    let times = |told: &Told| format!("{:.2}", told.p99_ms / alone.p99_ms);
    vec![
        kind.to_string(),
        format!("{failed} of {}", came.asked + with.asked + left.asked),
        format!("{:.2}", alone.p50_ms),
        format!("{:.2}", alone.p99_ms),
        format!("{:.1}", (here - coming).as_secs_f64()),
        times(&came),
        times(&with),
        times(&left),
        crowd.came.to_string(),
        format!("{before:.0}"),
        format!("{most:.0}"),
        format!("{:.1}", (most - before) * 1e3 / crowd.came as f64),
        format!("{after:.0}"),
        format!("{tcp:.0}"),
    ]
}

/// What all TCP of the machine takes of its memory.
fn tcp_mb() -> f64 {
    let text = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    let pages = line.rsplit(' ').next().and_then(|pages| pages.parse::<f64>().ok()).unwrap_or(f64::NAN);
    pages * 4096.0 / 1e6
}
