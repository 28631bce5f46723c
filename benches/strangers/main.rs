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
use load::Told;
use proxy::Proxy;
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

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("upstream") => return upstream::serve(),
        Some("crowd") => return crowd::be_one(),
        _ => {}
    }
    launchway::process::raise_file_limit();
    let (count, seconds) = if is_quick() { (1_000, 3) } else { (10_000, 10) };
    println!("strangers: {count} of each kind beside {} requests/s, {seconds} s without and with them", load::A_SECOND);
    let folder = figures::folder();
    let upstream = upstream::start("0,1");
    let edge = Proxy::edge(folder.path(), &upstream.address, "0,1");
    measure(&edge, count, seconds);
    let front = Proxy::front(folder.path(), &upstream.address, "0,1", EntryProtocol::Http, "front");
    measure(&front, count, seconds);
}

fn measure(proxy: &Proxy, count: usize, seconds: u64) {
    let head =
        ["", "failed", "p50, ms", "p99, ms", "p99 / alone", "came", "MB before", "MB with", "kB each", "MB after"];
    let mut rows = vec![head.map(String::from).to_vec()];
    // Not the first requests of its life.
    load::put(&proxy.address, Duration::from_secs(2));
    for (kind, says) in KINDS {
        let before = proxy.memory_mb().1;
        let alone = load::put(&proxy.address, Duration::from_secs(seconds));
        let (address, for_load) = (proxy.address.clone(), Duration::from_secs(seconds));
        let loading = std::thread::spawn(move || load::put(&address, for_load));
        let crowd = Crowd::of(count, says, &proxy.address);
        let mut most = 0f64;
        while !loading.is_finished() {
            most = most.max(proxy.memory_mb().1);
            std::thread::sleep(Duration::from_millis(200));
        }
        let with = loading.join().expect("the load's figures");
        let came = crowd.came;
        drop(crowd);
        let left = Instant::now();
        let mut after = proxy.memory_mb().1;
        while after > before * 1.1 + 1.0 && left.elapsed() < GIVEN_BACK_WITHIN {
            std::thread::sleep(Duration::from_millis(500));
            after = proxy.memory_mb().1;
        }
        rows.push(row(kind, (&alone, &with), came, [before, most, after]));
    }
    print_table(&proxy.name, &rows);
}

fn row(kind: &str, (alone, with): (&Told, &Told), came: usize, [before, most, after]: [f64; 3]) -> Vec<String> {
    vec![
        kind.to_string(),
        format!("{} of {}", with.failed, with.asked),
        format!("{:.2} -> {:.2}", alone.p50_ms, with.p50_ms),
        format!("{:.2} -> {:.2}", alone.p99_ms, with.p99_ms),
        format!("{:.2}", with.p99_ms / alone.p99_ms),
        came.to_string(),
        format!("{before:.0}"),
        format!("{most:.0}"),
        format!("{:.1}", (most - before) * 1e3 / came as f64),
        format!("{after:.0}"),
    ]
}
