//! Free space: how much there is of it, and that there is enough before a build.

use super::deployer::Deployer;
use super::log::DeploymentLog;
use super::setback::Setback;
use crate::model::bytes_text;
use std::path::{Path, PathBuf};

/// Below this much of a disk, or of this much where that is less, nothing is begun.
const HARD_PERCENT: u64 = 1;
const HARD_BYTES: u64 = 500_000_000;

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
    fn at(whose: &'static str, folder: &Path) -> Option<Self> {
        let found = rustix::fs::statvfs(folder).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        let (free_bytes, total_bytes) = (bytes(found.f_bavail), bytes(found.f_blocks));
        // Some file systems do not say.
        (total_bytes > 0).then(|| Self { whose, folder: folder.to_path_buf(), free_bytes, total_bytes })
    }

    fn is_too_full(&self) -> bool {
        self.free_bytes < (self.total_bytes / 100 * HARD_PERCENT).min(HARD_BYTES)
    }

    /// `42 MB of 20 GB are free on the disk of the engine (/var/lib/docker)`
    pub fn sentence(&self) -> String {
        let (free, total) = (bytes_text(self.free_bytes), bytes_text(self.total_bytes));
        format!("{free} of {total} are free on the disk of {} ({})", self.whose, self.folder.display())
    }
}

impl Deployer {
    /// What is known of the disks: the data directory's, and the engine's where that runs on this machine and its
    /// folder can be seen from here.
    pub async fn rooms(&self) -> Vec<Room> {
        let mut rooms: Vec<Room> = Room::at("the data directory", &self.config().data).into_iter().collect();
        let folder = self.engine.info().await.ok().and_then(|info| info.folder);
        rooms.extend(folder.and_then(|folder| Room::at("the engine", &folder)));
        rooms
    }

    pub(super) fn is_short(&self, room: &Room) -> bool {
        room.free_bytes < self.config().keep.free.bytes_of(room.total_bytes)
    }

    /// Before anything is pulled or built: collects where less is free than is set, and refuses where hardly anything is.
    pub(super) async fn make_room(&self, log: &DeploymentLog) -> Result<(), Setback> {
        let rooms = self.rooms().await;
        let is_short = |room: &&Room| self.is_short(room) || room.is_too_full();
        let Some(short) = rooms.iter().find(is_short) else { return Ok(()) };
        log.line(None, &format!("{}, which is little: collecting what is not needed", short.sentence()));
        match self.collect(&|line| log.line(None, line)).await {
            Ok(_) => {}
            // What is free decides, not how it came to be.
            Err(error) => log.line(None, &format!("not all could be collected: {error:#}")),
        }
        match self.rooms().await.into_iter().find(Room::is_too_full) {
            Some(full) => Err(Setback::host(format!(
                "no space left: {}. Free some: `launchway gc` shows what is kept and why, `docker system df` the rest",
                full.sentence()
            ))),
            None => Ok(()),
        }
    }
}
