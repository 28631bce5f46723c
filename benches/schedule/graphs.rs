//! The dependency graphs of the Compose files in tests/data/compose (their README says where they are from and under which
//! licence), as Docker Compose read them, and the order of those that take whatever is ready.

use launchway::plan::schedule::Task;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// For each service what it waits for, as Compose lists them.
pub struct Graph {
    pub waits_for: Vec<Vec<usize>>,
}

pub fn graphs() -> Vec<Graph> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/compose");
    let mut answers: Vec<PathBuf> = Vec::new();
    for project in ["awesome-compose", "opentelemetry-demo"] {
        let mut folders = vec![root.join(project)];
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(&folder).expect("the data").map(|entry| entry.expect("the data").path()) {
                match path.is_dir() {
                    true => folders.push(path),
                    false => answers.extend((path.extension().is_some_and(|end| end == "json")).then_some(path)),
                }
            }
        }
    }
    answers.sort();
    answers.iter().filter_map(|path| graph(path)).collect()
}

fn graph(path: &Path) -> Option<Graph> {
    let said: Value = serde_json::from_slice(&std::fs::read(path).expect("the data")).expect("JSON");
    let services = said["services"].as_object()?;
    let place: BTreeMap<&str, usize> =
        services.keys().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
    let waits = |service: &Value| {
        let names = service["depends_on"].as_object().into_iter().flat_map(|names| names.keys());
        names.filter_map(|name| place.get(name.as_str()).copied()).collect()
    };
    Some(Graph { waits_for: services.values().map(waits).collect() })
}

/// All of them beside each other.
pub fn merged(graphs: &[Graph]) -> Graph {
    let mut waits_for = Vec::new();
    for graph in graphs {
        let offset = waits_for.len();
        waits_for.extend(graph.waits_for.iter().map(|waits| waits.iter().map(|wait| wait + offset).collect()));
    }
    Graph { waits_for }
}

/// The end of all where each free worker takes the first task of the file that is ready: written apart from what is
/// measured, as a rival.
pub fn in_file_order(tasks: &[Task], workers: usize) -> u64 {
    let mut ends: Vec<Option<u64>> = vec![None; tasks.len()];
    let mut now = 0;
    loop {
        let running = ends.iter().flatten().filter(|end| **end > now).count();
        let is_over = |task: usize| ends[task].is_some_and(|end| end <= now);
        let ready = (0..tasks.len())
            .find(|task| ends[*task].is_none() && tasks[*task].waits_for.iter().all(|wait| is_over(*wait)));
        match ready {
            Some(task) if running < workers => ends[task] = Some(now + tasks[task].time_ms),
            _ => match ends.iter().flatten().filter(|end| **end > now).min() {
                Some(next) => now = *next,
                None => return now,
            },
        }
    }
}
