//! Which commit of a ref is deployed, and commits that ask not to be.

use crate::model::{ProjectName, RefName};
use crate::run::ground::deployer::Deployer;
use crate::source::{CommitInfo, MirrorError};

/// `[skip ci]`, `[ci skip]` or `[skip launchway]`, where a commit's message holds one of them in any case.
pub fn mark_in(message: &str) -> Option<&'static str> {
    let message = message.to_lowercase();
    ["[skip ci]", "[ci skip]", "[skip launchway]"].into_iter().find(|mark| message.contains(mark))
}

fn is_marked(message: &str) -> bool {
    mark_in(message).is_some()
}

/// Whether a push of this ref whose newest commit has this message leaves that commit alone. A tag names one commit, and
/// whoever sets it means that one: the mark is for branches.
pub fn leaves_alone(reference: &RefName, message: &str) -> bool {
    reference.tag().is_none() && is_marked(message)
}

impl Deployer {
    /// What a ref deploys, as it is in the mirror: of a branch the newest commit that is not marked to be skipped, of a tag
    /// exactly its commit. `None` where there is none.
    pub fn commit_of_ref(&self, project: &ProjectName, reference: &RefName) -> Result<Option<CommitInfo>, MirrorError> {
        if reference.tag().is_none() {
            return self.mirrors.newest_not_skipped(project, reference, is_marked, None);
        }
        let commit = self.mirrors.tip(project, reference)?;
        commit.map(|commit| self.mirrors.commit(project, &commit)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_for_branches() {
        let of = |reference: &str, message: &str| leaves_alone(&RefName::new(reference).unwrap(), message);
        assert!(of("refs/heads/main", "Typo [Skip CI]"));
        assert!(!of("refs/heads/main", "Typo"));
        assert!(!of("refs/tags/v1", "Release [skip ci]"));
    }
}
