//! The containers that are never started and fill volumes, and the upload through one of them.

use super::answer::Denied;
use super::connect::DockerEngine;
use super::content::FILLS;
use crate::engine::{EngineError, Supplies};
use crate::model::Kind;
use crate::plan::{CONTENT_FILE, ContentVolume, VolumeContent};
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, MountVolumeOptions};
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, CreateContainerOptionsBuilder, CreateImageOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::TryStreamExt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An image without any file, made here: the containers that fill volumes need one, and nothing may have to be pulled.
const EMPTY_IMAGE: &str = "launchway/empty";
const EMPTY_TAG: &str = "1";

/// Where the uploading container mounts the volume.
const INSIDE: &str = "/files";

/// An upload of which the engine takes nothing for so long has failed.
const STALLED: Duration = Duration::from_secs(120);

/// What one attempt came to.
pub(super) enum Attempt {
    Filled,
    /// Somebody removed what this attempt had made.
    TakenOver,
}

impl DockerEngine {
    /// Creates one of the two containers; `None` where somebody else's has the name.
    pub(super) async fn never_started(
        &self,
        name: &str,
        spec: &ContentVolume,
        mounts_it: bool,
    ) -> Result<Option<String>, EngineError> {
        let mount = Mount {
            typ: Some(MountType::VOLUME),
            source: Some(spec.name.clone()),
            target: Some(INSIDE.into()),
            volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..Default::default() }),
            ..Default::default()
        };
        let labels = self.ownership.sealed(Kind::Container, BTreeMap::from([(FILLS.to_string(), spec.name.clone())]));
        let body = ContainerCreateBody {
            image: Some(format!("{EMPTY_IMAGE}:{EMPTY_TAG}")),
            // Never run, but the engine creates no container without a command.
            cmd: Some(vec!["none".into()]),
            labels: Some(labels.into_iter().collect()),
            host_config: Some(HostConfig {
                mounts: mounts_it.then(|| vec![mount]),
                network_mode: Some("none".into()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let created = self.client().create_container(Some(options), body);
        match self.change(format!("create container {name}, which fills volume {}", spec.name), created).await {
            Ok(created) => Ok(Some(created.id)),
            Err(denied) if denied.is_conflict() => Ok(None),
            Err(denied) => Err(denied.into()),
        }
    }

    pub(super) async fn upload(
        &self,
        spec: &ContentVolume,
        uploader: &str,
        supplies: &dyn Supplies,
    ) -> Result<Attempt, EngineError> {
        let attempted = format!("fill volume {} with {}", spec.name, described(&spec.content));
        let refused = |why: String| EngineError::Refused { attempted: attempted.clone(), why };
        let archive = supplies.archive(&spec.content).await.map_err(|error| refused(format!("{error:#}")))?;
        let last_taken = Arc::new(Mutex::new(Instant::now()));
        let broke: Arc<Mutex<Option<String>>> = Arc::default();
        let watched = archive
            .inspect_ok({
                let last_taken = last_taken.clone();
                move |_: &Bytes| *last_taken.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now()
            })
            .inspect_err({
                let broke = broke.clone();
                move |error| *broke.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string())
            });
        let options = UploadToContainerOptionsBuilder::new().path(INSIDE).build();
        // The answer comes when all was unpacked, however long that takes; a stall is seen by what was taken last.
        let patient = self.docker().with_timeout(Duration::from_secs(24 * 3600));
        let uploaded = patient.upload_to_container(uploader, Some(options), bollard::body_try_stream(watched));
        let stalled = async {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let taken = *last_taken.lock().unwrap_or_else(PoisonError::into_inner);
                if taken.elapsed() > STALLED {
                    return;
                }
            }
        };
        let answer = tokio::select! {
            answer = self.within(Duration::from_secs(24 * 3600), &attempted, uploaded) => answer,
            () = stalled => return Err(Denied::silent(self.endpoint(), attempted, STALLED).into()),
        };
        // A broken archive looks to the HTTP client like a broken connection.
        let broken = broke.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (answer, broken) {
            (_, Some(why)) => Err(refused(format!("the archive could not be read to its end: {why}"))),
            (Err(denied), None) if denied.says("no such container") => Ok(Attempt::TakenOver),
            (Err(denied), None) => Err(denied.into()),
            (Ok(()), None) => Ok(Attempt::Filled),
        }
    }

    /// What was uploaded is there.
    pub(super) async fn check(&self, spec: &ContentVolume, uploader: &str) -> Result<Attempt, EngineError> {
        let path = match spec.content {
            VolumeContent::Folder { .. } => INSIDE.to_string(),
            VolumeContent::File { .. } | VolumeContent::Text { .. } => format!("{INSIDE}/{CONTENT_FILE}"),
        };
        let options = ContainerArchiveInfoOptionsBuilder::new().path(&path).build();
        let asked = self.client().get_container_archive_info(uploader, Some(options));
        match self.query(format!("look into volume {}", spec.name), asked).await {
            Ok(_) => Ok(Attempt::Filled),
            // The answer to a HEAD request has no words: is it the container or the file that is not there?
            Err(denied) if denied.is_not_found() && self.look_up(uploader).await?.is_none() => Ok(Attempt::TakenOver),
            Err(denied) if denied.is_not_found() => Err(EngineError::Refused {
                attempted: format!("fill volume {} with {}", spec.name, described(&spec.content)),
                why: format!("the archive did not hold the file {CONTENT_FILE:?}"),
            }),
            Err(denied) => Err(denied.into()),
        }
    }

    pub(super) async fn empty_image(&self) -> Result<(), EngineError> {
        let reference = format!("{EMPTY_IMAGE}:{EMPTY_TAG}");
        let _held = self.hold(&format!("image {reference}")).await;
        if self.find_image(&reference).await?.is_some() {
            return Ok(());
        }
        // Two blocks of zeros are the end of a tar archive, and all of an empty one.
        let archive = bollard::body_full(Bytes::from_static(&[0; 1024]));
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(EMPTY_IMAGE)
            .tag(EMPTY_TAG)
            .message("An image without files, out of which Launchway makes containers that fill volumes")
            .build();
        let imported = self.client().create_image(Some(options), Some(archive), None);
        let imported = imported.try_for_each(|_| std::future::ready(Ok(())));
        self.change(format!("import the empty image {reference}"), imported).await?;
        Ok(())
    }
}

fn described(content: &VolumeContent) -> String {
    match content {
        VolumeContent::Folder { path, .. } => format!("the folder {path} of the commit"),
        VolumeContent::File { path } => format!("the file {path} of the commit"),
        VolumeContent::Text { .. } => "a text of the Compose file".into(),
    }
}
