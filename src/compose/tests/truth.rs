//! What we read is what Compose reads: every file of tests/data/compose against `docker compose config`.

use super::*;
use crate::model::Stack;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

mod ours;
pub(super) mod theirs;

/// What Compose accepts and we refuse: the run, and words of our reason.
const REFUSED_BY_US: &[(&str, &str)] = &[
    ("cases/no-services/default", "a Compose file needs `services:`"),
    // Compose refuses it only when it starts containers.
    ("cases/bad-restart/default", "is not one of \"no\", always"),
    // Compose checks keys of all sections but this one; no key of ours may be written.
    ("cases/network-key-with-colon/default", "is not a key here"),
    // The engine takes these names for its own networks.
    ("cases/network-of-the-host/default", "cannot be used by its name"),
    // Compose takes it for a path in the container that begins with a drive letter, which no Linux engine accepts.
    ("cases/drive-letter/default", "is read as a drive letter"),
];

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/compose")
}

/// One run of Compose: the folder, the run's name, its arguments.
struct Run {
    name: String,
    folder: PathBuf,
    files: Vec<String>,
    profiles: Vec<String>,
    variables: BTreeMap<String, String>,
    /// What Compose printed, or nothing where it refused.
    said: Option<Value>,
}

fn runs() -> Vec<Run> {
    let mut runs = Vec::new();
    let mut folders = vec![data()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let extension = entry.extension().and_then(|e| e.to_str()).unwrap_or_default();
            if extension == "json" || extension == "refused" {
                runs.push(run(&folder, &entry, extension == "json"));
            }
        }
    }
    runs.sort_by(|a, b| a.name.cmp(&b.name));
    runs
}

fn run(folder: &Path, answer: &Path, accepted: bool) -> Run {
    let stem = answer.file_stem().unwrap().to_str().unwrap();
    let arguments = std::fs::read_to_string(folder.join(format!("{stem}.args"))).unwrap_or_default();
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let after = |flag| words.windows(2).filter(|pair| pair[0] == flag).map(|pair| pair[1].to_string()).collect();
    let variables = std::fs::read_to_string(folder.join("variables")).unwrap_or_default();
    let variables: BTreeMap<String, String> =
        variables.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect();
    let said = accepted.then(|| {
        let mut said: Value = serde_json::from_slice(&std::fs::read(answer).unwrap()).unwrap();
        said["variables"] = json!(variables);
        said
    });
    let relative = folder.strip_prefix(data()).unwrap().display();
    Run {
        name: format!("{relative}/{stem}"),
        folder: folder.into(),
        files: after("-f"),
        profiles: after("--profile"),
        variables,
        said,
    }
}

/// The run's folder as a commit. What Compose does not look at (build contexts, mounted files) is made up.
fn tree(run: &Run) -> MemoryTree {
    let mut tree = MemoryTree::default();
    let mut folders = vec![run.folder.clone()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&run.folder).unwrap().to_str().unwrap();
                tree.add(name, &std::fs::read(&path).unwrap());
            }
        }
    }
    for path in run.said.iter().flat_map(mentioned) {
        tree.add(&path, b"made up");
    }
    tree
}

/// Files of the project that an answer names: Dockerfiles, a file in each context, bind sources, configs, secrets.
pub(super) fn mentioned(said: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    let mut add = |path: &str| paths.extend(path.strip_prefix("/project/").map(str::to_string));
    let looks_like_file = |path: &str| path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    for service in said["services"].as_object().unwrap().values() {
        if let Some(context) = service["build"]["context"].as_str() {
            let dockerfile = service["build"]["dockerfile"].as_str().unwrap_or("Dockerfile");
            let path = format!("{}/{dockerfile}", context.strip_prefix("/project").unwrap().trim_start_matches('/'));
            add(&format!("/project/{}", RepoPath::new(path.trim_start_matches('/')).unwrap().as_str()));
            add(&format!("{context}/a-file"));
        }
        for more in service["build"]["additional_contexts"].as_object().into_iter().flat_map(Map::values) {
            add(&format!("{}/a-file", more.as_str().unwrap()));
        }
        for volume in service["volumes"].as_array().into_iter().flatten() {
            if let Some(source) = volume["source"].as_str().filter(|_| volume["type"] == "bind") {
                add(&if looks_like_file(source) { source.to_string() } else { format!("{source}/a-file") });
            }
        }
    }
    for section in ["configs", "secrets"] {
        for entry in said[section].as_object().into_iter().flat_map(Map::values) {
            add(entry["file"].as_str().unwrap_or_default());
        }
    }
    paths
}

pub(super) fn everything_allowed() -> Permissions {
    Permissions {
        host_paths: vec!["/".into()],
        shared_paths: Vec::new(),
        privileged: true,
        engine_socket: true,
        host_namespaces: true,
        devices: vec!["*".into()],
        capabilities: vec!["ALL".into()],
        unconfined: true,
        cgroup_parent: true,
        volume_drivers: Vec::new(),
        network_drivers: vec!["*".into()],
        interfaces: vec!["*".into()],
        subnets: vec!["0.0.0.0/0".into(), "::/0".into()],
        remote_volumes: vec!["*".into()],
        log_drivers: vec!["*".into()],
        runtimes: vec!["*".into()],
        sysctls: vec!["*".into()],
        annotations: vec!["*".into()],
        external: vec![crate::model::ExternalGrant { name: "bridge".into(), write: false, names: false }],
        prometheus: Vec::new(),
        binds: BTreeMap::new(),
        ..Permissions::default()
    }
}

/// A run of Compose as a commit of ours, which Compose accepts and we do too.
pub(crate) struct Accepted {
    pub name: String,
    pub tree: MemoryTree,
    pub stack: Stack,
}

/// All of them, from this commit, with these files of the repository beside those of the run.
pub(crate) fn accepted(commit: &str, beside: &[(&str, &str)]) -> Vec<Accepted> {
    let read = |mut run: Run| {
        run.variables.insert("LAUNCHWAY_COMMIT".into(), commit.into());
        let mut tree = tree(&run);
        for (path, text) in beside {
            tree.add(path, text.as_bytes());
        }
        let stack = run.said.as_ref().and_then(|_| read_tree(&run, &tree).ok())?;
        Some(Accepted { name: run.name, tree, stack })
    };
    runs().into_iter().filter_map(read).collect()
}

/// A commit of these files, which we accept.
pub(crate) fn accepted_files(files: &[(&str, &str)]) -> Accepted {
    let (tree, project) = (MemoryTree::new(files.iter().copied()), shop());
    let read = read(&request(&tree, &project)).map_err(|problems| show(&problems));
    let stack = read.unwrap_or_else(|problems| panic!("{problems}")).stack;
    Accepted { name: "shop".into(), tree, stack }
}

fn read_run(run: &Run) -> Result<Stack, String> {
    read_tree(run, &tree(run))
}

fn read_tree(run: &Run, tree: &MemoryTree) -> Result<Stack, String> {
    let project = shop();
    let request = ReadRequest {
        files: run.files.iter().map(|file| RepoPath::new(file).unwrap()).collect(),
        compose_project: "shop".into(),
        profiles: run.profiles.clone(),
        variables: run.variables.clone(),
        allowed: everything_allowed(),
        ..request(tree, &project)
    };
    read(&request).map(|reading| reading.stack).map_err(|problems| show(&problems))
}

#[test]
fn every_file_is_read_as_compose_reads_it_or_refused_with_a_reason() {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for run in runs() {
        let ours = read_run(&run);
        let ours_refused = REFUSED_BY_US.iter().find(|(name, _)| *name == run.name).map(|(_, reason)| *reason);
        match (&run.said, &ours, ours_refused) {
            (Some(_), Err(problems), Some(reason)) if problems.contains(reason) => {}
            (Some(_), Err(problems), _) => wrong.push(format!("{}: we refuse it: {problems}", run.name)),
            (Some(_), Ok(_), Some(_)) => wrong.push(format!("{}: is on the list of what we refuse", run.name)),
            (None, Err(_), _) => {}
            (None, Ok(_), _) => wrong.push(format!("{}: Compose refuses it, we do not", run.name)),
            (Some(said), Ok(stack), None) => {
                compared += 1;
                differences("", &theirs::of_answer(said), &ours::of_stack(stack), &mut |d| {
                    wrong.push(format!("{}: {d}", run.name))
                });
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Guards against runs that were forgotten when the answers were made.
    assert!(runs().iter().any(|run| run.name == "opentelemetry-demo/everything"));
    assert!(compared > 45, "{compared}");
}

/// All that differs between what Compose said and our stack, a line each; nothing where nothing does.
pub(super) fn difference(theirs: &Value, stack: &Stack) -> Option<String> {
    let mut all = Vec::new();
    differences("", theirs, &ours::of_stack(stack), &mut |difference| all.push(difference));
    (!all.is_empty()).then(|| all.join("\n"))
}

fn differences(path: &str, theirs: &Value, ours: &Value, tell: &mut dyn FnMut(String)) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let nothing = Value::Null;
                let (a, b) = (a.get(key).unwrap_or(&nothing), b.get(key).unwrap_or(&nothing));
                differences(&format!("{path}.{key}"), a, b, tell);
            }
        }
        (a, b) if a != b => tell(format!("{path}: Compose says {a}, we say {b}")),
        _ => {}
    }
}

fn without(value: &Value, keys: &[&str]) -> Value {
    let mut map = value.as_object().cloned().unwrap_or_default();
    map.retain(|key, value| !keys.contains(&key.as_str()) && !key.starts_with("x-") && !is_empty(value));
    plain(&map.into())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(flag) => !flag,
        _ => false,
    }
}

/// Undoes the doubling of `$` in what Compose prints.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => text.replace("$$", "$").into(),
        Value::Array(list) => list.iter().map(plain).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.replace("$$", "$"), plain(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn sorted(values: impl IntoIterator<Item = Value>) -> Value {
    let mut values: Vec<Value> = values.into_iter().collect();
    values.sort_by_key(Value::to_string);
    values.into()
}
