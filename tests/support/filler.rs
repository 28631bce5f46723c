//! A file that takes what a disk has.

use std::path::{Path, PathBuf};

pub struct Filler(PathBuf);

impl Filler {
    /// For the disk of this folder; takes nothing yet.
    pub fn of(folder: &Path) -> Self {
        Self(folder.join("filler"))
    }

    /// Fills it until so many bytes are free, whatever others write meanwhile.
    pub fn fill(&self, leave: u64) {
        let file = std::fs::File::create(&self.0).unwrap();
        let mut size = 0;
        for _ in 0..1000 {
            let found = rustix::fs::fstatvfs(&file).unwrap();
            let more = (found.f_bavail * found.f_frsize).saturating_sub(leave);
            if more == 0 {
                return;
            }
            // What is left may have been taken since it was measured.
            if rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), size, more).is_ok() {
                size += more;
            }
        }
        panic!("the disk cannot be filled");
    }

    pub fn empty(&self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}
