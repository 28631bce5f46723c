//! There is enough free space before anything is built or pulled.

use crate::model::{ComponentName, Stack, WorkKind, bytes_text};
use crate::plan::admission::disk::added_before;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::disk_space::{ENGINE, Room};
use crate::run::ground::full_disk::ADVICE;
use crate::run::ground::log::DeploymentLog;
use crate::run::ground::stage_error::StageError;
use crate::store::Deployment;
use std::collections::BTreeMap;

/// As many of an environment's newest deployments tell what the next one adds to the disk.
const REMEMBERED: u32 = 30;

impl Deployer {
    /// What is known of the disks: the data directory's, and the engine's where that runs on this machine and its
    /// folder can be seen from here.
    pub async fn rooms(&self) -> Vec<Room> {
        let mut rooms: Vec<Room> = Room::at("the data directory", &self.config().data).into_iter().collect();
        rooms.extend(self.engine_room().await);
        rooms
    }

    /// The engine's disk.
    pub(in crate::run) async fn engine_room(&self) -> Option<Room> {
        let folder = self.engine.info().await.ok()?.folder;
        self.works.disk.look_at(folder.clone());
        folder.and_then(|folder| Room::at(ENGINE, &folder))
    }

    pub(in crate::run) fn is_short(&self, room: &Room) -> bool {
        room.free_bytes < self.config().keep.free.bytes_of(room.total_bytes)
    }

    /// Before anything is pulled or built: collects where less is free than is set, or than is needed (in bytes, on the
    /// engine's disk), and refuses where hardly anything is.
    pub(in crate::run) async fn make_room(&self, need: u64, log: &DeploymentLog) -> Result<(), StageError> {
        let lacks = |room: &Room| room.whose == ENGINE && room.lacks(need);
        let rooms = self.rooms().await;
        let is_short = |room: &&Room| self.is_short(room) || room.is_too_full() || lacks(room);
        let Some(short) = rooms.iter().find(is_short) else { return Ok(()) };
        log.line(None, &format!("{}, which is little: collecting what is not needed", short.sentence()));
        tracing::warn!(folder = %short.folder.display(), "{}, which is little: collecting what is not needed", short.sentence());
        match self.collect(&|line| log.line(None, line)).await {
            Ok(_) => {}
            // What is free decides, not how it came to be.
            Err(error) => log.line(None, &format!("not all could be collected: {error:#}")),
        }
        match self.rooms().await.into_iter().find(Room::is_too_full) {
            Some(full) => Err(StageError::host(format!("no space left: {}. {ADVICE}", full.sentence()))),
            None => Ok(()),
        }
    }
    /// The same for images that are only named: with what pulls of these components added before.
    pub(in crate::run) async fn make_room_to_pull(
        &self,
        deployment: &Deployment,
        stack: &Stack,
        log: &DeploymentLog,
    ) -> Result<(), StageError> {
        let mut need = 0_u64;
        for (name, bytes) in self.added_before(deployment, WorkKind::Pull).await {
            let component = stack.components.get(&name).filter(|component| stack.build_of(component).is_none());
            let Some(reference) = component.and_then(|component| component.image.as_deref()) else { continue };
            if matches!(self.engine.image(reference).await, Ok(None)) {
                need = need.saturating_add(bytes);
            }
        }
        self.make_room(need, log).await?;
        match self.engine_room().await.filter(|room| room.lacks(need)) {
            Some(room) => Err(StageError::host(format!(
                "no space left for what is to be pulled: that added {} before, and {}. {ADVICE}",
                bytes_text(need),
                room.sentence()
            ))),
            None => Ok(()),
        }
    }

    /// What builds or pulls of each component of the environment added to the engine's disk before, in bytes.
    pub(in crate::run) async fn added_before(
        &self,
        deployment: &Deployment,
        kind: WorkKind,
    ) -> BTreeMap<ComponentName, u64> {
        let (project, environment) = (&deployment.project, &deployment.environment);
        let history = self.store.work_history(project, environment, REMEMBERED).await;
        added_before(&history.unwrap_or_default(), kind)
    }
}
