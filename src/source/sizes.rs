//! How large what comes from a remote may be.

use crate::model::budgets::{Budget, TooMuch};
use git2::{ErrorCode, ObjectType, Oid, Repository};
use std::path::Path;

/// Branches and tags of one repository.
pub(super) const REFS: Budget = Budget::new("branches-and-tags", 100_000);
/// Bytes of a commit or an annotated tag: of its message, for the most part.
const COMMIT_BYTES: Budget = Budget::new("commit-bytes", 4 << 20);
/// Annotated tags that name one another in a line.
const TAG_DEPTH: Budget = Budget::new("tag-depth", 16);

/// Bytes of all packs of a project's mirror and of its submodules'. `folder`: of all mirrors; `mirror`: the name of one of the
/// project's.
pub(super) fn of_project(folder: &Path, mirror: &str) -> u64 {
    let project = mirror.split_once(".modules/").map_or(mirror, |(project, _)| project);
    let modules = std::fs::read_dir(folder.join(format!("{project}.modules"))).into_iter().flatten().flatten();
    let mirrors = modules.map(|entry| entry.path()).chain([folder.join(format!("{project}.git"))]);
    mirrors.map(|mirror| of_packs(&mirror)).sum()
}

fn of_packs(mirror: &Path) -> u64 {
    let files = std::fs::read_dir(mirror.join("objects/pack")).into_iter().flatten().flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

/// Looks at commits and tags that have just come, before anybody reads one of them: `ends` and what lies behind them that no
/// ref of the mirror reaches. The memory that this takes is bounded by the process alone.
pub(super) fn check(repository: &Repository, ends: &[Oid]) -> Result<Result<(), TooMuch>, git2::Error> {
    let odb = repository.odb()?;
    let mut walk = repository.revwalk()?;
    for end in ends {
        match commit_behind(repository, &odb, *end)? {
            Ok(Some(commit)) => walk.push(commit)?,
            Ok(None) => {}
            Err(too_much) => return Ok(Err(too_much)),
        }
    }
    for reference in repository.references()? {
        if let Ok(commit) = reference?.peel_to_commit() {
            walk.hide(commit.id())?;
        }
    }
    for commit in walk {
        let commit = commit?;
        if let Err(too_much) = small(&odb, commit)? {
            return Ok(Err(too_much));
        }
    }
    Ok(Ok(()))
}

/// The commit at the end of a line of tags; `None` where it is something else.
fn commit_behind(
    repository: &Repository,
    odb: &git2::Odb<'_>,
    end: Oid,
) -> Result<Result<Option<Oid>, TooMuch>, git2::Error> {
    let mut at = end;
    for _ in 0..=TAG_DEPTH.most {
        let kind = match odb.read_header(at) {
            Ok((_, kind)) => kind,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(Ok(None)),
            Err(error) => return Err(error),
        };
        if !matches!(kind, ObjectType::Commit | ObjectType::Tag) {
            return Ok(Ok(None));
        }
        if let Err(too_much) = small(odb, at)? {
            return Ok(Err(too_much));
        }
        if kind == ObjectType::Commit {
            return Ok(Ok(Some(at)));
        }
        at = repository.find_tag(at)?.target_id();
    }
    Ok(Err(TAG_DEPTH.too_much(format_args!("tags that name one another, from {end} on"))))
}

/// Whether the object may be read here: a commit or tag that is there and no larger than one may be.
pub(super) fn is_readable(repository: &Repository, object: Oid) -> Result<bool, git2::Error> {
    match small(&repository.odb()?, object) {
        Ok(small) => Ok(small.is_ok()),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn small(odb: &git2::Odb<'_>, object: Oid) -> Result<Result<(), TooMuch>, git2::Error> {
    let (bytes, kind) = odb.read_header(object)?;
    Ok(COMMIT_BYTES.check(bytes as u64, format_args!("the {kind} {object} has {bytes} bytes")))
}
