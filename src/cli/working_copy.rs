//! The folder of a project on this machine, in its working copy.

use crate::model::RepoPath;
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// Where the project lies.
pub struct Project {
    /// The working copy's top folder, or the project's own where there is no git.
    pub repository: PathBuf,
    /// The project's folder in it.
    pub folder: RepoPath,
    /// The Compose file that was named instead of a folder.
    pub file: Option<RepoPath>,
}

/// Finds the working copy around a folder or a Compose file.
///
/// # Errors
/// A path that cannot be read or is not UTF-8.
pub fn place(path: &Path) -> anyhow::Result<Project> {
    let reading = || format!("cannot read {}", path.display());
    let real = path.canonicalize().with_context(reading)?;
    let is_file = real.is_file();
    let folder = if is_file { real.parent().with_context(reading)? } else { &real };
    let repository = folder.ancestors().find(|above| above.join(".git").exists()).unwrap_or(folder);
    let inside = |path: &Path| -> anyhow::Result<RepoPath> {
        let relative = path.strip_prefix(repository).with_context(reading)?;
        let text = relative.to_str().with_context(|| format!("{} is not UTF-8", relative.display()))?;
        RepoPath::new(text).with_context(reading)
    };
    Ok(Project {
        repository: repository.to_path_buf(),
        folder: inside(folder)?,
        file: if is_file { Some(inside(&real)?) } else { None },
    })
}
