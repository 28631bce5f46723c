//! What of a commit is not in git: submodules that were not brought along, and files that Git LFS keeps elsewhere.

use super::context::Context;
use super::{BuildError, lfs};
use crate::model::{AdditionalContext, BuildSpec, EntryKind, RepoPath, Tree, Walked};

/// What a mounted file or folder lacks.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    pub submodules: Vec<RepoPath>,
    /// The first file that is a pointer of Git LFS.
    pub pointer: Option<RepoPath>,
}

/// Submodules that a build would see as empty folders.
pub fn submodules_in_build(tree: &dyn Tree, spec: &BuildSpec) -> Result<Vec<RepoPath>, BuildError> {
    let mut found = submodules(tree, &Context::of(tree, spec)?)?;
    for context in spec.additional_contexts.values() {
        if let AdditionalContext::Folder(folder) = context {
            found.extend(submodules(tree, &Context::additional(tree, folder)?)?);
        }
    }
    Ok(found)
}

fn submodules(tree: &dyn Tree, context: &Context) -> Result<Vec<RepoPath>, BuildError> {
    let listing = context.listing(tree)?.into_iter();
    Ok(listing.filter(|entry| entry.kind == EntryKind::Submodule).map(|entry| entry.source).collect())
}

/// What is lacking in a file or folder that is mounted.
pub fn left_out_of_mount(tree: &dyn Tree, path: &RepoPath, is_folder: bool) -> Result<LeftOut, BuildError> {
    let (mut found, mut walked) = (LeftOut::default(), Walked::default());
    if !is_folder {
        found.look_at(tree, path)?;
        return Ok(found);
    }
    let mut folders = vec![path.clone()];
    while let Some(folder) = folders.pop() {
        let entries = tree.list(&folder)?;
        walked.more(&folder, entries.len())?;
        for entry in entries {
            match entry.kind {
                EntryKind::Directory => folders.push(entry.path),
                EntryKind::Submodule => found.submodules.push(entry.path),
                EntryKind::File | EntryKind::Executable => found.look_at(tree, &entry.path)?,
                EntryKind::Symlink => {}
            }
        }
    }
    Ok(found)
}

impl LeftOut {
    fn look_at(&mut self, tree: &dyn Tree, file: &RepoPath) -> Result<(), BuildError> {
        if self.pointer.is_none() && lfs::is_pointer_at(tree, file, tree.size(file)?)? {
            self.pointer = Some(file.clone());
        }
        Ok(())
    }
}
