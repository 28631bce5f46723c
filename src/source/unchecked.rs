//! What has come from a remote and was not looked at yet is known by a list of what was there before: after a crash, or where it
//! may not stay, all else goes.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// In the folder of packs: the names of those that were there before the fetch that is under way.
const LIST: &str = "launchway-before";

/// Notes what is there. The caller holds the mirror's lock, and has removed what an earlier fetch left.
pub(super) fn begin(mirror: &Path) -> io::Result<()> {
    let folder = packs(mirror);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    std::fs::write(folder.join(LIST), names.join("\n"))
}

/// What has come is to stay.
pub(super) fn end(mirror: &Path) -> io::Result<()> {
    std::fs::remove_file(packs(mirror).join(LIST))
}

/// Removes what a fetch has left that did not end well. The caller holds the mirror's lock.
pub(super) fn remove(mirror: &Path) {
    let folder = packs(mirror);
    let Ok(before) = std::fs::read_to_string(folder.join(LIST)) else { return };
    let before: HashSet<OsString> = before.lines().map(OsString::from).collect();
    let Ok(entries) = std::fs::read_dir(&folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !before.contains(&name) && name != LIST {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    let _ = std::fs::remove_file(folder.join(LIST));
}

fn packs(mirror: &Path) -> PathBuf {
    mirror.join("objects/pack")
}
