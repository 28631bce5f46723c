//! The files that settings are read from, so that one of them which is renewed is noticed.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Each as it was before it was read; `None`: it could not be looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadFiles(BTreeMap<PathBuf, Option<Stamp>>);

/// What changes when a file is written, replaced, or a link is led elsewhere. The time of the change of its inode is there
/// too: that of its content may be set back, as by `cp -p`, and have no finer unit than seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl ReadFiles {
    /// To be called before a file is read: what is written in between is a change then.
    pub(super) fn note(&mut self, path: &Path) {
        self.0.entry(path.to_path_buf()).or_insert_with(|| stamp(path));
    }

    /// Whether one of them is another than when it was read, has gone, or has come.
    pub fn have_changed(&self) -> bool {
        self.0.iter().any(|(path, read)| stamp(path) != *read)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let about = std::fs::metadata(path).ok()?;
    Some(Stamp {
        device: about.dev(),
        inode: about.ino(),
        bytes: about.len(),
        modified: (about.mtime(), about.mtime_nsec()),
        changed: (about.ctime(), about.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn whatever_becomes_of_a_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let noted = || {
            let mut files = ReadFiles::default();
            files.note(&path);
            assert!(!files.have_changed());
            files
        };
        let missing = noted();
        fs::write(&path, "one").unwrap();
        assert!(missing.have_changed(), "it has come");

        let written = noted();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "two").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert!(written.have_changed(), "as long as before, and of the same time");

        let replaced = noted();
        fs::write(folder.path().join("next"), "two").unwrap();
        fs::rename(folder.path().join("next"), &path).unwrap();
        assert!(replaced.have_changed());

        // As Kubernetes and systemd renew what they mount: a link is led elsewhere.
        fs::create_dir(folder.path().join("v2")).unwrap();
        fs::write(folder.path().join("v2/token"), "three").unwrap();
        let linked = noted();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("v2/token", &path).unwrap();
        assert!(linked.have_changed());
        let gone = noted();
        fs::remove_file(folder.path().join("v2/token")).unwrap();
        assert!(gone.have_changed());
    }
}
