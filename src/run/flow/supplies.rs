//! What steps need from the commit: files for content volumes.

use crate::build;
use crate::engine::Supplies;
use crate::model::{Mask, Tree};
use crate::plan::{CONTENT_FILE, VolumeContent};
use crate::run::ground::log::DeploymentLog;
use anyhow::Context;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use std::sync::Arc;

/// Files of one commit. The tree is absent where the commit cannot be read any more; then only volumes that are there
/// already can be mounted.
pub struct CommitFiles {
    pub tree: Option<Arc<dyn Tree>>,
    pub log: DeploymentLog,
}

#[async_trait::async_trait]
impl Supplies for CommitFiles {
    async fn archive(
        &self,
        content: &VolumeContent,
    ) -> anyhow::Result<BoxStream<'static, Result<Bytes, std::io::Error>>> {
        let tree = || self.tree.clone().context("the commit's files are not at hand: its repository cannot be read");
        Ok(match content {
            VolumeContent::Folder { path, mount_points } => {
                build::folder_archive(tree()?, path.clone(), mount_points.clone())?.boxed()
            }
            VolumeContent::File { path } => {
                build::file_archive(tree()?, path.clone(), CONTENT_FILE.to_string())?.boxed()
            }
            VolumeContent::Text { text, uid, gid, mode } => {
                let (uid, gid, time) = (u64::from(*uid), u64::from(*gid), self.tree.as_ref().map_or(0, |t| t.time()));
                let archive = build::text_archive(CONTENT_FILE, text.expose(), uid, gid, *mode, time)?;
                futures_util::stream::iter([Ok(archive)]).boxed()
            }
        })
    }

    fn progress(&self, line: &str) {
        self.log.line(None, line);
    }

    fn mask(&self) -> Mask {
        self.log.mask()
    }
}
