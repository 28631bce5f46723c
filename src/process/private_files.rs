//! Everything below the data directory is for its owner alone: it holds secrets, private repositories and page keys.
//! What is made from now on gets that by the process's umask; what is there already is put right here.

use std::fs::Permissions;
use std::io::{ErrorKind, Result};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Group and others.
const OF_OTHERS: u32 = 0o077;

/// What was done.
#[derive(Debug, Default)]
pub struct PutRight {
    pub changed: usize,
    /// Those that could not be changed, and why.
    pub failed: Vec<(PathBuf, std::io::Error)>,
}

/// Takes from group and others what they may do with this folder and all below it. Symbolic links are not followed, and
/// what belongs to another user is left as it is. A folder that is not there is right.
pub fn put_right(folder: &Path) -> PutRight {
    let mut done = PutRight::default();
    let mut left = vec![folder.to_path_buf()];
    while let Some(path) = left.pop() {
        match close(&path) {
            Ok(Some(changed)) => done.changed += usize::from(changed),
            Ok(None) => continue,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => done.failed.push((path.clone(), error)),
        }
        // What is no folder has no entries.
        let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
        left.extend(entries.map(|entry| entry.path()));
    }
    done
}

/// Whether it was changed; `None`: it is not to be looked at, nor what is below it.
fn close(path: &Path) -> Result<Option<bool>> {
    let found = std::fs::symlink_metadata(path)?;
    if found.is_symlink() || found.uid() != rustix::process::geteuid().as_raw() {
        return Ok(None);
    }
    let mode = found.mode() & 0o7777;
    // What its owner may run, as a hook, stays so.
    let wanted = if found.is_dir() { 0o700 } else { mode & 0o700 };
    let changes = mode & OF_OTHERS != 0 || (found.is_dir() && mode & 0o777 != wanted);
    if changes {
        std::fs::set_permissions(path, Permissions::from_mode(wanted))?;
    }
    Ok(Some(changes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_version_left_open_is_closed_and_links_lead_nowhere() {
        let (data, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = |path: &Path, mode: u32| {
            std::fs::write(path, "").unwrap();
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        let folder = data.path().join("mirrors/shop.git");
        std::fs::create_dir_all(&folder).unwrap();
        for path in [data.path(), &data.path().join("mirrors"), &folder] {
            std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        file(&folder.join("pack"), 0o444);
        file(&data.path().join("launchway.db-wal"), 0o644);
        file(&data.path().join("hook"), 0o755);
        file(&outside.path().join("theirs"), 0o644);
        std::os::unix::fs::symlink(outside.path(), data.path().join("link")).unwrap();
        let done = put_right(data.path());
        assert_eq!((done.changed, done.failed.len()), (6, 0));
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(folder.clone()), 0o700);
        assert_eq!(mode(folder.join("pack")), 0o400);
        assert_eq!(mode(data.path().join("launchway.db-wal")), 0o600);
        assert_eq!(mode(data.path().join("hook")), 0o700);
        assert_eq!(mode(outside.path().join("theirs")), 0o644);
        assert_eq!(put_right(data.path()).changed, 0);
        assert_eq!(put_right(&data.path().join("not there")).changed, 0);
    }
}
