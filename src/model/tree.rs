//! A tree of files as a commit (or a working copy) has it.

use super::Quoted;
use super::budgets::{self, Budget, TooMuch};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// A path inside a repository: relative, `/`-separated, without `.`, `..`, empty parts, NUL or a leading slash.
/// The empty path is the root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoPath(String);

/// Why a text is no path within a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    #[error("{:?} leaves the repository", Quoted(.0))]
    LeavesRepository(String),
    #[error("{:?} is an absolute path, not a path inside the repository", Quoted(.0))]
    Absolute(String),
    #[error("{:?} holds a NUL byte", Quoted(.0))]
    Nul(String),
}

impl RepoPath {
    /// The repository's top folder.
    pub fn root() -> Self {
        Self::default()
    }

    /// Normalises `text` (relative to the repository's root): `./a//b/../c` is `a/c`. What would leave the repository
    /// is refused.
    pub fn new(text: &str) -> Result<Self, InvalidPath> {
        Self::root().join(text)
    }

    /// Normalises `text` relative to this folder.
    pub fn join(&self, text: &str) -> Result<Self, InvalidPath> {
        if text.contains('\0') {
            return Err(InvalidPath::Nul(text.to_string()));
        }
        if text.starts_with('/') {
            return Err(InvalidPath::Absolute(text.to_string()));
        }
        let mut parts: Vec<&str> = self.0.split('/').filter(|part| !part.is_empty()).collect();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    if parts.pop().is_none() {
                        return Err(InvalidPath::LeavesRepository(text.to_string()));
                    }
                }
                part => parts.push(part),
            }
        }
        Ok(Self(parts.join("/")))
    }

    /// What lies directly in this folder under `name`; `None` where that is no name (`..`, or with a slash).
    pub fn child(&self, name: &str) -> Option<Self> {
        if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
            return None;
        }
        Some(Self(if self.is_root() { name.to_string() } else { format!("{}/{name}", self.0) }))
    }

    /// The path without a slash at its beginning or end; empty for the top folder.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Whether it is the top folder.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
    /// The folder that holds it; the root's is the root.
    pub fn parent(&self) -> RepoPath {
        Self(self.0.rsplit_once('/').map(|(parent, _)| parent.to_string()).unwrap_or_default())
    }
    /// The last part; empty for the root.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
    /// This path as seen from `folder`; `None` when it is not inside it.
    pub fn relative_to(&self, folder: &RepoPath) -> Option<&str> {
        if folder.is_root() {
            return Some(&self.0);
        }
        let rest = self.0.strip_prefix(folder.as_str())?;
        if rest.is_empty() { Some("") } else { rest.strip_prefix('/') }
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if self.0.is_empty() { "." } else { &self.0 })
    }
}

impl TryFrom<String> for RepoPath {
    type Error = InvalidPath;
    fn try_from(text: String) -> Result<Self, InvalidPath> {
        Self::new(&text)
    }
}

impl From<RepoPath> for String {
    fn from(path: RepoPath) -> String {
        path.0
    }
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    File,
    /// A file with its execute bit.
    Executable,
    Symlink,
    Directory,
    /// A commit of another repository that was not brought along.
    Submodule,
}

/// One entry of a tree. `id` is git's object id (a tree id for a directory): equal ids are equal content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub path: RepoPath,
    pub kind: EntryKind,
    pub id: String,
}

/// Why something of a tree cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    #[error("{0} is not in the commit")]
    NotFound(RepoPath),
    #[error("{path} is {found:?}, not what was asked for")]
    WrongKind { path: RepoPath, found: EntryKind },
    #[error("{path}: {why}")]
    TooMuch { path: RepoPath, why: TooMuch },
    #[error("reading {path}: {message}")]
    Read { path: RepoPath, message: String },
}

/// Where another process finds the files of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeSource {
    /// The bare repository.
    pub repository: PathBuf,
    pub commit: super::CommitId,
    /// Submodules that were brought along, by where they lie.
    pub modules: Vec<(RepoPath, TreeSource)>,
}

/// Read access to one commit's files. Implemented by `source` for git trees and for working copies; the rooms that
/// think (`compose`, `plan`) and `build` see only this.
pub trait Tree: Send + Sync {
    /// The entry at `path`, or `None`. Symlinks are not followed. The root is a directory.
    fn entry(&self, path: &RepoPath) -> Result<Option<Entry>, TreeError>;
    /// What lies directly in a folder, sorted by name.
    fn list(&self, folder: &RepoPath) -> Result<Vec<Entry>, TreeError>;
    /// A file's bytes, or the target of a symlink.
    fn read(&self, path: &RepoPath) -> Result<Vec<u8>, TreeError>;
    /// How many bytes [`Tree::read`] would give; trees that know it without reading say so quicker.
    fn size(&self, path: &RepoPath) -> Result<u64, TreeError> {
        Ok(self.read(path)?.len() as u64)
    }
    /// As [`Tree::read`], for what is read as text or is a link: its size is looked at first.
    ///
    /// # Errors
    /// Where it is larger than the budget.
    fn read_small(&self, path: &RepoPath, budget: &Budget) -> Result<Vec<u8>, TreeError> {
        let bytes = self.size(path)?;
        let why = |why| TreeError::TooMuch { path: path.clone(), why };
        budget.check(bytes, format_args!("{bytes} bytes")).map_err(why)?;
        self.read(path)
    }
    /// The target of a symlink.
    fn link(&self, path: &RepoPath) -> Result<String, TreeError> {
        Ok(String::from_utf8_lossy(&self.read_small(path, &budgets::LINK_BYTES)?).into_owned())
    }
    /// Where another process finds the same; `None`: only this one can read it.
    fn source(&self) -> Option<TreeSource> {
        None
    }
    /// The commit's time in seconds since 1970, given to every file that leaves the repository.
    fn time(&self) -> i64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_and_stay_inside() {
        assert_eq!(RepoPath::new("./a//b/../c").unwrap().as_str(), "a/c");
        assert_eq!(RepoPath::new("a").unwrap().join("../b").unwrap().as_str(), "b");
        assert!(RepoPath::new(".").unwrap().is_root());
        assert!(matches!(RepoPath::new("a/../../b"), Err(InvalidPath::LeavesRepository(_))));
        assert!(matches!(RepoPath::new("/etc"), Err(InvalidPath::Absolute(_))));
        assert!(matches!(RepoPath::new("a\0"), Err(InvalidPath::Nul(_))));
        assert_eq!(RepoPath::new("a").unwrap().child("b").unwrap().as_str(), "a/b");
        assert_eq!(RepoPath::root().child("b").unwrap().as_str(), "b");
        for name in ["", ".", "..", "b/c", "b\0"] {
            assert!(RepoPath::root().child(name).is_none(), "{name:?}");
        }
    }

    #[test]
    fn a_path_is_seen_from_a_folder() {
        let path = RepoPath::new("api/src/main.go").unwrap();
        assert_eq!(path.relative_to(&RepoPath::new("api").unwrap()), Some("src/main.go"));
        assert_eq!(path.relative_to(&RepoPath::new("ap").unwrap()), None);
        assert_eq!(path.relative_to(&RepoPath::root()), Some("api/src/main.go"));
    }
}
