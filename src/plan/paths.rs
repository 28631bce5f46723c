//! What `x-launchway.paths` matches, as one hash.

use crate::model::budgets;
use crate::model::{EntryKind, RepoPath, Tree, TreeError, Walked};
use globset::{Glob, GlobSet, GlobSetBuilder};
use sha2::{Digest, Sha256};

/// A hash over (path, kind, id) of everything that the patterns match; `None` without patterns. Patterns start from the
/// repository's root, also where the project is a folder of it: what several of its projects share lies beside them.
pub fn paths_hash(tree: &dyn Tree, patterns: &[String]) -> Result<Option<String>, TreeError> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let bad = |pattern: &str, why: String| TreeError::Read {
        path: RepoPath::root(),
        message: format!("the pattern {pattern:?}: {why}"),
    };
    let count = patterns.len();
    let small = budgets::PATTERNS.check(count as u64, format_args!("{count} patterns of `x-launchway.paths`"));
    small.map_err(|why| TreeError::TooMuch { path: RepoPath::root(), why })?;
    let mut set = GlobSetBuilder::new();
    let mut starts: Vec<RepoPath> = Vec::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(|error| bad(pattern, error.to_string()))?);
        starts.push(RepoPath::root().join(&literal_start(pattern)).map_err(|error| bad(pattern, error.to_string()))?);
    }
    let set = set.build().map_err(|error| bad(&patterns.join(", "), error.to_string()))?;
    // A folder that lies in another one is walked with it.
    starts.sort();
    starts.dedup();
    let all = starts.clone();
    starts.retain(|start| !all.iter().any(|other| other != start && start.relative_to(other).is_some()));
    let (mut hash, mut walked) = (Sha256::new(), Walked::default());
    for start in starts {
        match tree.entry(&start)? {
            Some(entry) if entry.kind == EntryKind::Directory => walk(tree, &start, &set, &mut hash, &mut walked)?,
            Some(entry) => add(&entry.path, &entry.id, entry.kind, &set, &mut hash),
            None => {}
        }
    }
    Ok(Some(hex::encode(hash.finalize())))
}

/// The folders before the first part with a wildcard: `proto` of `proto/**`.
fn literal_start(pattern: &str) -> String {
    let literal = |part: &&str| !part.contains(['*', '?', '[', '{']);
    pattern.split('/').take_while(literal).collect::<Vec<_>>().join("/")
}

fn walk(
    tree: &dyn Tree,
    folder: &RepoPath,
    set: &GlobSet,
    hash: &mut Sha256,
    walked: &mut Walked,
) -> Result<(), TreeError> {
    let entries = tree.list(folder)?;
    walked.more(folder, entries.len())?;
    for entry in entries {
        match entry.kind {
            EntryKind::Directory => walk(tree, &entry.path, set, hash, walked)?,
            kind => add(&entry.path, &entry.id, kind, set, hash),
        }
    }
    Ok(())
}

fn add(path: &RepoPath, id: &str, kind: EntryKind, set: &GlobSet, hash: &mut Sha256) {
    let path = path.as_str();
    if set.is_match(path) {
        hash.update(format!("{}:{path}\0{kind:?} {id}\n", path.len()));
    }
}
