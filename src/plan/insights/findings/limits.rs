//! A limit far above or below what is used.

use super::Finding;
use crate::model::{Component, bytes_text};
use crate::plan::insights::{History, Usage};

/// Nights and weekends are part of what is used.
const ENOUGH_HOURS: u64 = 7 * 24;
/// A limit of so many times what was used is far above.
const FAR_ABOVE: u64 = 8;
/// Less than that is not worth a change.
const LEAST_BYTES: u64 = 256 * 1024 * 1024;

/// Finds it in a history, once for each component that it is true of.
pub fn find(history: &History) -> Vec<Finding> {
    let mut found = Vec::new();
    for component in history.components() {
        let Some(usage) = history.usage.get(&component.name).filter(|usage| usage.hours >= ENOUGH_HOURS) else {
            continue;
        };
        found.extend(memory(component, usage));
        found.extend(cpu(component, usage));
    }
    found
}

fn memory(component: &Component, usage: &Usage) -> Option<Finding> {
    let limit = component.container.resources.memory_limit_bytes.and_then(|bytes| u64::try_from(bytes).ok())?;
    let (most, name, file) = (usage.memory_max_bytes, &component.name, &component.place.file);
    let evidence = format!(
        "In {} hours one replica had {} at most; the limit is {}",
        usage.hours,
        bytes_text(most),
        bytes_text(limit)
    );
    let change = |bytes: u64| {
        let mib = bytes.div_ceil(1024 * 1024);
        format!("{file}: `deploy.resources.limits.memory: {mib}M` for {name}")
    };
    match () {
        () if most * 10 >= limit * 9 => Some(Finding {
            what: format!("{name}: its memory limit is hardly above what it uses, and beyond it the process is killed"),
            evidence,
            change: change(most.saturating_mul(3) / 2),
        }),
        () if most.saturating_mul(FAR_ABOVE) <= limit && limit - most >= LEAST_BYTES => Some(Finding {
            what: format!("{name}: its memory limit is far above what it uses"),
            evidence,
            change: change(most.saturating_mul(2).max(LEAST_BYTES / 4)),
        }),
        () => None,
    }
}

fn cpu(component: &Component, usage: &Usage) -> Option<Finding> {
    let limit = component.container.resources.cpu_limit_millis?;
    let (busiest, name) = (usage.busiest_hour_cpu_millis, &component.name);
    // Over a whole hour; within it there is a rush as a rule.
    (busiest * 10 >= limit * 8).then(|| Finding {
        what: format!("{name}: its CPU limit slows it down"),
        evidence: format!(
            "In the busiest of {} hours one replica took {:.2} CPUs on average; the limit is {:.2}",
            usage.hours,
            busiest as f64 / 1000.0,
            limit as f64 / 1000.0
        ),
        change: format!(
            "{}: `deploy.resources.limits.cpus: \"{:.1}\"` for {name}, or more replicas",
            component.place.file,
            busiest as f64 * 2.0 / 1000.0
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::insights::sample::history;
    use crate::plan::sample::{component, stack};

    const MIB: u64 = 1024 * 1024;

    fn found(hours: u64, most_mib: u64, limit_mib: i64, cpu: (u64, u64)) -> Vec<Finding> {
        let mut api = component("api");
        api.0.container.resources.memory_limit_bytes = Some(limit_mib * MIB as i64);
        api.0.container.resources.cpu_limit_millis = Some(cpu.1);
        let name = api.name();
        let mut history = history(1, stack([api]), |_| Vec::new());
        let usage =
            Usage { hours, memory_max_bytes: most_mib * MIB, busiest_hour_cpu_millis: cpu.0, ..Usage::default() };
        history.usage.insert(name, usage);
        find(&history)
    }

    #[test]
    fn a_limit_far_above_hardly_above_and_below_use_is_told() {
        let all =
            [found(200, 60, 2048, (100, 1000)), found(200, 480, 512, (100, 1000)), found(200, 100, 256, (450, 500))];
        let told: Vec<String> =
            all.iter().flatten().map(|found| format!("{}\n{}\n{}", found.what, found.evidence, found.change)).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        api: its memory limit is far above what it uses
        In 200 hours one replica had 63 MB at most; the limit is 2.1 GB
        compose.yaml: `deploy.resources.limits.memory: 120M` for api
        api: its memory limit is hardly above what it uses, and beyond it the process is killed
        In 200 hours one replica had 503 MB at most; the limit is 537 MB
        compose.yaml: `deploy.resources.limits.memory: 720M` for api
        api: its CPU limit slows it down
        In the busiest of 200 hours one replica took 0.45 CPUs on average; the limit is 0.50
        compose.yaml: `deploy.resources.limits.cpus: "0.9"` for api, or more replicas
        "#);
    }

    #[test]
    fn a_limit_that_fits_and_a_short_past_are_no_finding() {
        assert_eq!(found(200, 100, 256, (100, 500)), []);
        assert_eq!(found(100, 60, 2048, (450, 500)), []);
        assert_eq!(find(&history(6, stack([component("api")]), |_| Vec::new())), [], "nobody has measured");
    }
}
