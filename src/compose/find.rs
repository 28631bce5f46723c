//! Which files describe the project.

use super::files::Files;
use super::problems::Problems;
use crate::model::{Place, RepoPath};

/// In this order, as Compose looks for them.
const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
const OVERRIDES: [&str; 4] =
    ["compose.override.yaml", "compose.override.yml", "docker-compose.override.yaml", "docker-compose.override.yml"];

pub enum Found {
    Compose(Vec<RepoPath>),
    Dockerfile(RepoPath),
    /// Nothing of the kind: a template may fit.
    Nothing,
}

/// The Compose files that are named, or what lies in the project's folder.
pub fn find(named: &[RepoPath], root: &RepoPath, files: &Files<'_>, problems: &Problems) -> Option<Found> {
    if !named.is_empty() {
        return Some(Found::Compose(named.to_vec()));
    }
    let exists = |name: &str| {
        let path = root.join(name).ok()?;
        match files.is_file(&path) {
            Ok(found) => found.then_some(path),
            Err(error) => {
                problems.error(Some(Place { file: path.to_string(), line: 1 }), "", error.to_string());
                None
            }
        }
    };
    let mut compose = NAMES.iter().filter_map(|name| exists(name));
    if let Some(path) = compose.next() {
        if let Some(other) = compose.next() {
            let message = format!("{other} is not read, because {path} is there too");
            problems.warning(Some(Place { file: other.to_string(), line: 1 }), "", message);
        }
        for other in OVERRIDES.iter().filter_map(|name| exists(name)) {
            let message = format!(
                "{other} is not read: it is for developers' machines; name it under the environment's `compose` in \
                 launchway.toml if it shall count"
            );
            problems.note(Some(Place { file: other.to_string(), line: 1 }), "", message);
        }
        return Some(Found::Compose(vec![path]));
    }
    // BuildKit takes the second one where the first is not there.
    if let Some(path) = exists("Dockerfile").or_else(|| exists("dockerfile")) {
        return Some(Found::Dockerfile(path));
    }
    (!problems.has_errors()).then_some(Found::Nothing)
}
