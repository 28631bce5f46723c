//! A mirror that has gathered too many packs is written anew beside itself and swapped: libgit2 never repacks, and
//! every lookup asks every pack.

use super::mirror::Mirror;
use git2::{Repository, Sort};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

const MAX_PACKS: usize = 50;

/// Whether the mirror has more than 50 packs.
pub(super) fn is_scattered(mirror: &Mirror) -> bool {
    packs(&mirror.path) > MAX_PACKS
}

/// Where the new one is written, after what an earlier attempt left has gone.
pub(super) fn room_for_new(mirror: &Mirror) -> anyhow::Result<PathBuf> {
    let new = beside(&mirror.path, "new");
    remove(&new)?;
    remove(&beside(&mirror.path, "old"))?;
    Ok(new)
}

/// Puts the new one in the mirror's place.
pub(super) fn exchange(mirror: &Mirror, new: &Path) -> anyhow::Result<()> {
    let old = beside(&mirror.path, "old");
    {
        let _place = mirror.place.write().unwrap_or_else(PoisonError::into_inner);
        std::fs::rename(&mirror.path, &old)?;
        std::fs::rename(new, &mirror.path)?;
    }
    mirror.close_idle();
    remove(&old)
}

/// After a crash between the two renames, the mirror is put back in its place.
pub(super) fn finish_interrupted(path: &Path) -> std::io::Result<()> {
    let old = beside(path, "old");
    if !path.exists() && old.exists() {
        std::fs::rename(old, path)?;
    }
    Ok(())
}

/// One pack of all that the refs reach, and the refs.
pub(super) fn write_anew(mirror: &Path, path: &Path) -> anyhow::Result<()> {
    super::libgit2::accept_any_owner(mirror)?;
    super::libgit2::accept_any_owner(path)?;
    let from = Repository::open_bare(mirror)?;
    let to = Repository::init_bare(path)?;
    let mut walk = from.revwalk()?;
    walk.set_sorting(Sort::TOPOLOGICAL)?;
    let mut pack = from.packbuilder()?;
    let mut refs = Vec::new();
    for reference in from.references()? {
        let reference = reference?;
        let (Ok(name), Some(target)) = (reference.name(), reference.target()) else { continue };
        refs.push((name.to_string(), target));
        match reference.peel_to_commit() {
            Ok(commit) => walk.push(commit.id())?,
            // A tag of a tree or a blob.
            Err(_) => pack.insert_recursive(target, None)?,
        }
        // Annotated tags are objects of their own, and may be nested.
        let mut next = Some(target);
        while let Some(id) = next.take() {
            if let Ok(tag) = from.find_tag(id) {
                pack.insert_object(id, None)?;
                next = Some(tag.target_id());
            }
        }
    }
    pack.insert_walk(&mut walk)?;
    if pack.object_count() > 0 {
        pack.write(&path.join("objects/pack"), 0o444)?;
    }
    for (name, target) in refs {
        to.reference(&name, target, true, "rebuilt")?;
    }
    Ok(())
}

pub(super) fn packs(mirror: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(mirror.join("objects/pack")) else { return 0 };
    entries.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "pack")).count()
}

fn beside(path: &Path, what: &str) -> PathBuf {
    path.with_extension(format!("git.{what}"))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(anyhow::Error::new(error).context(format!("removing {}", path.display())))
        }
        _ => Ok(()),
    }
}
