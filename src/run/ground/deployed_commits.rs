//! Which commits were ever deployed, in memory: most deliveries are told from it alone.

use crate::model::{CommitId, ProjectName};
use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

/// Commits that were ever deployed or waited for it. Most deliveries name a commit that is new, and must not wait for
/// more than being stored.
#[derive(Default)]
pub struct DeployedCommits(RwLock<HashSet<(ProjectName, CommitId)>>);

impl DeployedCommits {
    /// These commits have been deployed.
    pub fn note(&self, commits: impl IntoIterator<Item = (ProjectName, CommitId)>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(commits);
    }

    /// Whether a commit of the project has been.
    pub fn has(&self, project: &ProjectName, commit: &CommitId) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.contains(&(project.clone(), commit.clone()))
    }
}
