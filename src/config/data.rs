//! Only where the data directory is, for commands that ask a running server.

use super::load::DEFAULT_DATA;
use anyhow::Context;
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct OnlyData {
    data: Option<String>,
}

/// The data directory that the settings at `path` name. Nothing else of them is read: whoever asks a server for its
/// status need not be able to read its secrets.
pub fn data_directory(path: &Path) -> anyhow::Result<PathBuf> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the settings {}. Name another file with --config", path.display()))?;
    let file: OnlyData =
        toml::from_str(&text).with_context(|| format!("cannot read the settings {}", path.display()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    Ok(folder.join(file.data.as_deref().unwrap_or(DEFAULT_DATA)))
}
