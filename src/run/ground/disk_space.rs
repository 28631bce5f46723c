//! Free space on a disk: how much there is of it, and how much of it stays free.

use crate::model::bytes_text;
use std::path::{Path, PathBuf};

/// Below this much of a disk, or of this much where that is less, nothing is begun.
const HARD_PERCENT: u64 = 1;
const HARD_BYTES: u64 = 500_000_000;

/// Whose disk it is, for people.
pub const ENGINE: &str = "the engine";

/// A disk that Launchway or the engine fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// For people: `the data directory`, `the engine`.
    pub whose: &'static str,
    pub folder: PathBuf,
    pub free_bytes: u64,
    pub total_bytes: u64,
}

impl Room {
    /// What is free on the disk of a folder, in bytes.
    pub fn free_at(folder: &Path) -> Option<u64> {
        Self::at("", folder).map(|room| room.free_bytes)
    }

    /// The disk of a folder; `None` where it cannot be seen, or does not say how large it is.
    pub fn at(whose: &'static str, folder: &Path) -> Option<Self> {
        let found = rustix::fs::statvfs(folder).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        let (free_bytes, total_bytes) = (bytes(found.f_bavail), bytes(found.f_blocks));
        // Some file systems do not say.
        (total_bytes > 0).then(|| Self { whose, folder: folder.to_path_buf(), free_bytes, total_bytes })
    }

    /// Hardly anything is left.
    pub fn is_too_full(&self) -> bool {
        self.free_bytes < self.least_bytes()
    }

    /// What stays free whatever happens.
    pub fn least_bytes(&self) -> u64 {
        (self.total_bytes / 100 * HARD_PERCENT).min(HARD_BYTES)
    }

    /// Whether so many bytes do not fit beside what stays free.
    pub fn lacks(&self, need: u64) -> bool {
        need > 0 && self.free_bytes.saturating_sub(self.least_bytes()) < need
    }

    /// `42 MB of 20 GB are free on the disk of the engine`. Authors read it, so it does not say where that is on the server.
    pub fn sentence(&self) -> String {
        let (free, total) = (bytes_text(self.free_bytes), bytes_text(self.total_bytes));
        format!("{free} of {total} are free on the disk of {}", self.whose)
    }
}
