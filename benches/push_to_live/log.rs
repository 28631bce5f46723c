//! How long the engine was busy for a deployment, by the deployment's own log.

use jiff::Timestamp;
use std::time::{Duration, SystemTime};

/// The time between `from` and `to` in which at least one step or build was under way. What the engine is asked
/// besides (what runs, which images are there) is not in it.
pub fn engine_time(log: &str, from: SystemTime, to: SystemTime) -> Duration {
    let ms = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3;
    let (from, to) = (ms(from), ms(to));
    let mut spans = steps(log);
    spans.extend(builds(log));
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut busy, mut until) = (0.0, from);
    for (start, end) in spans {
        let (start, end) = (start.max(until), end.min(to));
        if end > start {
            busy += end - start;
            until = end;
        }
    }
    Duration::from_secs_f64(busy / 1e3)
}

/// Milliseconds since 1970, stage, component and text of a line.
fn parts(line: &str) -> Option<(f64, &str, &str, &str)> {
    let (time, rest) = line.split_once(' ')?;
    let time: Timestamp = time.parse().ok()?;
    let (stage, rest) = rest.trim_start().split_once(' ')?;
    let (component, text) = rest.trim_start().split_once(' ')?;
    Some((time.as_millisecond() as f64, stage, component, text))
}

/// `#12 web-1: start container: done (0.42 s)`, written when it ended.
fn steps(log: &str) -> Vec<(f64, f64)> {
    let step = |line: &str| {
        let (end, _, _, text) = parts(line)?;
        let took = text.starts_with('#').then_some(text)?.strip_suffix(" s)")?.rsplit_once('(')?.1;
        Some((end - took.parse::<f64>().ok()? * 1e3, end))
    };
    log.lines().filter_map(step).collect()
}

/// From the first to the last line that a component's build wrote.
fn builds(log: &str) -> Vec<(f64, f64)> {
    let mut spans: std::collections::BTreeMap<&str, (f64, f64)> = Default::default();
    for (time, stage, component, text) in log.lines().filter_map(parts) {
        if stage == "build" && component != "-" && !text.ends_with("is built already") {
            let span = spans.entry(component).or_insert((time, time));
            span.1 = time;
        }
    }
    spans.into_values().collect()
}
