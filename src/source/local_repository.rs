//! A repository on this machine, read where it is.

use super::history::info;
use super::libgit2;
use super::mirror::Mirror;
use super::{CommitInfo, GitTree};
use anyhow::Context as _;
use git2::Repository;
use std::path::Path;
use std::sync::Arc;

/// Somebody's own repository, bare or with a working folder. Only commits are read.
pub struct LocalRepository {
    mirror: Arc<Mirror>,
}

impl LocalRepository {
    /// The repository at `path`, or that `path` is a folder of.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let folder = path.canonicalize().with_context(|| format!("cannot read {}", path.display()))?;
        // Read only, and named by the person who asks: who owns it does not matter.
        for parent in folder.ancestors() {
            libgit2::accept_any_owner(parent).context("cannot write libgit2's settings")?;
        }
        let repository = Repository::discover(&folder)
            .map_err(|error| anyhow::anyhow!("{} is no git repository: {}", path.display(), error.message()))?;
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { mirror: Mirror::at(name, repository.path().to_path_buf()) })
    }

    /// The commit that a revision names: an id, a branch, a tag, `HEAD~2`.
    pub fn commit(&self, revision: &str) -> anyhow::Result<CommitInfo> {
        let found = self.mirror.read(|repository| {
            let commit = repository.revparse_single(revision)?.peel_to_commit()?;
            Ok(info(&commit))
        });
        found.with_context(|| format!("{revision} names no commit"))
    }

    /// The files of a commit.
    pub fn tree(&self, commit: &CommitInfo) -> anyhow::Result<GitTree> {
        Ok(GitTree::open(self.mirror.clone(), &commit.id)?)
    }
}
