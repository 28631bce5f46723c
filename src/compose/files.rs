//! The files of the commit as Compose files name them: relative paths, symlinks followed, nothing outside.

use super::seen::Seen;
use super::spent::Spent;
use crate::model::budgets::{self, TooMuch};
use crate::model::{BuildSpec, Entry, EntryKind, RepoPath, Tree, TreeError};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const MAX_LINKS: usize = 40;

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path} leads outside the repository, through the symbolic link {link} to {target:?}")]
    LeadsOutside { path: RepoPath, link: RepoPath, target: String },
    #[error("{0} leads in circles through its symbolic links")]
    Circle(RepoPath),
    #[error("{path} is {what}, not a file")]
    NoFile { path: RepoPath, what: &'static str },
    #[error(
        "{path} is a submodule that was not brought along; set `submodules = true` for the project in launchway.toml"
    )]
    Submodule { path: RepoPath },
    #[error("{0} is not text in UTF-8")]
    NotText(RepoPath),
    #[error("{path}: {why}")]
    TooMuch { path: RepoPath, why: TooMuch },
    #[error(transparent)]
    Tree(#[from] TreeError),
}

pub struct Files<'a> {
    tree: &'a dyn Tree,
    root: &'a RepoPath,
    outside: &'a BTreeMap<String, Vec<u8>>,
    read: RefCell<BTreeSet<RepoPath>>,
    /// Of the budgets of the reading.
    pub spent: Spent,
    pub seen: Seen,
}

impl<'a> Files<'a> {
    pub fn new(tree: &'a dyn Tree, root: &'a RepoPath, outside: &'a BTreeMap<String, Vec<u8>>) -> Self {
        Self { tree, root, outside, read: RefCell::default(), spent: Spent::default(), seen: Seen::default() }
    }

    /// What stands at a path once symbolic links are followed; its `path` is then the real one. `None` where nothing
    /// stands there.
    ///
    /// # Errors
    /// Where a link leads outside the repository or in circles.
    pub fn find(&self, path: &RepoPath) -> Result<Option<Entry>, FileError> {
        let mut todo: VecDeque<String> = parts(path);
        let mut at = RepoPath::root();
        let mut found = Entry { path: at.clone(), kind: EntryKind::Directory, id: String::new() };
        let mut links = 0;
        if todo.is_empty() {
            return Ok(self.tree.entry(&at)?);
        }
        while let Some(part) = todo.pop_front() {
            if found.kind == EntryKind::Submodule {
                return Err(FileError::Submodule { path: found.path });
            }
            if found.kind != EntryKind::Directory {
                return Ok(None);
            }
            // The parts of a RepoPath are plain names, so this join cannot fail.
            let Ok(next) = at.join(&part) else { return Ok(None) };
            let Some(entry) = self.tree.entry(&next)? else { return Ok(None) };
            if entry.kind == EntryKind::Symlink {
                links += 1;
                if links > MAX_LINKS {
                    return Err(FileError::Circle(path.clone()));
                }
                let target = self.tree.link(&next)?;
                let Ok(to) = at.join(&target) else {
                    return Err(FileError::LeadsOutside { path: path.clone(), link: next, target });
                };
                let mut all = parts(&to);
                all.append(&mut todo);
                todo = all;
                at = RepoPath::root();
                found = Entry { path: at.clone(), kind: EntryKind::Directory, id: String::new() };
                if todo.is_empty() {
                    return Ok(self.tree.entry(&at)?);
                }
                continue;
            }
            at = next;
            found = entry;
        }
        Ok(Some(found))
    }

    /// Whether a file (or a link to one) stands there.
    pub fn is_file(&self, path: &RepoPath) -> Result<bool, FileError> {
        Ok(self.find(path)?.is_some_and(|e| matches!(e.kind, EntryKind::File | EntryKind::Executable)))
    }

    /// A file's text, noted as read; `None` where nothing stands there.
    pub fn text(&self, path: &RepoPath) -> Result<Option<String>, FileError> {
        let Some(entry) = self.find(path)? else { return Ok(None) };
        match entry.kind {
            EntryKind::File | EntryKind::Executable => {}
            EntryKind::Submodule => return Err(FileError::Submodule { path: entry.path }),
            _ => return Err(FileError::NoFile { path: path.clone(), what: "a folder" }),
        }
        let bytes = self.tree.read_small(&entry.path, &budgets::FILE_BYTES)?;
        self.spend(path, bytes.len())?;
        let text = decode(path, bytes)?;
        self.read.borrow_mut().insert(entry.path);
        Ok(Some(text))
    }

    /// The Dockerfile that a path names, and the entry there, symbolic links followed. Where there is no `Dockerfile`, a
    /// `dockerfile` beside it is taken, as BuildKit does.
    pub fn find_dockerfile(&self, path: &RepoPath) -> Result<Option<(RepoPath, Entry)>, FileError> {
        if let Some(entry) = self.find(path)? {
            return Ok(Some((path.clone(), entry)));
        }
        let lower = path.parent().child("dockerfile").filter(|_| path.file_name() == "Dockerfile");
        let Some(lower) = lower else { return Ok(None) };
        Ok(self.find(&lower)?.map(|entry| (lower, entry)))
    }

    /// The text of a build's Dockerfile. `None` where there is none, or it cannot be read: the reader of `build:`, or the build,
    /// says so.
    pub fn dockerfile(&self, build: &BuildSpec) -> Option<String> {
        if let Some(text) = &build.dockerfile_inline {
            return Some(text.clone());
        }
        let entry = self.find(&build.dockerfile).ok()??;
        let bytes = self.tree.read_small(&entry.path, &budgets::FILE_BYTES).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The text of a file of the commit, where it is one, for masking: it does not count as read.
    pub fn glance(&self, path: &RepoPath) -> Option<String> {
        String::from_utf8(self.tree.read_small(path, &budgets::FILE_BYTES).ok()?).ok()
    }

    /// A file that the commit does not hold and that the server's settings give.
    pub fn outside_bytes(&self, path: &RepoPath) -> Option<&'a [u8]> {
        let seen = self.seen_from_root(path)?;
        self.outside.iter().find(|(name, _)| RepoPath::new(name).is_ok_and(|p| p.as_str() == seen)).map(|(_, b)| &b[..])
    }

    /// A file's text from the commit, else from the server's settings.
    pub fn text_or_outside(&self, path: &RepoPath) -> Result<Option<String>, FileError> {
        match self.text(path)? {
            Some(text) => Ok(Some(text)),
            None => {
                let Some(bytes) = self.outside_bytes(path) else { return Ok(None) };
                self.spend(path, bytes.len())?;
                decode(path, bytes.to_vec()).map(Some)
            }
        }
    }

    /// Counts bytes that are read, each time.
    fn spend(&self, path: &RepoPath, bytes: usize) -> Result<(), FileError> {
        let bytes = bytes as u64;
        let small = budgets::FILE_BYTES.check(bytes, format_args!("{bytes} bytes"));
        small.and_then(|()| self.spent.read(bytes)).map_err(|why| FileError::TooMuch { path: path.clone(), why })
    }

    /// The path as seen from the project's folder, as `files` in launchway.toml names it.
    pub fn seen_from_root<'p>(&self, path: &'p RepoPath) -> Option<&'p str> {
        path.relative_to(self.root)
    }

    /// Every file of the commit whose text was read.
    pub fn all_read(&self) -> Vec<RepoPath> {
        self.read.borrow().iter().cloned().collect()
    }
}

fn decode(path: &RepoPath, bytes: Vec<u8>) -> Result<String, FileError> {
    String::from_utf8(bytes).map_err(|_| FileError::NotText(path.clone()))
}

fn parts(path: &RepoPath) -> VecDeque<String> {
    path.as_str().split('/').filter(|part| !part.is_empty()).map(str::to_string).collect()
}
