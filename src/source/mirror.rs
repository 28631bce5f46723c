//! One mirror: where it is, who writes to it, and handles to read with.

use super::MirrorError;
use super::libgit2;
use crate::model::{CommitId, Quoted};
use git2::{Oid, Repository};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// One mirror: where it is, its lock for writing, and handles for reading.
pub(super) struct Mirror {
    /// `shop`, or `shop.modules/<hash>` for a submodule.
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Held while a fetch or a rebuild changes the mirror.
    pub(super) writing: Arc<tokio::sync::Mutex<()>>,
    /// Held for reading while the mirror is looked for or opened, for writing in the moment of its exchange.
    pub(super) place: RwLock<()>,
    /// libgit2's handles are not to be shared between threads, and opening one costs file reads: idle ones wait here.
    idle: Mutex<Vec<Repository>>,
}

/// More idle handles than threads that read at once are of no use.
const MAX_IDLE: usize = 8;

impl Mirror {
    /// Any bare repository, or the `.git` of another one, to be read only.
    pub(super) fn at(name: String, path: PathBuf) -> Arc<Self> {
        Arc::new(Self::new(name, path))
    }

    /// One that a server has, in a process that fetches for it.
    pub(super) fn at_path(path: PathBuf) -> Self {
        Self::new(path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path)
    }

    pub(super) fn new(name: String, path: PathBuf) -> Self {
        Self { name, path, writing: Arc::default(), place: RwLock::default(), idle: Mutex::default() }
    }

    /// Reads with a handle of the pool.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Repository) -> Result<T, git2::Error>) -> Result<T, MirrorError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let repository = match idle {
            Some(repository) => repository,
            None => {
                let _place = self.place.read().unwrap_or_else(PoisonError::into_inner);
                let _ = libgit2::accept_any_owner(&self.path);
                Repository::open_bare(&self.path).map_err(|error| self.error(&error))?
            }
        };
        let result = work(&repository);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(repository);
        }
        drop(idle);
        result.map_err(|error| self.error(&error))
    }

    /// Closes the idle handles: the files behind them were replaced.
    pub(super) fn close_idle(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn error(&self, error: &git2::Error) -> MirrorError {
        MirrorError::Read {
            project: self.name.clone(),
            path: self.path.display().to_string(),
            why: Quoted(error.message()).to_string(),
        }
    }

    pub(super) fn unknown(&self, commit: &CommitId) -> MirrorError {
        MirrorError::UnknownCommit { project: self.name.clone(), commit: commit.to_string() }
    }

    /// A commit's id as libgit2 has it; one of another object format cannot be here.
    pub(super) fn oid(&self, commit: &CommitId) -> Result<Oid, MirrorError> {
        Oid::from_str(commit.as_str()).map_err(|_| self.unknown(commit))
    }

    pub(super) fn exists(&self) -> bool {
        let _place = self.place.read().unwrap_or_else(PoisonError::into_inner);
        self.path.join("HEAD").exists()
    }

    /// Opens the mirror for writing, and creates it where it is missing or was left half made.
    pub(super) fn open_or_create(&self) -> Result<Repository, String> {
        let attempt = || -> Result<Repository, Box<dyn std::error::Error>> {
            libgit2::accept_any_owner(&self.path)?;
            if self.exists()
                && let Ok(repository) = Repository::open_bare(&self.path)
            {
                return Ok(repository);
            }
            if let Some(parent) = self.path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            Ok(Repository::init_bare(&self.path)?)
        };
        attempt().map_err(|error| {
            format!(
                "the mirror at {} cannot be opened or created: {}. Check the data directory",
                self.path.display(),
                Quoted(error)
            )
        })
    }
}

/// Whoever writes a ref holds its lock file for a moment; an older one is of a process that was killed.
const LOCKED_FOR: Duration = Duration::from_secs(10);

/// Removes what an earlier process left when it was killed in the middle of a fetch. The caller holds the lock.
pub(super) fn remove_leftovers(mirror: &Path) {
    super::unchecked::remove(mirror);
    let _ = remove_lock(&mirror.join("packed-refs.lock"));
    remove_locks(&mirror.join("refs"));
    let Ok(entries) = std::fs::read_dir(mirror.join("objects/pack")) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with("pack_git2_") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn remove_locks(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            remove_locks(&path);
        } else if path.extension().is_some_and(|end| end == "lock") {
            let _ = remove_lock(&path);
        }
    }
}

fn remove_lock(file: &Path) -> std::io::Result<()> {
    let age = file.metadata()?.modified()?.elapsed().unwrap_or_default();
    if age >= LOCKED_FOR { std::fs::remove_file(file) } else { Ok(()) }
}
