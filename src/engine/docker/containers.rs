//! Containers: created, started, renamed, removed.

use super::answer::{Denied, in_path};
use super::connect::{ApiVersion, DockerEngine};
use super::request::{CreateRequest, create_request};
use super::service::Existing;
use crate::engine::{EngineError, Labels, Outcome, Whose};
use crate::model::{Kind, Quoted, label};
use crate::plan::{ContainerSpec, EngineMount};
use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, NetworkConnectRequest};
use bollard::query_parameters::{CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, RenameContainerOptions};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a container that the engine restarts may stay between two runs, the first times.
const BETWEEN_RUNS: Duration = Duration::from_secs(3);

impl DockerEngine {
    /// What the engine knows of a container, by id or name; `None` where it is gone.
    pub(super) async fn look_up(&self, container: &str) -> Result<Option<ContainerInspectResponse>, EngineError> {
        let asked = self.client().inspect_container(in_path(container)?, None);
        match self.query(format!("look at container {container}"), asked).await {
            Ok(found) => Ok(Some(found)),
            Err(denied) if denied.is_not_found() => Ok(None),
            Err(denied) => Err(denied.into()),
        }
    }

    pub(super) async fn create_container(&self, spec: &ContainerSpec) -> Result<Outcome, EngineError> {
        in_path(&spec.name)?;
        let api = self.api().await?;
        let mountpoints = self.mountpoints(spec, api).await?;
        let mut request = create_request(spec, api, &mountpoints)?;
        request.body.labels = Some(self.labels_of(spec).await?.into_iter().collect());
        let mut options = CreateContainerOptionsBuilder::new().name(&spec.name);
        if let Some(platform) = &request.platform {
            options = options.platform(platform);
        }
        let asked = self.client().create_container(Some(options.build()), request.body.clone());
        let answer = self.change(format!("create container {}", spec.name), asked).await;
        let (id, engine_says) = match answer {
            Ok(created) => (created.id, created.warnings),
            Err(denied) if denied.is_conflict() => (self.made_earlier(spec, denied).await?, Vec::new()),
            Err(denied) if denied.says("no command specified") => {
                let why = "neither its image nor `command` says what to run".into();
                return Err(EngineError::CannotRun { container: spec.name.clone(), why });
            }
            Err(denied) if denied.is_not_found() && denied.says("no such image") => {
                return Err(EngineError::ImageMissing {
                    reference: spec.image.clone(),
                    why: format!("{}; it was removed, or never built or pulled here", denied.why()),
                });
            }
            Err(denied) => return Err(denied.into()),
        };
        self.connect_missing(&id, spec, &request).await?;
        let mut notes = request.notes;
        notes.extend(engine_says.into_iter().map(|warning| format!("the engine warns: {}", Quoted(warning))));
        Ok(Outcome { container_id: Some(id), note: (!notes.is_empty()).then(|| notes.join("; ")) })
    }

    /// The labels of a container that is to be created: sealed, and with what its image says in our and in Compose's
    /// namespace taken back, as the engine gives each container the labels of its image.
    async fn labels_of(&self, spec: &ContainerSpec) -> Result<Labels, EngineError> {
        let mut labels = self.ownership.sealed(Kind::Container, spec.labels.clone());
        let of_image = self.find_image(&spec.image).await?.map(|image| image.labels).unwrap_or_default();
        for key in of_image.into_keys() {
            if key.starts_with(label::OWN) || key.starts_with(label::COMPOSES) {
                labels.entry(key).or_default();
            }
        }
        Ok(labels)
    }

    pub(super) fn whose_container(&self, found: &ContainerInspectResponse) -> Whose {
        let labels = found.config.as_ref().and_then(|config| config.labels.clone()).unwrap_or_default();
        let id = found.id.as_deref().unwrap_or_default();
        self.ownership.whose(Kind::Container, id, labels.into_iter().collect())
    }

    /// The container that holds the name, where an earlier try of the same step made it.
    async fn made_earlier(&self, spec: &ContainerSpec, denied: Denied) -> Result<String, EngineError> {
        let Some(holder) = self.look_up(&spec.name).await? else { return Err(denied.into()) };
        let Whose::Ours(labels) = self.whose_container(&holder) else { return Err(name_taken(&spec.name, &holder)) };
        let theirs = |key: &str| labels.get(key);
        let keys = [label::FINGERPRINT, label::DEPLOYMENT, label::PROJECT, label::ENVIRONMENT];
        let same = keys.iter().all(|key| theirs(key) == spec.labels.get(*key));
        let never_started = status_of(&holder) == Some(ContainerStateStatusEnum::CREATED);
        match &holder.id {
            Some(id) if never_started && same && theirs(label::FINGERPRINT).is_some() => Ok(id.clone()),
            _ => Err(name_taken(&spec.name, &holder)),
        }
    }

    /// Connects what the create call could not: an old engine takes one network there, and an earlier try may have
    /// ended in between.
    async fn connect_missing(
        &self,
        id: &str,
        spec: &ContainerSpec,
        request: &CreateRequest,
    ) -> Result<(), EngineError> {
        if request.networks.len() < 2 {
            return Ok(());
        }
        let Some(found) = self.look_up(id).await? else {
            return Err(EngineError::NotFound {
                what: format!("container {}, which was created just now,", spec.name),
            });
        };
        let connected = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        for (network, endpoint) in &request.networks {
            if connected.contains_key(network) {
                continue;
            }
            let asked = NetworkConnectRequest { container: id.to_string(), endpoint_config: Some(endpoint.clone()) };
            let attempted = format!("connect container {} to network {network}", spec.name);
            let answer = self.change(attempted, self.client().connect_network(in_path(network)?, asked)).await;
            match answer {
                Err(denied) if !denied.says("already exists in network") => return Err(denied.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Where the engine keeps the volumes out of which single files are mounted.
    async fn mountpoints(
        &self,
        spec: &ContainerSpec,
        api: ApiVersion,
    ) -> Result<BTreeMap<String, String>, EngineError> {
        let mut mountpoints = BTreeMap::new();
        if api >= ApiVersion::VOLUME_SUBPATH {
            return Ok(mountpoints);
        }
        for mount in &spec.mounts {
            let EngineMount::ContentFile { volume, .. } = mount else { continue };
            if !mountpoints.contains_key(volume) {
                let asked = self.client().inspect_volume(in_path(volume)?);
                let found = self.query(format!("look at volume {volume}"), asked).await?;
                mountpoints.insert(volume.clone(), found.mountpoint);
            }
        }
        Ok(mountpoints)
    }

    pub(super) async fn start_container(&self, target: Existing<'_>) -> Result<Outcome, EngineError> {
        let attempted = format!("start container {}", target.name);
        let answer = self.change(&attempted, self.client().start_container(target.id, None)).await;
        match answer {
            Ok(()) => Ok(Outcome::default()),
            Err(denied) if denied.says("paused container") => {
                self.change(attempted, self.client().unpause_container(target.id)).await?;
                Ok(Outcome { note: Some("it was paused, and runs again".into()), ..Outcome::default() })
            }
            Err(denied) if denied.is_not_found() && denied.says("no such container") => {
                Err(EngineError::NotFound { what: format!("container {}", target.name) })
            }
            Err(denied) if denied.says("escapes the base directory") => {
                Err(denied.hint("A symbolic link leads out of the volume, or of the folder of the host that launchway.toml allows; it is not followed").into())
            }
            Err(denied) if denied.says("cannot access path") => {
                Err(denied.hint("Nothing is there, below the volume or the folder of the host that launchway.toml allows: create it first").into())
            }
            Err(denied) if super::ports::is_about_a_port(denied.message()) => {
                Err(self.port_taken(target, denied).await)
            }
            Err(denied) => match unfit_command(denied.message()) {
                Some(why) => Err(EngineError::CannotRun { container: target.name, why }),
                None => Err(denied.into()),
            },
        }
    }

    pub(super) async fn rename_container(&self, target: Existing<'_>, name: &str) -> Result<Outcome, EngineError> {
        in_path(name)?;
        let Some(found) = self.look_up(target.id).await? else {
            return Err(EngineError::NotFound { what: format!("container {}, to be renamed to {name},", target.name) });
        };
        if name_of(&found) == name {
            return Ok(Outcome::default());
        }
        let began = Instant::now();
        let answer = loop {
            let options = RenameContainerOptions { name: name.to_string() };
            let asked = self.client().rename_container(target.id, options);
            match self.change(format!("rename container {} to {name}", target.name), asked).await {
                // Between two runs of a container that keeps ending, its network is gone, and the engine refuses.
                Err(denied) if denied.says("sandbox") && began.elapsed() < BETWEEN_RUNS => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                answer => break answer,
            }
        };
        match answer {
            Ok(()) => Ok(Outcome::default()),
            Err(denied) if denied.is_conflict() => match self.look_up(name).await? {
                Some(holder) if holder.id == found.id => Ok(Outcome::default()),
                Some(holder) => Err(name_taken(name, &holder)),
                None => Err(denied.into()),
            },
            Err(denied) => Err(denied.into()),
        }
    }

    /// Removes a container that does not run; its volumes stay, but for a front's.
    pub(super) async fn remove_container(&self, target: Existing<'_>) -> Result<Outcome, EngineError> {
        let Some(found) = self.look_up(target.id).await? else { return Ok(Outcome::default()) };
        let status = status_of(&found);
        let attempted = format!("remove container {}", target.name);
        let runs = matches!(
            status,
            Some(
                ContainerStateStatusEnum::RUNNING
                    | ContainerStateStatusEnum::PAUSED
                    | ContainerStateStatusEnum::RESTARTING
                    | ContainerStateStatusEnum::STOPPING
            )
        );
        if runs {
            let why = format!("it runs; stop it first (`docker stop {}`)", target.name);
            return Err(EngineError::Refused { attempted, why });
        }
        // A dead container is one that the engine failed to remove before: only force gets it away.
        let dead = status == Some(ContainerStateStatusEnum::DEAD);
        // A front's volume is its own, and holds nothing but what it was told.
        let is_front = match self.whose_container(&found) {
            Whose::Ours(labels) => labels.get(label::ROLE).is_some_and(|role| role == label::FRONT),
            _ => false,
        };
        let options = RemoveContainerOptionsBuilder::new().v(is_front).force(dead).build();
        match self.change(&attempted, self.client().remove_container(target.id, Some(options))).await {
            Ok(()) => Ok(Outcome::default()),
            Err(denied) if denied.is_not_found() => Ok(Outcome::default()),
            Err(denied) if denied.says("already in progress") => self.until_gone(target, denied).await,
            Err(denied) => Err(denied.into()),
        }
    }

    /// Somebody else's removal of the same container is under way.
    async fn until_gone(&self, target: Existing<'_>, denied: Denied) -> Result<Outcome, EngineError> {
        let gone = async {
            while self.look_up(target.id).await?.is_some() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(Outcome::default())
        };
        tokio::time::timeout(self.patience, gone).await.unwrap_or_else(|_| Err(denied.into()))
    }
}

/// What is wrong with the program to run, in the engine's words that say it: `exec: "serve": executable file not found
/// in $PATH`.
fn unfit_command(message: &str) -> Option<String> {
    let is_program =
        ["executable file not found", "no such file or directory", "permission denied", "exec format error"];
    let (_, words) = message.rsplit_once("exec: ").or_else(|| message.rsplit_once("exec "))?;
    let words = words.trim_end_matches(": unknown").trim();
    is_program.iter().any(|known| words.contains(known)).then(|| {
        let words = Quoted(words);
        format!("{words} (`command` or `entrypoint` names what is not in the image, or is not executable there)")
    })
}

pub(super) fn status_of(container: &ContainerInspectResponse) -> Option<ContainerStateStatusEnum> {
    container.state.as_ref().and_then(|state| state.status)
}

/// Without the engine's leading slash.
pub(super) fn name_of(container: &ContainerInspectResponse) -> &str {
    container.name.as_deref().unwrap_or_default().trim_start_matches('/')
}

pub(super) fn name_taken(name: &str, holder: &ContainerInspectResponse) -> EngineError {
    let id: String = holder.id.as_deref().unwrap_or_default().chars().take(12).collect();
    let config = holder.config.clone().unwrap_or_default();
    let labels = config.labels.unwrap_or_default();
    let image = Quoted(config.image.unwrap_or_default());
    let state = status_of(holder).map(|status| status.to_string()).unwrap_or_default();
    let owner = match (labels.get(label::PROJECT), labels.get(label::ENVIRONMENT), labels.get(label::COMPOSE_PROJECT)) {
        (Some(project), Some(environment), _) => {
            format!("of project {}, environment {}", Quoted(project), Quoted(environment))
        }
        (_, _, Some(compose)) => format!("of Compose project {}", Quoted(compose)),
        _ => "not made by Launchway".to_string(),
    };
    EngineError::NameTaken {
        kind: "container",
        name: name.to_string(),
        why: format!(
            "{id}, {owner}, image {image}, {state}. Free the name with `docker rename {name} {name}-old`, or remove the container with `docker rm -f {name}`"
        ),
    }
}
