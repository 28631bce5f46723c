//! The walls between the rooms of `src/`, as ARCHITECTURE.md draws them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Room -> rooms that it may import.
const MAY_IMPORT: [(&str, &[&str]); 17] = [
    ("model", &[]),
    // How an env file is read is said in one place.
    ("config", &["model", "compose"]),
    ("process", &[]),
    ("connections", &["process"]),
    ("compose", &["model"]),
    ("plan", &["model"]),
    ("forge", &["model", "plan"]),
    ("source", &["model", "plan", "process"]),
    ("build", &["model", "plan"]),
    ("engine", &["model", "plan", "process"]),
    ("edge", &["model", "process", "connections"]),
    ("report", &["model", "plan"]),
    ("store", &["model", "plan"]),
    // It defines what it asks of the rest (`Intake`); `run` implements that.
    ("receive", &["model", "forge", "connections"]),
    (
        "run",
        &[
            "model", "config", "compose", "plan", "forge", "source", "build", "engine", "edge", "report", "store",
            "receive", "process",
        ],
    ),
    ("web", &["model", "config", "plan", "source", "engine", "report", "store", "receive", "run"]),
    (
        "cli",
        &[
            "model",
            "config",
            "compose",
            "plan",
            "forge",
            "source",
            "build",
            "engine",
            "edge",
            "report",
            "store",
            "receive",
            "run",
            "web",
            "process",
            "connections",
        ],
    ),
];

#[test]
fn no_room_imports_what_it_must_not() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.into_iter().collect();
    let mut wrong = Vec::new();
    for (room, file, imported) in imports() {
        if room == imported {
            continue;
        }
        match allowed.get(room.as_str()) {
            Some(allowed) if allowed.contains(&imported.as_str()) => {}
            Some(_) => wrong.push(format!("{}: {room} must not import {imported}", file.display())),
            None => wrong.push(format!("{}: the room {room} is not in the plan of the house", file.display())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rooms inside `run`, from the ground up -> rooms of it that they may import. `queue` and `start` stand on top.
const MAY_IMPORT_IN_RUN: [(&str, &[&str]); 10] = [
    ("ground", &[]),
    ("turn", &["ground"]),
    ("traffic", &["ground", "turn"]),
    ("flow", &["ground", "turn", "traffic"]),
    ("incoming", &["ground", "flow"]),
    ("keep", &["ground", "traffic", "flow"]),
    ("collect", &["ground"]),
    ("tell", &["ground"]),
    ("queue", &["ground", "turn", "flow"]),
    ("start", &["ground", "turn", "flow", "incoming", "keep", "collect", "tell", "queue"]),
];

#[test]
fn no_room_inside_run_imports_what_it_must_not() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT_IN_RUN.into_iter().collect();
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/run");
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (_, file) in sources().into_iter().filter(|(room, _)| room == "run") {
        let inside = file.strip_prefix(&run).unwrap().components().next().unwrap();
        let room = inside.as_os_str().to_string_lossy().trim_end_matches(".rs").to_string();
        if room == "mod" {
            continue;
        }
        let Some(may) = allowed.get(room.as_str()) else {
            wrong.push(format!("{}: the room {room} of run is not in the plan of the house", file.display()));
            continue;
        };
        let code = without_tests(&std::fs::read_to_string(&file).unwrap());
        for (at, _) in code.match_indices("crate::run::") {
            for name in first_names(&code[at + "crate::run::".len()..]) {
                seen += 1;
                if name != room && !may.contains(&name.as_str()) {
                    wrong.push(format!("{}: run::{room} must not import run::{name}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 300, "only {seen} imports inside run were found");
}

#[test]
fn no_circle_of_imports_between_rooms() {
    let mut left: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (room, _, imported) in imports() {
        left.entry(imported.clone()).or_default();
        let entry = left.entry(room.clone()).or_default();
        if room != imported {
            entry.insert(imported);
        }
    }
    while let Some(free) = left.iter().find(|(_, needs)| needs.is_empty()).map(|(room, _)| room.clone()) {
        left.remove(&free);
        for needs in left.values_mut() {
            needs.remove(&free);
        }
    }
    assert!(left.is_empty(), "a circle among {left:?}");
}

#[test]
fn the_rooms_that_think_do_no_io_and_read_no_clock() {
    let forbidden = [
        "std::fs",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "tokio::",
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
        "getrandom",
        "reqwest",
        "bollard",
        "sqlx",
    ];
    let mut wrong = Vec::new();
    for (room, file) in sources() {
        if !["model", "plan", "compose"].contains(&room.as_str()) {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let is_test = file.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs");
        let code = without_tests(&text);
        if !is_test {
            wrong.extend(
                forbidden.iter().filter(|word| code.contains(*word)).map(|word| format!("{}: {word}", file.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A source text without the items that only tests have.
fn without_tests(text: &str) -> String {
    let (mut code, mut lines) = (String::new(), text.lines());
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        if line.trim() != "#[cfg(test)]" {
            code.push_str(line);
            code.push('\n');
            continue;
        }
        // rustfmt puts the end of an item below its beginning.
        let ends =
            |line: &str| line.len() - line.trim_start().len() == indent && (line.ends_with('}') || line.ends_with(';'));
        lines.by_ref().find(|line| ends(line));
    }
    code
}

#[test]
fn only_what_tests_have_is_taken_out_of_a_source_text() {
    let text =
        "fn a() {}\n#[cfg(test)]\nuse x;\nfn b() {\n    1\n}\n#[cfg(test)]\nmod tests {\n    use y;\n}\nfn c() {}\n";
    assert_eq!(without_tests(text), "fn a() {}\nfn b() {\n    1\n}\nfn c() {}\n");
}

/// (room, file) of every source file.
fn sources() -> Vec<(String, PathBuf)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let first = path.strip_prefix(&src).unwrap().components().next().unwrap();
                let room = first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_string();
                if !["lib", "main"].contains(&room.as_str()) {
                    files.push((room, path));
                }
            }
        }
    }
    assert!(files.len() > 100, "only {} source files were found", files.len());
    files
}

/// (room, file, imported room) of every `crate::...` in the sources.
fn imports() -> Vec<(String, PathBuf, String)> {
    let mut found = Vec::new();
    for (room, file) in sources() {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = lines.collect::<Vec<_>>().join("\n");
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            for name in first_names(rest) {
                // Re-exports at the root and macros' own paths are no rooms.
                if MAY_IMPORT.iter().any(|(room, _)| *room == name) {
                    found.push((room.clone(), file.clone(), name));
                }
            }
        }
    }
    found
}

/// `a` of `a::b`, `a` and `c` of `{a::b, c}`.
fn first_names(rest: &str) -> Vec<String> {
    let name =
        |text: &str| text.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut names, mut start) = (0, Vec::new(), 0);
    for (index, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(name(&group[start..index]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(name(&group[start..index]));
                start = index + 1;
            }
            _ => {}
        }
    }
    names
}
