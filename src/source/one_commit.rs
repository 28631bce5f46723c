//! One commit out of a repository on this machine, though none of its refs leads there. libgit2's transport for paths gives only
//! what refs lead to; over the network a host is asked for the commit by its id.

use super::libgit2::Stop;
use crate::model::CommitId;
use git2::{Oid, Repository};
use std::path::Path;

/// Copies the commit, and all of its past that `to` has not.
pub(super) fn copy(from: &Path, to: &Repository, commit: &CommitId, stop: &Stop) -> Result<(), git2::Error> {
    let from = Repository::open(from)?;
    let id = Oid::from_str(commit.as_str())?;
    let mut walk = from.revwalk()?;
    walk.push(id)?;
    for reference in to.references()? {
        let known = reference?.target().filter(|known| from.find_commit(*known).is_ok());
        if let Some(known) = known {
            walk.hide(known)?;
        }
    }
    let mut pack = from.packbuilder()?;
    pack.set_progress_callback(|_, _, _| !stop.is_asked())?;
    pack.insert_walk(&mut walk)?;
    if pack.object_count() > 0 {
        pack.write(&to.path().join("objects/pack"), 0o444)?;
    }
    drop(pack);
    to.odb()?.refresh()
}
