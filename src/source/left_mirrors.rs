//! Mirrors of projects that are no longer in the settings. Each can be cloned again.

use super::Mirrors;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

/// A mirror that no project names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftMirror {
    /// The project that it was of.
    pub name: String,
    /// When it was written to for the last time.
    pub changed: SystemTime,
    pub size_bytes: u64,
}

impl Mirrors {
    /// Those of no project named here. Blocks while it reads the folder.
    pub fn left(&self, projects: &BTreeSet<String>) -> std::io::Result<Vec<LeftMirror>> {
        let entries = match std::fs::read_dir(self.folder()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut left = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(name) = name.strip_suffix(".git").filter(|name| !projects.contains(*name)) else { continue };
            let path = entry.path();
            let changed = ["", "packed-refs", "FETCH_HEAD", "objects/pack", "refs"]
                .iter()
                .filter_map(|part| std::fs::metadata(path.join(part)).and_then(|metadata| metadata.modified()).ok());
            let Some(changed) = changed.max() else { continue };
            let size_bytes = size_of(&path) + size_of(&self.folder().join(format!("{name}.modules")));
            left.push(LeftMirror { name: name.to_string(), changed, size_bytes });
        }
        left.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(left)
    }

    /// Removes a mirror and those of its submodules. What a crash leaves of it is not taken for a mirror. Blocks.
    pub fn remove_left(&self, left: &LeftMirror) -> std::io::Result<()> {
        let path = self.folder().join(format!("{}.git", left.name));
        gone(std::fs::remove_file(path.join("HEAD")))?;
        gone(std::fs::remove_dir_all(self.folder().join(format!("{}.modules", left.name))))?;
        gone(std::fs::remove_dir_all(path))
    }
}

fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mirrors_that_no_project_names_are_left_and_they_go_with_their_submodules() {
        let folder = tempfile::tempdir().unwrap();
        let mirrors = Mirrors::new(folder.path().to_path_buf(), "launchway".into());
        for name in ["shop.git", "gone.git", "gone.modules/abc.git"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("HEAD"), "0123456789").unwrap();
        }
        let projects = BTreeSet::from(["shop".to_string()]);
        let left = mirrors.left(&projects).unwrap();
        assert_eq!(
            left.iter().map(|mirror| (mirror.name.as_str(), mirror.size_bytes)).collect::<Vec<_>>(),
            [("gone", 20)]
        );
        mirrors.remove_left(&left[0]).unwrap();
        mirrors.remove_left(&left[0]).unwrap();
        assert_eq!(mirrors.left(&projects).unwrap(), []);
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["shop.git"]);
    }
}
