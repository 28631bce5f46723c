//! What a build or a pull adds to the engine's disk: the difference of what is free before and after it, where nothing
//! else of ours filled or emptied that disk meanwhile. What apps write in that time counts too; it is little beside images.

use crate::run::ground::disk_space::Room;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Cheap to clone; all clones measure the same disk.
#[derive(Clone, Default)]
pub struct DiskMeter(Arc<Mutex<Disk>>);

#[derive(Default)]
struct Disk {
    /// Absent until it is known, and where it cannot be seen from here.
    folder: Option<PathBuf>,
    /// Those that measure now; each says whether something came between.
    measuring: Vec<Arc<AtomicBool>>,
}

impl DiskMeter {
    /// The engine's folder, as the engine says it.
    pub fn look_at(&self, folder: Option<PathBuf>) {
        self.lock().folder = folder;
    }

    /// Something begins to change what is on the disk. Two that do so at once tell nothing of each other.
    pub fn begin(&self) -> Measuring {
        let mut disk = self.lock();
        let free = disk.folder.as_deref().and_then(Room::free_at);
        let disturbed = Arc::new(AtomicBool::new(!disk.measuring.is_empty()));
        for other in &disk.measuring {
            other.store(true, Ordering::Relaxed);
        }
        disk.measuring.push(disturbed.clone());
        drop(disk);
        Measuring { meter: self.clone(), disturbed, free }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something changes what is on the disk, until this is dropped.
pub struct Measuring {
    meter: DiskMeter,
    disturbed: Arc<AtomicBool>,
    free: Option<u64>,
}

impl Measuring {
    /// Bytes; `None` where they are not known.
    pub fn added(&self) -> Option<u64> {
        let free = self.meter.lock().folder.as_deref().and_then(Room::free_at)?;
        match self.disturbed.load(Ordering::Relaxed) {
            true => None,
            false => Some(self.free?.saturating_sub(free)),
        }
    }
}

impl Drop for Measuring {
    fn drop(&mut self) {
        self.meter.lock().measuring.retain(|other| !Arc::ptr_eq(other, &self.disturbed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter() -> (DiskMeter, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let meter = DiskMeter::default();
        meter.look_at(Some(folder.path().to_path_buf()));
        (meter, folder)
    }

    #[test]
    fn what_had_the_disk_for_itself_is_measured() {
        let (meter, _folder) = meter();
        let first = meter.begin();
        assert!(first.added().is_some());
        drop(first);
        assert!(meter.begin().added().is_some(), "the one before has ended");
    }

    #[test]
    fn two_at_once_tell_nothing_of_either() {
        let (meter, _folder) = meter();
        let (first, second) = (meter.begin(), meter.begin());
        assert_eq!((first.added(), second.added()), (None, None));
        drop(first);
        assert_eq!(second.added(), None, "they met");
    }

    #[test]
    fn a_disk_that_cannot_be_seen_is_not_measured() {
        assert_eq!(DiskMeter::default().begin().added(), None);
    }
}
