//! A path of a tree, with its symbolic links followed.

use super::{Entry, EntryKind, RepoPath, Tree, TreeError};

const MAX_SYMLINKS: usize = 40;

/// The entry at `path`, symlinks on the way and at the end followed as long as they stay in the repository.
pub fn follow(tree: &dyn Tree, path: &RepoPath) -> Result<Option<Entry>, TreeError> {
    let mut path = path.clone();
    'again: for _ in 0..MAX_SYMLINKS {
        match tree.entry(&path)? {
            Some(Entry { kind: EntryKind::Symlink, .. }) => {}
            Some(entry) => return Ok(Some(entry)),
            None => {
                let above = tree.entry(&path.parent())?;
                if above.is_some_and(|above| above.kind == EntryKind::Directory) {
                    return Ok(None);
                }
            }
        }
        // It is a symlink, or something on the way is one, or nothing is there.
        let mut at = RepoPath::root();
        let mut parts = path.as_str().split('/');
        while let Some(part) = parts.next() {
            let Ok(next) = at.join(part) else { return Ok(None) };
            match tree.entry(&next)? {
                Some(Entry { kind: EntryKind::Symlink, .. }) => {
                    let target = tree.link(&next)?;
                    let rest: Vec<&str> = parts.collect();
                    let Ok(target) = at.join(&target).and_then(|target| target.join(&rest.join("/"))) else {
                        return Ok(None);
                    };
                    path = target;
                    continue 'again;
                }
                Some(_) => at = next,
                None => return Ok(None),
            }
        }
        return Ok(None);
    }
    Ok(None)
}
