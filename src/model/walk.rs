//! A count of what a walk through a tree has met: one folder may stand in a commit a thousand times, and in itself hold
//! another thousand times.

use super::budgets;
use super::{RepoPath, TreeError};

/// How much a walk has met.
#[derive(Debug, Default)]
pub struct Walked {
    entries: u64,
    bytes: u64,
}

impl Walked {
    /// # Errors
    /// Where the walk has met more than one look may.
    pub fn more(&mut self, folder: &RepoPath, entries: usize) -> Result<(), TreeError> {
        self.entries = self.entries.saturating_add(entries as u64);
        let small = budgets::ENTRIES.check(self.entries, format_args!("{} files and folders", self.entries));
        small.map_err(|why| TreeError::TooMuch { path: folder.clone(), why })
    }

    /// Bytes that leave the repository: one large file may stand in a folder under thousands of names.
    ///
    /// # Errors
    /// Where they are more than one folder may have.
    pub fn more_bytes(&mut self, folder: &RepoPath, bytes: u64) -> Result<(), TreeError> {
        self.bytes = self.bytes.saturating_add(bytes);
        let small = budgets::CONTENT_BYTES.check(self.bytes, format_args!("{} bytes in one folder", self.bytes));
        small.map_err(|why| TreeError::TooMuch { path: folder.clone(), why })
    }
}
