//! Volumes with files of a commit: complete, or known to be incomplete, whenever this process or the engine dies.
//!
//! A volume cannot be marked after it was made, and a marker inside would be seen by whoever mounts it. So a container
//! that is created and never started, `<volume>.fill`, exists from before the volume does until after the upload has
//! ended: a content volume beside which there is such a guard is not complete, one without is. The guard mounts
//! nothing, or else a create call that broke in its middle could leave the volume alone. A second container that is
//! never started, `<volume>.upload`, mounts the volume and takes the archive.
//!
//! Equal content is one volume for all environments, so another process may fill it at the same time. The guard's name
//! is their lock: who finds it waits a little, and takes over from one that seems to have died. Whoever was taken over
//! by mistake finds its uploading container gone, and begins again.

use super::answer::in_path;
use super::connect::DockerEngine;
use super::containers::{name_taken, status_of};
use super::upload::Attempt;
use crate::engine::{EngineError, Labels, Outcome, Supplies, Whose};
use crate::model::{Kind, label};
use crate::plan::ContentVolume;
use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, VolumeCreateRequest};
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptions};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// On the guard and the uploading container: the volume that they fill. Observing leaves such volumes out, so that the
/// next plan fills them again.
pub(super) const FILLS: &str = label::FILLS;

/// How long another process's guard is respected while it does not go.
const SEEMS_DEAD: Duration = Duration::from_secs(4);

/// How often an attempt may be undone by somebody else before that is an error.
const MOST_ATTEMPTS: u32 = 5;

/// What a running attempt has made.
#[derive(Debug, Default)]
struct Own {
    guard: Option<String>,
    /// A call is under way that makes the volume. The engine carries it out though nobody waits for it any more, and
    /// an empty volume must not come up after its guard has gone: then the guard stays.
    creating: bool,
}

impl DockerEngine {
    pub(super) async fn fill_volume(
        &self,
        spec: &ContentVolume,
        supplies: &dyn Supplies,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        let name = format!("volume {}", spec.name);
        let _held = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(EngineError::Cancelled),
            held = self.hold(&name) => held,
        };
        let mut own = Own::default();
        let filled = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(EngineError::Cancelled),
            filled = self.fill(spec, supplies, &mut own) => filled,
        };
        if let (Err(_), Own { guard: Some(guard), creating: false }) = (&filled, own) {
            // In time or not: what stays is known as incomplete by its guard.
            let _ = tokio::time::timeout(Duration::from_millis(800), self.forget(&spec.name, &guard)).await;
        }
        filled
    }

    async fn fill(&self, spec: &ContentVolume, supplies: &dyn Supplies, own: &mut Own) -> Result<Outcome, EngineError> {
        self.api().await?;
        let mut in_the_way: Option<(String, Instant)> = None;
        let mut attempts = 0;
        loop {
            let guard = self.guard(&spec.name).await?;
            match guard {
                None => {
                    // Looked at again afterwards: another process may just now have made both.
                    if let Some(found) = self.volume_named(&spec.name).await? {
                        if self.guard(&spec.name).await?.is_none() {
                            return complete(spec, &found);
                        }
                        continue;
                    }
                    self.empty_image().await?;
                    own.guard = self.never_started(&guard_of(&spec.name), spec, false).await?;
                }
                Some(guard) if own.guard.as_ref() == Some(&guard) => {}
                Some(guard) => {
                    let since = match &in_the_way {
                        Some((seen, since)) if *seen == guard => *since,
                        _ => in_the_way.insert((guard.clone(), Instant::now())).1,
                    };
                    if since.elapsed() < SEEMS_DEAD {
                        tokio::time::sleep(Duration::from_millis(200)).await;
                        continue;
                    }
                    if self.drop_half(&spec.name).await? {
                        self.drop_container(&guard).await?;
                        continue;
                    }
                    // A container mounts it already: it is filled again as it is, under the guard that is there.
                    own.guard = Some(guard);
                }
            }
            let Some(guard) = own.guard.clone() else { continue };
            attempts += 1;
            match self.attempt(spec, supplies, own).await? {
                // Nobody has doubted it in the meantime.
                Attempt::Filled if self.guard(&spec.name).await?.as_ref() == Some(&guard) => {
                    self.drop_filler(&uploader_of(&spec.name), &spec.name).await?;
                    self.drop_container(&guard).await?;
                    return Ok(Outcome::default());
                }
                _ if attempts < MOST_ATTEMPTS => {}
                _ => {
                    return Err(EngineError::Refused {
                        attempted: format!("fill volume {}", spec.name),
                        why: format!(
                            "somebody removed what fills it, {attempts} times; does another Launchway run on this engine?"
                        ),
                    });
                }
            }
        }
    }

    /// The id of the container that says that a volume is not complete.
    async fn guard(&self, volume: &str) -> Result<Option<String>, EngineError> {
        self.filler(&guard_of(volume), volume).await
    }

    /// The id of the container of that name, if it is one that fills the volume. Whatever else has the name is somebody's.
    async fn filler(&self, name: &str, volume: &str) -> Result<Option<String>, EngineError> {
        match self.look_up(name).await? {
            Some(found) if !fills(&found, volume) => Err(name_taken(name, &found)),
            found => Ok(found.and_then(|found| found.id)),
        }
    }

    /// One upload, from making the volume to looking whether the files are there.
    async fn attempt(
        &self,
        spec: &ContentVolume,
        supplies: &dyn Supplies,
        own: &mut Own,
    ) -> Result<Attempt, EngineError> {
        own.creating = true;
        let volume = VolumeCreateRequest {
            name: Some(spec.name.clone()),
            labels: Some(self.ownership.sealed(Kind::Volume, spec.labels.clone()).into_iter().collect()),
            ..Default::default()
        };
        self.change(format!("create volume {}", spec.name), self.client().create_volume(volume)).await?;
        let uploader = uploader_of(&spec.name);
        let mut made = self.never_started(&uploader, spec, true).await?;
        if made.is_none() {
            // Left by one that was taken over: this attempt has the guard.
            self.drop_filler(&uploader, &spec.name).await?;
            made = self.never_started(&uploader, spec, true).await?;
        }
        own.creating = false;
        let Some(uploader) = made else { return Ok(Attempt::TakenOver) };
        if let Attempt::TakenOver = self.upload(spec, &uploader, supplies).await? {
            return Ok(Attempt::TakenOver);
        }
        self.check(spec, &uploader).await
    }

    /// Removes what an attempt left that did not come to its end: the half-filled volume, then its guard.
    async fn forget(&self, volume: &str, guard: &str) -> Result<(), EngineError> {
        if self.drop_half(volume).await? {
            self.drop_container(guard).await?;
        }
        Ok(())
    }

    /// Removes what earlier processes left of volumes that they began to fill and did not fill in the end. Call it
    /// after a start, before the first deployment. Returns the volumes.
    pub async fn clear_unfinished(&self) -> Result<Vec<String>, EngineError> {
        self.api().await?;
        let filters = HashMap::from([("label".to_string(), vec![FILLS.to_string()])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let asked = self.client().list_containers(Some(options));
        let found = self.query("look for volumes that were not filled to the end", asked).await?;
        // A label alone is anybody's claim: what others fill, they clear away.
        let named = |container: bollard::models::ContainerSummary| {
            let labels = container.labels.unwrap_or_default().into_iter().collect();
            match self.ownership.whose(Kind::Container, container.id.as_deref().unwrap_or_default(), labels) {
                Whose::Ours(labels) => filled_by(&labels).cloned(),
                _ => None,
            }
        };
        let mut volumes: Vec<String> = found.into_iter().filter_map(named).collect();
        volumes.sort();
        volumes.dedup();
        let mut cleared = Vec::new();
        for volume in volumes {
            let _held = self.hold(&format!("volume {volume}")).await;
            if self.is_still_guarded(&volume).await? {
                match self.guard(&volume).await? {
                    Some(guard) => self.forget(&volume, &guard).await?,
                    None => self.drop_filler(&uploader_of(&volume), &volume).await?,
                }
                cleared.push(volume);
            }
        }
        Ok(cleared)
    }

    /// Whether the same guard is there for as long as one of a live process is respected.
    async fn is_still_guarded(&self, volume: &str) -> Result<bool, EngineError> {
        let began = Instant::now();
        let first = self.guard(volume).await?;
        while began.elapsed() < SEEMS_DEAD {
            tokio::time::sleep(Duration::from_millis(200)).await;
            if self.guard(volume).await? != first {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The half-filled volume goes, unless a container uses it: then it stays, and the answer is no. Only ever called
    /// while the guard is there, and only of a volume that holds files of a commit. Removing the uploading container waits until the
    /// engine has ended what it unpacks there.
    async fn drop_half(&self, volume: &str) -> Result<bool, EngineError> {
        self.drop_filler(&uploader_of(volume), volume).await?;
        match self.volume_named(volume).await? {
            None => return Ok(true),
            Some(found) if !found.labels.contains_key(label::CONTENT) => return Ok(false),
            Some(_) => {}
        }
        let removed = self.client().remove_volume(in_path(volume)?, None::<RemoveVolumeOptions>);
        match self.change(format!("remove the half-filled volume {volume}"), removed).await {
            Ok(()) => Ok(true),
            Err(denied) if denied.is_not_found() => Ok(true),
            Err(denied) if denied.is_conflict() => Ok(false),
            Err(denied) => Err(denied.into()),
        }
    }

    /// The container of that name, which fills the volume.
    async fn drop_filler(&self, name: &str, volume: &str) -> Result<(), EngineError> {
        match self.filler(name, volume).await? {
            Some(id) => self.drop_container(&id).await,
            None => Ok(()),
        }
    }

    /// By its id: a name may have become somebody else's.
    async fn drop_container(&self, id: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::new().v(false).force(true).build();
        let removed = self.client().remove_container(in_path(id)?, Some(options));
        match self.change(format!("remove container {id}"), removed).await {
            Ok(()) => Ok(()),
            Err(denied) if denied.is_not_found() || denied.says("already in progress") => Ok(()),
            Err(denied) => Err(denied.into()),
        }
    }
}

/// A volume that is there without a guard: complete, if it is what is wanted.
fn complete(spec: &ContentVolume, found: &bollard::models::Volume) -> Result<Outcome, EngineError> {
    if found.labels.get(label::CONTENT) == spec.labels.get(label::CONTENT) {
        return Ok(Outcome::default());
    }
    Err(EngineError::NameTaken {
        kind: "volume",
        name: spec.name.clone(),
        why: format!(
            "it does not hold the files that are wanted there. `docker volume inspect {}` shows what it is",
            spec.name
        ),
    })
}

/// The volume that a container guards or fills, by its labels.
pub(super) fn filled_by(labels: &Labels) -> Option<&String> {
    labels.get(FILLS).filter(|volume| !volume.is_empty())
}

/// A container that was made to fill the volume, by whichever Launchway: it has never run, or is just going away.
fn fills(found: &ContainerInspectResponse, volume: &str) -> bool {
    let labels = found.config.as_ref().and_then(|config| config.labels.as_ref());
    labels.and_then(|labels| labels.get(FILLS)).is_some_and(|filled| filled == volume)
        && matches!(
            status_of(found),
            Some(
                ContainerStateStatusEnum::CREATED | ContainerStateStatusEnum::REMOVING | ContainerStateStatusEnum::DEAD
            )
        )
}

fn guard_of(volume: &str) -> String {
    format!("{volume}.fill")
}

fn uploader_of(volume: &str) -> String {
    format!("{volume}.upload")
}
