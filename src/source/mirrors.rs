//! One bare mirror for each project, opened and created on demand.

use super::libgit2;
use super::mirror::Mirror;
use super::{FetchError, GitTree, MirrorError};
use crate::model::{CommitId, ProjectName};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// All mirrors of a server. Cheap to clone; clones share locks and open handles.
#[derive(Clone)]
pub struct Mirrors {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    /// This program, or what stands in for it.
    program: PathBuf,
    open: Mutex<HashMap<String, Arc<Mirror>>>,
}

impl Mirrors {
    /// `folder` is `<data directory>/mirrors`; it is created with the first mirror. `program` is this program: once more, it
    /// fetches.
    pub fn new(folder: PathBuf, program: PathBuf) -> Self {
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        libgit2::set_up(&folder);
        Self { inner: Arc::new(Inner { folder, program, open: Mutex::default() }) }
    }

    pub(super) fn program(&self) -> &Path {
        &self.inner.program
    }

    /// A folder for processes that fetch the same.
    pub(super) fn errands_of(&self, what: &str) -> PathBuf {
        let name = hex::encode(&Sha256::digest(what.as_bytes())[..8]);
        self.inner.folder.join("libgit2").join(name)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// The folder of a project's mirror, whether or not it exists yet.
    pub fn path(&self, project: &ProjectName) -> PathBuf {
        self.mirror(project.as_str()).path.clone()
    }

    /// The files of a commit. Its submodules are entries of kind `Submodule`; [`Mirrors::with_submodules`] brings them.
    pub fn tree(&self, project: &ProjectName, commit: &CommitId) -> Result<GitTree, MirrorError> {
        GitTree::open(self.mirror(project.as_str()), commit)
    }

    /// Keeps a commit's objects for as long as a release may need them, also when its branch was force-pushed away
    /// and the mirror is rebuilt.
    pub fn keep(&self, project: &ProjectName, commit: &CommitId) -> Result<(), MirrorError> {
        let mirror = self.mirror(project.as_str());
        let oid = mirror.oid(commit)?;
        mirror.read(|repository| {
            repository.find_commit(oid)?;
            repository.reference(&kept_ref(commit), oid, true, "kept for a release").map(drop)
        })
    }

    /// Undoes [`Mirrors::keep`].
    pub fn forget(&self, project: &ProjectName, commit: &CommitId) -> Result<(), MirrorError> {
        let mirror = self.mirror(project.as_str());
        mirror.read(|repository| match repository.find_reference(&kept_ref(commit)) {
            Ok(mut reference) => reference.delete(),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(()),
            Err(error) => Err(error),
        })
    }

    pub(super) fn mirror(&self, name: &str) -> Arc<Mirror> {
        let mut open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mirror = open.entry(name.to_string()).or_insert_with(|| {
            let path = self.inner.folder.join(format!("{name}.git"));
            if let Err(error) = super::rebuild::finish_interrupted(&path) {
                tracing::warn!(mirror = %path.display(), %error, "a mirror could not be put back in its place");
            }
            Arc::new(Mirror::new(name.to_string(), path))
        });
        Arc::clone(mirror)
    }
}

fn kept_ref(commit: &CommitId) -> String {
    format!("refs/launchway/kept/{commit}")
}

impl From<MirrorError> for FetchError {
    fn from(error: MirrorError) -> Self {
        let url = match &error {
            MirrorError::UnknownCommit { project, .. } | MirrorError::Read { project, .. } => project.clone(),
        };
        FetchError::Other { doing: "reading the mirror of", url, why: error.to_string() }
    }
}
