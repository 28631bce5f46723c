//! The lock of the notes' ref that a writer left behind when it was killed in the middle. Git itself never takes such a
//! lock away, and no note could ever be written again: the commits would stay pending for ever. Nobody holds it for longer
//! than an instant, so one that stays the same for some seconds is nobody's.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A writer that lives has it for some milliseconds.
const NOBODY_S_AFTER: Duration = Duration::from_secs(5);

/// The lock as it is looked at again and again.
pub struct LeftLock {
    path: PathBuf,
    seen: Option<(Identity, Instant)>,
}

/// A lock that was made anew is another one: its file, and when that was made.
type Identity = (u64, i64, i64);

impl LeftLock {
    /// Of a ref of the repository in this folder.
    pub fn of(repository: &Path, reference: &str) -> Self {
        Self { path: repository.join(format!("{reference}.lock")), seen: None }
    }

    /// Looks at it; true when it was taken away because it has been the same for long enough.
    pub fn look(&mut self, now: Instant) -> bool {
        let identity = |about: Metadata| (about.ino(), about.ctime(), about.ctime_nsec());
        let Ok(identity) = std::fs::symlink_metadata(&self.path).map(identity) else {
            self.seen = None;
            return false;
        };
        match self.seen {
            Some((seen, since)) if seen == identity => {
                let is_left = now.duration_since(since) >= NOBODY_S_AFTER;
                let is_gone = is_left && std::fs::remove_file(&self.path).is_ok();
                if is_gone {
                    let path = self.path.display();
                    tracing::warn!("{path} was left behind by a writer that was killed; it is taken away");
                }
                is_gone
            }
            _ => {
                self.seen = Some((identity, now));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lock_that_stays_the_same_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refs/notes/launchway.lock");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let (mut lock, start) = (LeftLock::of(folder.path(), "refs/notes/launchway"), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert!(!lock.look(start), "there is none");
        std::fs::write(&path, "").unwrap();
        assert!(!lock.look(start));
        assert!(!lock.look(at(4)));
        // Somebody else's: the one of before is gone.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(folder.path().join("keeps the number of the file before"), "").unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(!lock.look(at(6)), "another one");
        assert!(!lock.look(at(10)));
        assert!(path.exists());
        assert!(lock.look(at(11)));
        assert!(!path.exists());
    }
}
