//! Where the settings are read from, and what was read last.

use crate::config::ReadFiles;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Where the settings are read from.
pub struct SettingsFile {
    pub(in crate::run) path: PathBuf,
    /// What was read last, be it right or not: a mistake is told once.
    pub(in crate::run) read: Mutex<ReadFiles>,
    /// One reads them at a time.
    pub(in crate::run) reading: tokio::sync::Mutex<()>,
    pub(in crate::run) looked_for_a_stranger: Mutex<Option<Instant>>,
}

impl SettingsFile {
    pub(in crate::run) async fn has_changed(&self) -> bool {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A file may be on a disk that is away.
        tokio::task::spawn_blocking(move || read.have_changed()).await.unwrap_or(false)
    }

    pub(in crate::run) fn note(&self, read: &ReadFiles) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = read.clone();
    }
}
