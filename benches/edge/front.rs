//! A front beside a direct connection and beside HAProxy that passes on bytes: the same upstream, load and core in one run.

use super::proxy::{self, Proxy};
use super::{ALONE, CORES, FULL, figures, load, load_path, upstream};
use figures::{Figure, is_quick, print_table};

#[derive(Default)]
struct Measured {
    per_second: Figure,
    cpu_us: Figure,
    alone_p50: Figure,
    alone_p99: Figure,
    mb_per_second: Figure,
    cpu_ms_per_gb: Figure,
    /// Requests and bytes a second over the first one's, round by round.
    requests_over: Figure,
    bytes_over: Figure,
}

pub fn measure() {
    let (rounds, seconds) = if is_quick() { (2, 1) } else { (5, 3) };
    let folder = figures::folder();
    let upstream = upstream::start(CORES.0);
    let proxies = proxy::fronts(folder.path(), &upstream.address, CORES.1);
    let idle: Vec<(f64, f64)> = proxies.iter().map(Proxy::memory_mb).collect();
    let mut measured: Vec<Measured> = proxies.iter().map(|_| Measured::default()).collect();
    let mut direct = Measured::default();
    for round in 0..rounds {
        let alone = load(&upstream.address, ALONE, seconds);
        direct.alone_p50.add(alone.p50_us);
        direct.alone_p99.add(alone.p99_us);
        direct.per_second.add(load(&upstream.address, FULL, seconds).per_second);
        for turn in 0..proxies.len() {
            let index = (round + turn) % proxies.len();
            let (proxy, one) = (&proxies[index], &mut measured[index]);
            let before = proxy.cpu_seconds();
            let told = load(&proxy.address, FULL, seconds);
            one.cpu_us.add((proxy.cpu_seconds() - before) * 1e6 / told.requests);
            one.per_second.add(told.per_second);
            let alone = load(&proxy.address, ALONE, seconds);
            one.alone_p50.add(alone.p50_us);
            one.alone_p99.add(alone.p99_us);
            let before = proxy.cpu_seconds();
            let told = load_path(&proxy.address, "/large", "8", seconds);
            let megabytes = upstream::LARGE as f64 / 1e6;
            one.mb_per_second.add(told.per_second * megabytes);
            one.cpu_ms_per_gb.add((proxy.cpu_seconds() - before) * 1e6 / (told.requests * megabytes));
        }
        let (requests, bytes) = (measured[0].per_second.last(), measured[0].mb_per_second.last());
        for one in &mut measured {
            let (mine, my_bytes) = (one.per_second.last(), one.mb_per_second.last());
            one.requests_over.add(mine / requests);
            one.bytes_over.add(my_bytes / bytes);
        }
    }
    let line = |name: &str, text: &dyn Fn(&Measured) -> String| {
        [vec![name.to_string()], measured.iter().map(text).collect()].concat()
    };
    let added = |of: &Figure, direct: &Figure| format!("{:.0}", of.median() - direct.median());
    let memory = |name: &str, figures: &[(f64, f64)]| {
        let text = figures.iter().map(|(all, own)| format!("{all:.1}, {own:.1} its own"));
        [vec![name.to_string()], text.collect()].concat()
    };
    let full: Vec<(f64, f64)> = proxies.iter().map(Proxy::memory_mb).collect();
    let first = proxies.first().map(|proxy| proxy.name.clone()).unwrap_or_default();
    let rows = [
        [vec!["median (lowest-highest)".to_string()], proxies.iter().map(|proxy| proxy.name.clone()).collect()]
            .concat(),
        line("requests/s, full load", &|one| one.per_second.text(0)),
        line(&format!("it / {first}"), &|one| one.requests_over.text(2)),
        line("CPU a request, us", &|one| one.cpu_us.text(1)),
        line("added p50, us", &|one| added(&one.alone_p50, &direct.alone_p50)),
        line("added p99, us", &|one| added(&one.alone_p99, &direct.alone_p99)),
        line("MB/s, answers of 4 MB", &|one| one.mb_per_second.text(0)),
        line(&format!("it / {first}"), &|one| one.bytes_over.text(2)),
        line("CPU a GB, ms", &|one| one.cpu_ms_per_gb.text(0)),
        memory("resident MB, idle", &idle),
        memory("resident MB, after the load", &full),
    ];
    print_table("Front", &rows);
    println!(
        "  without a proxy: {} requests/s, p50 {} us, p99 {} us",
        direct.per_second.text(0),
        direct.alone_p50.text(0),
        direct.alone_p99.text(0)
    );
}
