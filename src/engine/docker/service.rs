//! The [`Engine`] trait, handed on to the file that does the work.

use super::answer::in_path;
use super::connect::DockerEngine;
use super::containers::name_of;
use super::observed::container_state;
use crate::engine::{Engine, EngineError, EngineInfo, Happening, HostLoad, Image, Outcome, Pipe, Scope, Supplies};
use crate::model::{
    ContainerState, Ending, Holdings, Observed, ProjectName, Recorded, RegistryAccounts, RegistryCredentials,
};
use crate::plan::{Action, ContainerSpec, Target};
use async_trait::async_trait;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a cancelled deployment waits for the answer to a change that was already asked for.
const ANSWER_AFTER_CANCEL: Duration = Duration::from_secs(3);

#[async_trait]
impl Engine for DockerEngine {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        let api = self.api().await?;
        let info = self.query("ask what it is", self.client().info()).await?;
        let containerd = |pair: &Vec<String>| {
            pair.first().is_some_and(|key| key == "driver-type")
                && pair.get(1).is_some_and(|value| value.starts_with("io.containerd.snapshotter"))
        };
        Ok(EngineInfo {
            name: info.name.unwrap_or_default(),
            version: info.server_version.unwrap_or_default(),
            api: api.to_string(),
            cpus: info.ncpu.and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
            memory_bytes: info.mem_total.unwrap_or_default(),
            platform: platform(&info.os_type.unwrap_or_default(), &info.architecture.unwrap_or_default()),
            containerd_images: info.driver_status.unwrap_or_default().iter().any(containerd),
            folder: info.docker_root_dir.filter(|_| self.local).map(PathBuf::from),
        })
    }

    async fn unsealed(&self) -> Result<Vec<Recorded>, EngineError> {
        self.what_is_not_sealed().await
    }

    fn record(&self, things: Vec<Recorded>) {
        self.ownership.record(things);
    }

    async fn observe(&self, scope: &Scope) -> Result<Observed, EngineError> {
        self.snapshot(scope).await
    }

    async fn host_load(&self) -> Result<HostLoad, EngineError> {
        self.load_of_the_host().await
    }

    async fn act(
        &self,
        action: &Action,
        supplies: &dyn Supplies,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        match action {
            // Cleans up behind itself when it is cancelled.
            Action::FillVolume(volume) => self.fill_volume(volume, supplies, cancel).await,
            // It changes nothing, so it may end anywhere.
            Action::WaitReady { .. } => until(cancel, self.carry_out(action, supplies, cancel)).await,
            // The container would die later, when somebody has already looked and seen it run.
            Action::StopContainer { .. } if !cancel.is_cancelled() => self.carry_out(action, supplies, cancel).await,
            other => until_answered(cancel, self.carry_out(other, supplies, cancel)).await,
        }
    }

    async fn front_program(&self) -> Result<Option<String>, EngineError> {
        DockerEngine::front_program(self).await
    }

    async fn tell_front(&self, container: &str, files: &[(&str, Vec<u8>)]) -> Result<(), EngineError> {
        self.put_into_front(container, files).await
    }

    async fn dial_front(&self, container: &str) -> Result<Box<dyn Pipe>, EngineError> {
        self.connect_to_front(container).await
    }

    async fn addresses(&self, container: &str) -> Result<Vec<IpAddr>, EngineError> {
        self.reached_at(container).await
    }

    async fn listeners(&self, container: &str) -> Result<Option<Vec<SocketAddr>>, EngineError> {
        self.listeners_of(container).await
    }

    async fn give_front_program(&self, container: &str) -> Result<Vec<String>, EngineError> {
        self.put_program_into_front(container).await
    }

    async fn wake_front(&self, container: &str) -> Result<(), EngineError> {
        self.send_hangup_to_front(container).await
    }

    async fn differences(&self, container: &str, spec: &ContainerSpec) -> Result<Vec<String>, EngineError> {
        self.differences_of(container, spec).await
    }

    async fn has_written(&self, container: &str, path: &str) -> Result<bool, EngineError> {
        self.has_layer_changed_at(container, path).await
    }

    async fn has_path(&self, container: &str, path: &str) -> Result<bool, EngineError> {
        Ok(self.path_mode(container, path).await?.is_some())
    }

    fn sign_in(&self, accounts: RegistryAccounts) {
        *self.accounts.write().unwrap_or_else(PoisonError::into_inner) = accounts;
    }

    async fn account(&self, registry: &str, project: &ProjectName) -> Result<Option<RegistryCredentials>, EngineError> {
        self.account_at(registry, project).await
    }

    async fn name_image(&self, id: &str, name: &str) -> Result<(), EngineError> {
        self.give_image_a_name(id, name).await
    }

    async fn containers_of_image(&self, id: Option<&str>, name: &str) -> Result<Vec<String>, EngineError> {
        self.made_of_image(id, name).await
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        self.find_image(reference).await
    }

    async fn pull(
        &self,
        reference: &str,
        project: &ProjectName,
        progress: &(dyn for<'a> Fn(&'a str) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<Image, EngineError> {
        until(cancel, self.pull_image(reference, project, progress)).await
    }

    async fn digest_at_registry(
        &self,
        reference: &str,
        project: &ProjectName,
        cancel: &CancellationToken,
    ) -> Result<String, EngineError> {
        until(cancel, self.newest_digest(reference, project)).await
    }

    async fn last_lines(&self, container: &str, count: usize) -> Result<Vec<String>, EngineError> {
        self.lines(container, count).await
    }

    async fn has_ended(&self, container: &str) -> Result<bool, EngineError> {
        let found = self.look_up(container).await?.and_then(|found| found.state);
        Ok(found.is_none_or(|state| {
            use ContainerState::{Paused, Restarting, Running};
            !matches!(container_state(&state), Running | Paused | Restarting)
        }))
    }

    async fn ending(&self, container: &str) -> Result<Ending, EngineError> {
        self.how_it_ended(container).await
    }

    async fn holdings(&self) -> Result<Holdings, EngineError> {
        self.what_it_holds().await
    }

    async fn remove_image(&self, name: &str) -> Result<bool, EngineError> {
        self.take_image_away(name).await
    }

    async fn remove_content_volume(&self, name: &str) -> Result<bool, EngineError> {
        self.take_content_away(name).await
    }

    async fn remove_network(&self, name: &str) -> Result<bool, EngineError> {
        self.take_network_away(name).await
    }

    async fn build_cache_bytes(&self) -> Result<Option<u64>, EngineError> {
        self.cache_bytes().await
    }

    async fn prune_build_cache(&self, most_bytes: u64) -> Result<u64, EngineError> {
        self.prune_cache(most_bytes).await
    }

    async fn listen(&self, heard: &(dyn Fn(Happening) + Send + Sync)) -> EngineError {
        self.tell_what_happens(heard).await
    }
}

impl DockerEngine {
    async fn carry_out(
        &self,
        action: &Action,
        supplies: &dyn Supplies,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        match action {
            Action::CreateNetwork(network) => self.create_network(network).await,
            Action::CreateVolume(volume) => self.create_volume(volume).await,
            Action::FillVolume(volume) => self.fill_volume(volume, supplies, cancel).await,
            Action::CreateContainer(spec) => self.create_container(spec).await,
            Action::CreateFront(spec) => self.create_front(spec).await,
            Action::StartContainer(target) => self.start_container(self.existing(target).await?).await,
            Action::StopContainer { target, grace } => self.stop_container(self.existing(target).await?, *grace).await,
            Action::RenameContainer { target, name } => self.rename_container(self.existing(target).await?, name).await,
            Action::RemoveContainer(target) => self.remove_container(self.existing(target).await?).await,
            Action::WaitReady { target, readiness } => {
                self.wait_ready(self.existing(target).await?, readiness, supplies).await
            }
            Action::StartFront { .. }
            | Action::RenewFront(_)
            | Action::Route(_)
            | Action::Unroute(_)
            | Action::Drain { .. }
            | Action::Pause(_)
            | Action::Hold(_) => {
                Err(EngineError::Refused { attempted: action.verb(), why: "that is no work for the engine".into() })
            }
        }
    }

    /// A target's id, and its name for people: of what a plan created just now, only the id is known.
    async fn existing<'a>(&self, target: &'a Target) -> Result<Existing<'a>, EngineError> {
        match target {
            Target::Existing { id, name } => {
                let id = in_path(id)?;
                if name != id || id.len() < 64 {
                    return Ok(Existing { id, name: name.clone() });
                }
                let found = self.look_up(id).await?;
                let name = found.map_or_else(|| id[..12].to_string(), |found| name_of(&found).to_string());
                Ok(Existing { id, name })
            }
            Target::Created { step } => Err(EngineError::Refused {
                attempted: format!("act on the container of step {step}"),
                why: "its id was not filled in: that step has not run".into(),
            }),
        }
    }
}

/// A container that is there.
#[derive(Debug)]
pub(super) struct Existing<'a> {
    pub id: &'a str,
    pub name: String,
}

/// The work, unless the deployment is cancelled first.
async fn until<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(EngineError::Cancelled),
        done = work => done,
    }
}

/// The same for a change that the engine makes quickly: what it was asked for goes on there by itself, so whoever looks
/// next should find it done, if that does not take long.
async fn until_answered<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    if cancel.is_cancelled() {
        return Err(EngineError::Cancelled);
    }
    tokio::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = cancel.cancelled() => {}
    }
    tokio::time::timeout(ANSWER_AFTER_CANCEL, work).await.unwrap_or(Err(EngineError::Cancelled))
}

/// The engine says `x86_64` where images say `amd64`.
fn platform(os: &str, architecture: &str) -> String {
    let architecture = match architecture {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" => "arm/v7",
        "armv6l" => "arm/v6",
        "i386" | "i686" => "386",
        other => other,
    };
    format!("{os}/{architecture}")
}
