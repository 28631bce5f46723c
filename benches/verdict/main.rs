//! How often a verdict is wrong, and how soon it is right: simulated canaries, seeded, by our judge and by the rules that
//! people use instead, on the same traffic.

#[path = "../figures/mod.rs"]
mod figures;
mod rules;
#[path = "../../src/plan/verdict/tests/world.rs"]
mod world;

use figures::{argument, is_quick, percentile, print_table, row};
use launchway::plan::verdict::{Counts, Interval};
use rules::{Named, RULES};
use world::{GOOD, Service, Site, Visitors, World};

/// Half an hour, looked at every five seconds.
const LOOKS: usize = 360;

/// What is known of the old release: ten minutes.
const PAST: usize = 120;

const SITE: Site = Site {
    requests_per_second: 40.0,
    weight: 0.25,
    visitors: Visitors::Single,
    rhythm_seconds: None,
    outages: false,
    cold_seconds: 0.0,
    old: GOOD,
    new: GOOD,
};

/// Well within what the fixed threshold allows.
const HALF: Service = Service { errors: 0.005, ..GOOD };

fn main() {
    let canaries =
        argument("--canaries").map_or(if is_quick() { 20 } else { 200 }, |text| text.parse().expect("--canaries N"));
    println!("verdict: {canaries} canaries in each row, each watched for half an hour, 5 s an interval;");
    println!("unless said otherwise 40 requests/s, a quarter of them to the new release, 1 % errors");
    false_alarms(canaries);
    detections(canaries);
}

fn false_alarms(canaries: u64) {
    let visits = |sticky| Site { visitors: Visitors::Visits { sticky }, ..SITE };
    let sites = [
        ("independent requests", SITE),
        ("old and new at 0.5 % errors", Site { old: HALF, new: HALF, ..SITE }),
        ("4 requests/s", Site { requests_per_second: 4.0, ..SITE }),
        ("200 requests/s, 5 % to the new one", Site { requests_per_second: 200.0, weight: 0.05, ..SITE }),
        (
            "no errors at all",
            Site { old: Service { errors: 0.0, ..GOOD }, new: Service { errors: 0.0, ..GOOD }, ..SITE },
        ),
        ("visits of ten requests", visits(false)),
        ("visits of ten requests, sticky", visits(true)),
        ("a day's rhythm, outages of both", Site { rhythm_seconds: Some(1_800.0), outages: true, ..SITE }),
        ("the same with sticky visits", Site { rhythm_seconds: Some(1_800.0), outages: true, ..visits(true) }),
        ("cold start of 25 s", Site { cold_seconds: 25.0, ..SITE }),
    ];
    let mut rows = vec![head("equal releases")];
    for (name, site) in sites {
        let found = run_all(site, canaries);
        let cells = found.iter().map(|found| format!("{:.2} %", 100.0 * found.len() as f64 / canaries as f64));
        rows.push([vec![name.to_string()], cells.collect()].concat());
    }
    print_table("Equal releases that were put back; aim: at most 1 %", &rows);
}

fn detections(canaries: u64) {
    let errors = |more: f64| Site { new: Service { errors: 0.01 + more, ..GOOD }, ..SITE };
    let slow = |slow, tail| Site { new: Service { slow, tail, ..GOOD }, ..SITE };
    let sites = [
        ("errors 1 % -> 1.5 %", errors(0.005)),
        ("errors 1 % -> 2 %", errors(0.01)),
        ("errors 1 % -> 5 %", errors(0.04)),
        ("errors 1 % -> 5 %, 4 requests/s", Site { requests_per_second: 4.0, ..errors(0.04) }),
        ("errors 1 % -> 5 %, 400 requests/s", Site { requests_per_second: 400.0, ..errors(0.04) }),
        ("errors 1 % -> 6 %", errors(0.05)),
        ("errors 1 % -> 6 %, sticky visits", Site { visitors: Visitors::Visits { sticky: true }, ..errors(0.05) }),
        ("all answers x1.5", slow(1.5, 1.0)),
        ("slowest 5 % x1.5", slow(1.0, 1.5)),
        ("slowest 5 % x1.3", slow(1.0, 1.3)),
        ("slowest 5 % x3", slow(1.0, 3.0)),
        ("all answers x1.5, 4 requests/s", Site { requests_per_second: 4.0, ..slow(1.5, 1.0) }),
        ("all answers x1.5, 400 requests/s", Site { requests_per_second: 400.0, ..slow(1.5, 1.0) }),
    ];
    let mut rows = vec![head("worse releases")];
    for (name, site) in sites {
        let cells = run_all(site, canaries).into_iter().map(|mut found| {
            let share = 100.0 * found.len() as f64 / canaries as f64;
            match found.len() {
                0 => "-".to_string(),
                _ => format!("{share:.0} %, {:.0}", percentile(&mut found, 50.0)),
            }
        });
        rows.push([vec![name.to_string()], cells.collect()].concat());
    }
    let title = format!("Worse releases found within half an hour ({canaries} each), and the median of the requests");
    println!("\nA rule that puts back nearly all equal releases above finds nothing here: it ends when it ends.");
    print_table(&format!("{title} that the new release answered until then, warm-up included"), &rows);
}

fn head(first: &str) -> Vec<String> {
    [row([first]), RULES.iter().map(|(name, _)| name.to_string()).collect()].concat()
}

/// By rule: requests that the new release answered until it was put back, of those that were.
fn run_all(site: Site, canaries: u64) -> Vec<Vec<f64>> {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let mut found = vec![Vec::new(); RULES.len()];
    std::thread::scope(|scope| {
        let part = move |thread| (0..canaries).filter(move |seed| seed % threads == thread);
        let handles: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || part(thread).map(|seed| run(site, seed)).collect::<Vec<_>>()))
            .collect();
        for ends in handles.into_iter().flat_map(|handle| handle.join().expect("no panic")) {
            for (found, end) in found.iter_mut().zip(ends) {
                found.extend(end);
            }
        }
    });
    found
}

fn run(site: Site, seed: u64) -> [Option<f64>; RULES.len()] {
    let mut world = World::new(site, seed);
    let past = world.past(PAST);
    let mut rules = RULES.map(|(_, begin): Named| begin(&past));
    let mut ends = [None; RULES.len()];
    let mut answered = 0;
    for _ in 0..LOOKS {
        let interval = world.next();
        answered += interval.new.requests;
        for (rule, end) in rules.iter_mut().zip(&mut ends).filter(|(_, end)| end.is_none()) {
            *end = rule.is_worse(&interval).then_some(answered as f64);
        }
        if ends.iter().all(Option::is_some) {
            break;
        }
    }
    ends
}
