//! Compose projects by chance, beside Docker Compose itself: both refuse, or both accept and understand the same.
//!
//! `make compose-differential` tries thousands of them (`SEED=`, `CASES=`; `COMPOSE=` is the command, `docker compose` by
//! default). What Launchway refuses on purpose stands in docs/compose.md, and is read from there.

use super::truth::{difference, everything_allowed, mentioned, theirs};
use super::*;
use generate::Case;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

mod forms;
mod generate;

const DOCS: &str = include_str!("../../../docs/compose.md");
/// Older ones read some files in other ways.
const OLDEST: (u32, u32) = (2, 30);
/// A short run is for the version whose answers the code was written by.
const OF_TODAY: (u32, u32) = (2, 40);

/// What docs/compose.md gives reasons for.
struct OnPurpose {
    /// Words of our refusals where Compose accepts.
    refused: Vec<&'static str>,
    /// Words of Compose's refusals where we accept.
    accepted: Vec<&'static str>,
}

impl OnPurpose {
    fn of_the_docs() -> Self {
        let (_, section) = DOCS.split_once("## Where Launchway and Compose differ").unwrap();
        let (refused, accepted) = section.split_once("| Compose refuses").unwrap();
        let words = |table: &'static str| -> Vec<&'static str> {
            let rows = table.lines().take_while(|line| !line.starts_with("## "));
            rows.filter_map(|line| Some(line.strip_prefix("| `")?.split_once("` |")?.0)).collect()
        };
        let read = Self { refused: words(refused), accepted: words(accepted) };
        assert!(read.refused.len() > 5 && !read.accepted.is_empty(), "{:?} {:?}", read.refused, read.accepted);
        read
    }
}

fn compose() -> Vec<String> {
    let command = std::env::var("COMPOSE").unwrap_or("docker compose".into());
    command.split_whitespace().map(str::to_string).collect()
}

/// Its version; or why there is none.
fn compose_version() -> Result<(u32, u32), String> {
    let command = compose();
    let output = Command::new(&command[0]).args(&command[1..]).args(["version", "--short"]).output();
    let said = output.ok().filter(|output| output.status.success());
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string()).unwrap_or_default();
    let mut parts = said.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => Ok((major, minor)),
        _ => Err(format!("`{}` does not answer as Docker Compose", command.join(" "))),
    }
}

/// A case's files in a folder.
fn written(case: &Case) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in &case.files {
        let path = folder.path().join("project").join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file.text()).unwrap();
    }
    folder
}

/// `docker compose`, for a case in this folder.
fn asking(case: &Case, folder: &tempfile::TempDir, name: &str) -> Command {
    let (command, project) = (compose(), folder.path().join("project"));
    let mut asking = Command::new(&command[0]);
    asking.args(&command[1..]).arg("--project-directory").arg(&project).args(["-p", name]);
    for file in &case.compose {
        asking.arg("-f").arg(project.join(file));
    }
    for profile in &case.profiles {
        asking.args(["--profile", profile]);
    }
    asking.env_clear().envs(["PATH", "DOCKER_HOST"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    asking.env("HOME", "/home/nobody").envs(forms::VARIABLES.iter().copied());
    asking
}

/// What Compose understood, or what it said when it refused.
fn asked(case: &Case) -> Result<Value, String> {
    let folder = written(case);
    let project = folder.path().join("project");
    let output = asking(case, &folder, "shop").args(["config", "--format", "json"]).output().unwrap();
    let plain = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(project.to_str().unwrap(), "/project");
    if !output.status.success() {
        let said = plain(&output.stderr);
        return Err(said.lines().filter(|line| !line.starts_with("time=")).collect::<Vec<_>>().join("\n"));
    }
    let mut said: Value = serde_json::from_str(&plain(&output.stdout)).unwrap();
    said["variables"] = forms::VARIABLES.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
    Ok(said)
}

/// What we understand, or why we refuse.
fn read_case(case: &Case, said: Option<&Value>) -> Result<crate::model::Stack, Vec<String>> {
    read_as(case, said, "shop")
}

/// A project made by chance that an engine can create, as `docker compose` is called for it, and as we read it.
pub(crate) struct ForAnEngine {
    case: Case,
    folder: tempfile::TempDir,
    name: String,
    pub stack: crate::model::Stack,
}

impl ForAnEngine {
    /// Nothing where Compose or we refuse it.
    pub(crate) fn new(seed: u64, name: &str, image: &str) -> Option<Self> {
        let case = generate::case_for_an_engine(seed, image);
        let said = asked(&case).ok()?;
        let stack = read_as(&case, Some(&said), name).ok()?;
        Some(Self { folder: written(&case), case, name: name.into(), stack })
    }

    /// Whether Compose did this.
    pub(crate) fn compose(&self, arguments: &[&str]) -> Result<(), String> {
        let output = asking(&self.case, &self.folder, &self.name).args(arguments).output().unwrap();
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    pub(crate) fn shown(&self, seed: u64, difference: &str) -> String {
        shown(seed, &self.case, difference)
    }
}

fn read_as(case: &Case, said: Option<&Value>, name: &str) -> Result<crate::model::Stack, Vec<String>> {
    let mut tree = MemoryTree::default();
    for file in &case.files {
        tree.add(&file.path, file.text().as_bytes());
    }
    let there: BTreeSet<&str> = case.files.iter().map(|file| file.path.as_str()).collect();
    for path in said.map(mentioned).unwrap_or_default() {
        let is_around = there.iter().any(|file| *file == path || file.starts_with(&format!("{path}/")));
        let is_below = there.iter().any(|file| path.starts_with(&format!("{file}/")));
        if !is_around && !is_below {
            tree.add(&path, b"made up");
        }
    }
    let project = shop();
    let request = ReadRequest {
        files: case.compose.iter().map(|file| RepoPath::new(file).unwrap()).collect(),
        compose_project: name.into(),
        profiles: case.profiles.clone(),
        variables: forms::VARIABLES.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        allowed: everything_allowed(),
        longest: std::time::Duration::from_secs(365 * 86400),
        ..request(&tree, &project)
    };
    let errors = |problems: Vec<crate::model::Problem>| {
        problems.iter().filter(|problem| problem.is_error()).map(ToString::to_string).collect()
    };
    read(&request).map(|reading| reading.stack).map_err(errors)
}

/// How the two differ; nothing where they do not.
fn differs(case: &Case, on_purpose: &OnPurpose) -> Option<String> {
    match asked(case) {
        Err(refusal) if on_purpose.accepted.iter().any(|words| refusal.contains(words)) => None,
        Err(refusal) => read_case(case, None).ok().map(|_| format!("Compose refuses it, we do not: {refusal}")),
        Ok(said) => match read_case(case, Some(&said)) {
            Ok(stack) => difference(&theirs::of_answer(&said), &stack),
            Err(errors) => {
                let is_meant = |error: &String| on_purpose.refused.iter().any(|words| error.contains(words));
                let others: Vec<String> = errors.into_iter().filter(|error| !is_meant(error)).collect();
                (!others.is_empty()).then(|| format!("we refuse it, Compose does not: {}", others.join("\n")))
            }
        },
    }
}

/// Leaves out piece after piece, as long as the two still differ in the same way.
fn smaller(mut case: Case, on_purpose: &OnPurpose) -> Case {
    // What differs, without where and how much.
    let kind = |case: &Case| {
        let said = differs(case, on_purpose)?;
        Some(said.split(": ").next().unwrap_or_default().to_string())
    };
    let Some(wanted) = kind(&case) else { return case };
    let mut left = 80;
    for file in 0..case.files.len() {
        let mut piece = 0;
        while piece < case.files[file].pieces.len() && left > 0 {
            let mut tried = case.clone();
            tried.files[file].pieces.remove(piece);
            left -= 1;
            match kind(&tried).as_ref() == Some(&wanted) {
                true => case = tried,
                false => piece += 1,
            }
        }
    }
    case
}

fn shown(seed: u64, case: &Case, difference: &str) -> String {
    let named: Vec<&str> = case.compose.iter().map(String::as_str).collect();
    let text: String = case.files.iter().map(generate::CaseFile::text).collect();
    let matters = |path: &str| named.contains(&path) || text.contains(path) || path == ".env";
    let files = case.files.iter().filter(|file| matters(&file.path) && !file.pieces.is_empty());
    let files: String = files.map(|file| format!("--- {}\n{}", file.path, file.text())).collect();
    format!("SEED={seed} CASES=1, -f {}, profiles {:?}\n{difference}\n{files}", named.join(" -f "), case.profiles)
}

/// Tries so many cases; what of them differs.
fn tried(seed: u64, cases: u64) -> Vec<String> {
    let on_purpose = OnPurpose::of_the_docs();
    let (next, wrong) = (AtomicU64::new(seed), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed_now = next.fetch_add(1, Ordering::Relaxed);
            if seed_now >= seed + cases || wrong.lock().unwrap().len() >= 20 {
                return;
            }
            let case = generate::case(seed_now);
            if differs(&case, &on_purpose).is_some() {
                let case = smaller(case, &on_purpose);
                let difference = differs(&case, &on_purpose).unwrap_or("differs only sometimes".into());
                wrong.lock().unwrap().push(shown(seed_now, &case, &difference));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    wrong.into_inner().unwrap()
}

/// A number of the environment, such as `SEED=7`.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map_or(default, |text| text.parse().unwrap())
}

#[test]
#[ignore = "asks Docker Compose thousands of times: make compose-differential"]
fn thousands_of_projects_by_chance_are_read_as_compose_reads_them() {
    let version = compose_version().unwrap_or_else(|why| panic!("{why}; name the command by COMPOSE="));
    assert!(
        version >= OLDEST,
        "Compose {version:?} is older than {OLDEST:?}, which this is compared with at the least"
    );
    let wrong = tried(number("SEED", 1), number("CASES", 2000));
    assert!(wrong.is_empty(), "{} differ\n\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn some_projects_by_chance_are_read_as_compose_reads_them() {
    match compose_version() {
        Ok(version) if version >= OF_TODAY => {}
        Ok(version) => return eprintln!("nothing is compared: Compose {version:?} is older than {OF_TODAY:?}"),
        Err(why) => return eprintln!("nothing is compared: {why}"),
    }
    let wrong = tried(1, 60);
    assert!(wrong.is_empty(), "{} differ\n\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_project() {
    let text = |seed| generate::case(seed).files.iter().map(generate::CaseFile::text).collect::<String>();
    assert_eq!(text(7), text(7));
    assert_ne!(text(7), text(8));
}
