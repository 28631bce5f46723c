//! What a mirror knows of commits: tips, ancestry, and which commit of a branch is to be deployed.

use super::{MirrorError, Mirrors, sizes};
use crate::model::{CommitId, ProjectName, RefName};
use git2::{ErrorCode, Oid, Repository};

/// A commit, for people and for decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    pub id: CommitId,
    /// The whole message; bytes that are not UTF-8 are replaced.
    pub message: String,
    /// `Name <address>`.
    pub author: String,
    /// The committer's time in seconds since 1970.
    pub time: i64,
    pub parents: Vec<CommitId>,
}

impl CommitInfo {
    /// The first line of the message.
    pub fn subject(&self) -> &str {
        self.message.trim_start().lines().next().unwrap_or_default()
    }
}

/// What the first digits of an id name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    One(CommitId),
    Several,
    Nothing,
}

/// How many marked commits in a row are looked past.
const MAX_SKIPPED: usize = 1_000;

impl Mirrors {
    /// The commit on which a ref of the mirror stands (annotated tags peeled); `None` where the ref is not there, or
    /// points at something that is no commit.
    pub fn tip(&self, project: &ProjectName, reference: &RefName) -> Result<Option<CommitId>, MirrorError> {
        let mirror = self.mirror(project.as_str());
        if !mirror.exists() {
            return Ok(None);
        }
        mirror.read(|repository| tip_in(repository, reference))
    }

    /// The commit behind an object: itself, or what an annotated tag points at. `None` where the mirror lacks it, or it is of
    /// another kind.
    pub fn peeled(&self, project: &ProjectName, object: &CommitId) -> Result<Option<CommitId>, MirrorError> {
        let mirror = self.mirror(project.as_str());
        let Ok(object) = Oid::from_str(object.as_str()) else { return Ok(None) };
        if !mirror.exists() {
            return Ok(None);
        }
        mirror.read(|repository| match sizes::is_readable(repository, object)? {
            true => {
                let found = repository.find_object(object, None)?;
                Ok(found.peel_to_commit().ok().map(|commit| commit_id(commit.id())))
            }
            false => Ok(None),
        })
    }

    /// Whether the commit is on that ref: its tip, or an ancestor of it.
    pub fn contains(&self, project: &ProjectName, reference: &RefName, commit: &CommitId) -> Result<bool, MirrorError> {
        match self.tip(project, reference)? {
            Some(tip) => self.is_ancestor(project, commit, &tip),
            None => Ok(false),
        }
    }

    /// Whether `ancestor` is `commit` or lies behind it. Commits that the mirror does not have are on nothing.
    pub fn is_ancestor(
        &self,
        project: &ProjectName,
        ancestor: &CommitId,
        commit: &CommitId,
    ) -> Result<bool, MirrorError> {
        let mirror = self.mirror(project.as_str());
        let (Ok(ancestor), Ok(commit)) = (Oid::from_str(ancestor.as_str()), Oid::from_str(commit.as_str())) else {
            return Ok(false);
        };
        if !mirror.exists() {
            return Ok(false);
        }
        mirror.read(|repository| is_ancestor_in(repository, ancestor, commit))
    }

    /// Who wrote a commit, when, and its message.
    ///
    /// # Errors
    /// The mirror does not have it, or cannot be read.
    pub fn commit(&self, project: &ProjectName, commit: &CommitId) -> Result<CommitInfo, MirrorError> {
        let mirror = self.mirror(project.as_str());
        let oid = mirror.oid(commit)?;
        if !mirror.exists() {
            return Err(mirror.unknown(commit));
        }
        match mirror.read(|repository| match sizes::is_readable(repository, oid)? {
            true => Ok(Some(info(&repository.find_commit(oid)?))),
            false => Ok(None),
        })? {
            Some(info) => Ok(info),
            None => Err(mirror.unknown(commit)),
        }
    }

    /// The commit whose id begins with these hex digits.
    pub fn commit_by_prefix(&self, project: &ProjectName, prefix: &str) -> Result<Named, MirrorError> {
        let mirror = self.mirror(project.as_str());
        if !mirror.exists() {
            return Ok(Named::Nothing);
        }
        mirror.read(|repository| match repository.find_commit_by_prefix(prefix) {
            Ok(found) => Ok(Named::One(commit_id(found.id()))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(Named::Nothing),
            Err(error) if error.code() == ErrorCode::Ambiguous => Ok(Named::Several),
            Err(error) => Err(error),
        })
    }

    /// The newest commit on the ref, back along first parents, whose message `is_marked` does not name as skipped.
    /// `None` where the ref is gone, where everything newer than `since` is marked, or where `since` already is the
    /// newest: so a skipped tip does not swallow the push before it, and nothing older than `since` is offered.
    pub fn newest_not_skipped(
        &self,
        project: &ProjectName,
        reference: &RefName,
        is_marked: impl Fn(&str) -> bool,
        since: Option<&CommitId>,
    ) -> Result<Option<CommitInfo>, MirrorError> {
        let mirror = self.mirror(project.as_str());
        if !mirror.exists() {
            return Ok(None);
        }
        let since = since.and_then(|since| Oid::from_str(since.as_str()).ok());
        mirror.read(|repository| {
            let Some(tip) = tip_in(repository, reference)? else { return Ok(None) };
            let mut commit = repository.find_commit(Oid::from_str(tip.as_str())?)?;
            for _ in 0..MAX_SKIPPED {
                if let Some(since) = since
                    && is_ancestor_in(repository, commit.id(), since)?
                {
                    return Ok(None);
                }
                let found = info(&commit);
                if !is_marked(&found.message) {
                    return Ok(Some(found));
                }
                commit = match commit.parent(0) {
                    Ok(parent) => parent,
                    Err(_) => return Ok(None),
                };
            }
            Ok(None)
        })
    }
}

pub(super) fn tip_in(repository: &Repository, reference: &RefName) -> Result<Option<CommitId>, git2::Error> {
    match repository.find_reference(reference.as_str()) {
        Ok(found) => Ok(found.peel_to_commit().ok().map(|commit| commit_id(commit.id()))),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_ancestor_in(repository: &Repository, ancestor: Oid, commit: Oid) -> Result<bool, git2::Error> {
    for end in [ancestor, commit] {
        if !sizes::is_readable(repository, end)? || repository.find_commit(end).is_err() {
            return Ok(false);
        }
    }
    Ok(ancestor == commit || repository.graph_descendant_of(commit, ancestor)?)
}

pub(super) fn info(commit: &git2::Commit<'_>) -> CommitInfo {
    let author = commit.author();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    CommitInfo {
        id: commit_id(commit.id()),
        message: text(commit.message_bytes()),
        author: format!("{} <{}>", text(author.name_bytes()), text(author.email_bytes())),
        time: commit.time().seconds(),
        parents: commit.parent_ids().map(commit_id).collect(),
    }
}

pub(super) fn commit_id(oid: Oid) -> CommitId {
    CommitId::new(oid.to_string()).unwrap_or_else(|error| unreachable!("libgit2 writes ids as hex: {error}"))
}
