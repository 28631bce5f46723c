//! Reading whole projects.

use super::memory_tree::MemoryTree;
use super::{ReadRequest, read};
use crate::model::{Permissions, ProjectName, RepoPath, Severity};
use std::collections::BTreeMap;

mod around;
mod budgets;
pub(crate) mod differential;
mod environment;
mod fallback;
mod host_paths;
mod launchway;
mod messages;
mod mounts;
mod names;
mod origins;
mod permissions;
mod properties;
mod refused_by_compose;
mod shared_images;
mod stack;
pub(crate) mod truth;
pub(in crate::compose) mod verdicts;

/// A request for a tree with nothing allowed and nothing set.
fn request<'a>(tree: &'a MemoryTree, project: &'a ProjectName) -> ReadRequest<'a> {
    ReadRequest { compose_project: "shop-production".into(), ..ReadRequest::of(tree, project) }
}

fn shop() -> ProjectName {
    ProjectName::new("shop").unwrap()
}

/// Reads one Compose file beside some other files; problems as people read them.
fn read_one(compose: &str, others: &[(&str, &str)]) -> Result<crate::model::Stack, String> {
    let files = others.iter().copied().chain([("compose.yaml", compose)]);
    let (tree, project) = (MemoryTree::new(files), shop());
    read(&request(&tree, &project)).map(|reading| reading.stack).map_err(|problems| show(&problems))
}

fn show(problems: &[crate::model::Problem]) -> String {
    let line = |problem: &crate::model::Problem| match problem.severity {
        Severity::Error => problem.to_string(),
        Severity::Warning => format!("warning: {problem}"),
        Severity::Note => format!("note: {problem}"),
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// All that is said about a project: notes and warnings where it is read, everything where it is not.
fn messages(compose: &str, others: &[(&str, &str)]) -> String {
    let files = others.iter().copied().chain([("compose.yaml", compose)]);
    let (tree, project) = (MemoryTree::new(files), shop());
    said(&request(&tree, &project))
}

fn said(request: &ReadRequest<'_>) -> String {
    match read(request) {
        Ok(reading) => show(&reading.problems),
        Err(problems) => {
            assert!(problems.iter().any(crate::model::Problem::is_error), "{problems:?}");
            show(&problems)
        }
    }
}
