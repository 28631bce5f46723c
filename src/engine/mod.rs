//! What runs containers: observe what is there, act on it. Knows nothing of forges or HTTP routes.

mod docker;
mod held_names;
mod ownership;

pub use docker::DockerEngine;
pub use held_names::HeldNames;
#[cfg(feature = "failpoints")]
pub use ownership::SEALS_NOTHING;
pub use ownership::{Labels, Ownership, Whose, volume_id};

use crate::model::{
    Ending, EnvironmentName, Holdings, Mask, Observed, ProjectName, Quoted, Recorded, RegistryAccounts,
    RegistryCredentials,
};
use crate::plan::{Action, ContainerSpec, VolumeContent};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// Which containers, networks and volumes an observation is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    /// The Compose project's name: what Compose started by hand under it counts as the environment's own.
    pub compose_project: String,
}

/// An image as the engine has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Image {
    /// As this engine says it of the image; comparable with `ObservedContainer::image_id` of the same engine only.
    pub id: String,
    /// `name@sha256:...`, as far as known.
    pub repo_digests: Vec<String>,
    pub tags: Vec<String>,
    /// `8080/tcp`.
    pub exposed: Vec<String>,
    /// Paths of `VOLUME`.
    pub volumes: Vec<String>,
    pub has_healthcheck: bool,
    pub labels: BTreeMap<String, String>,
    pub size_bytes: i64,
    /// Its variables (`ENV`).
    pub environment: BTreeMap<String, String>,
    /// Its `ONBUILD` instructions, without that word.
    pub triggers: Vec<String>,
    /// `linux/amd64`, with the variant where it has one.
    pub platform: String,
}

/// What the engine is and has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineInfo {
    pub name: String,
    pub version: String,
    /// Negotiated, such as `1.41`.
    pub api: String,
    pub cpus: u32,
    pub memory_bytes: i64,
    /// `linux/amd64`.
    pub platform: String,
    /// The containerd image store is in use.
    pub containerd_images: bool,
    /// The folder in which it keeps everything, where it runs on this machine.
    pub folder: Option<PathBuf>,
}

/// What the engine's host has, and what runs on it. Bytes; figures that nobody gives are absent, totals then 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostLoad {
    pub cpus: u32,
    pub memory_bytes: i64,
    /// What the kernel could give to somebody new, where the engine is on this machine.
    pub available_bytes: Option<i64>,
    /// All that run, whoever started them.
    pub containers: Vec<ContainerUse>,
}

/// What a running container was promised and takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerUse {
    pub id: String,
    /// What is known to be true of it ([`Whose`]).
    pub labels: BTreeMap<String, String>,
    /// 0: none.
    pub memory_reservation_bytes: i64,
    /// 0: none.
    pub memory_limit_bytes: i64,
    /// Without page cache.
    pub memory_used_bytes: Option<i64>,
    /// CPU time since it was started, in nanoseconds.
    pub cpu_ns: Option<u64>,
}

/// What a step may need from outside the engine.
#[async_trait]
pub trait Supplies: Send + Sync {
    /// A tar archive with the content (`plan::CONTENT_FILE` for a single file), owners and modes set.
    async fn archive(
        &self,
        content: &VolumeContent,
    ) -> anyhow::Result<BoxStream<'static, Result<Bytes, std::io::Error>>>;
    /// A line for the deployment's log, about the step that runs.
    fn progress(&self, line: &str);
    /// What hides secrets in such lines, and in what a health check says. A line without an end is cut into pieces so that no secret is in two of them.
    fn mask(&self) -> Mask;
}

/// Why the engine did not do what was asked. Each `why` is a sentence of ours, in which the engine's own words are
/// [`Quoted`]. Authors of commits read it: where the engine is, [`EngineError::with_place`] says to whoever runs the server.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It does not answer: stopped, restarting, the socket refuses. Worth trying again.
    #[error(
        "the Docker Engine does not answer while trying to {attempted}: {why}. Is it running? `docker info` tells."
    )]
    Unavailable { endpoint: String, attempted: String, why: String },
    #[error("{what} is not there")]
    NotFound { what: String },
    /// Somebody else holds the name.
    #[error("the name {name} is taken by another {kind}: {why}")]
    NameTaken { kind: &'static str, name: String, why: String },
    /// Another network has got the subnet that was free a moment ago. Worth planning again.
    #[error("the addresses of network {network} are taken: {why}")]
    SubnetTaken { network: String, why: String },
    #[error("port {port} is taken: {why}")]
    PortTaken { port: String, why: String },
    #[error("the engine has no image {}: {why}", Quoted(.reference))]
    ImageMissing { reference: String, why: String },
    /// The container did not become ready; `why` is a sentence, `last_lines` what it said last (at most 20 lines).
    #[error("{container} {why}")]
    NotReady {
        container: String,
        why: String,
        last_lines: Vec<String>,
        /// Its process ended, or is restarted again and again.
        has_ended: bool,
    },
    /// The engine cannot begin to run it, by what its image and settings say.
    #[error("{container} cannot run: {why}")]
    CannotRun { container: String, why: String },
    #[error("cancelled")]
    Cancelled,
    #[error("could not {attempted}: {why}")]
    Refused { attempted: String, why: String },
}

impl EngineError {
    /// The same sentence with where the engine is, for whoever runs the server.
    pub fn with_place(&self) -> String {
        let text = self.to_string();
        match self {
            Self::Unavailable { endpoint, .. } => {
                text.replacen("Docker Engine", &format!("Docker Engine at {endpoint}"), 1)
            }
            _ => text,
        }
    }
}

/// What acting gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Of a container that was created.
    pub container_id: Option<String>,
    /// A sentence worth telling, such as how readiness was found.
    pub note: Option<String>,
}

/// What runs containers: one Docker engine.
#[async_trait]
pub trait Engine: Send + Sync {
    async fn info(&self) -> Result<EngineInfo, EngineError>;

    /// What carries Launchway's labels without this store's seal or record: another Launchway's, or an earlier version's,
    /// which sealed nothing.
    async fn unsealed(&self) -> Result<Vec<Recorded>, EngineError>;

    /// From now on these count as sealed.
    fn record(&self, things: Vec<Recorded>);

    /// A snapshot of what is there.
    async fn observe(&self, scope: &Scope) -> Result<Observed, EngineError>;

    /// Carries one step out. Idempotent: what is already as asked is success (a network that exists with our labels, a
    /// container that already runs, or is already stopped, renamed or gone). `action`'s targets are all `Existing`:
    /// the executor has put ids in the place of steps. Returns soon after `cancel` fires.
    async fn act(
        &self,
        action: &Action,
        supplies: &dyn Supplies,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError>;

    /// The id of the program that fronts run here; `None`: this engine cannot have fronts.
    async fn front_program(&self) -> Result<Option<String>, EngineError> {
        Ok(None)
    }

    /// Puts these files, by name, into a front's folder, whether it runs or not.
    async fn tell_front(&self, container: &str, files: &[(&str, Vec<u8>)]) -> Result<(), EngineError> {
        let _ = (container, files);
        Err(no_fronts())
    }

    /// A connection to the control socket of a front that runs.
    async fn dial_front(&self, container: &str) -> Result<Box<dyn Pipe>, EngineError> {
        let _ = container;
        Err(no_fronts())
    }

    /// Where this machine reaches a container that runs; nowhere where the engine is on another one.
    async fn addresses(&self, container: &str) -> Result<Vec<IpAddr>, EngineError> {
        let _ = container;
        Ok(Vec::new())
    }

    /// Where processes in a container that runs listen on TCP; `None`: it cannot be read from here.
    async fn listeners(&self, container: &str) -> Result<Option<Vec<SocketAddr>>, EngineError>;

    /// Puts [`Self::front_program`] into a front's folder, beside the one that it runs. Returns the command that runs it.
    async fn give_front_program(&self, container: &str) -> Result<Vec<String>, EngineError> {
        let _ = container;
        Err(no_fronts())
    }

    /// Has the first process of a front that runs start the program that it was told of last (SIGHUP).
    async fn wake_front(&self, container: &str) -> Result<(), EngineError> {
        let _ = container;
        Err(no_fronts())
    }

    /// What the engine says of a container that differs from what was asked of it when it was created, as sentences
    /// without values, which may be secret. Compared are the settings that the engine keeps as they are written:
    /// command, entrypoint, user, working directory, environment, mounts, networks, published ports, restart policy,
    /// limits, and what the container may do.
    async fn differences(&self, container: &str, spec: &ContainerSpec) -> Result<Vec<String>, EngineError>;

    /// Whether a container that is there has written at a path, or below it, into its own layer: what the image says and
    /// what other mounts hold there does not count.
    async fn has_written(&self, container: &str, path: &str) -> Result<bool, EngineError>;

    /// Whether there is anything at a path of a container, wherever that keeps it.
    async fn has_path(&self, container: &str, path: &str) -> Result<bool, EngineError>;

    /// The image under a tag, digest or id, or `None`.
    async fn image(&self, reference: &str) -> Result<Option<Image>, EngineError>;

    /// Pulls a reference for a project, with the account that it may use there, and returns what came, whatever has the name by
    /// then. A tag goes to what came; by its digest, an image is pulled and no tag changes.
    async fn pull(
        &self,
        reference: &str,
        project: &ProjectName,
        progress: &(dyn for<'a> Fn(&'a str) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<Image, EngineError>;

    /// The digest (`sha256:...`) that the registry has for a reference now, with the account that the project may use there.
    /// Nothing is pulled, and no name changes.
    async fn digest_at_registry(
        &self,
        reference: &str,
        project: &ProjectName,
        cancel: &CancellationToken,
    ) -> Result<String, EngineError> {
        let _ = (project, cancel);
        Err(EngineError::Refused {
            attempted: format!("ask the registry of {}", Quoted(reference)),
            why: "this engine cannot ask one without pulling".into(),
        })
    }

    /// Accounts of registries out of the server's own settings, in place of those that were told before. They go before Docker's `config.json`.
    fn sign_in(&self, _accounts: RegistryAccounts) {}

    /// The account that a pull of a project from a registry would use, by host.
    async fn account(
        &self,
        _registry: &str,
        _project: &ProjectName,
    ) -> Result<Option<RegistryCredentials>, EngineError> {
        Ok(None)
    }

    /// Gives a further name to the image with this id; whatever had the name loses it.
    async fn name_image(&self, id: &str, name: &str) -> Result<(), EngineError> {
        let _ = (id, name);
        Ok(())
    }

    /// Ids of all containers, whoever made them, that were made of the image with this id, or of one by this name.
    async fn containers_of_image(&self, id: Option<&str>, name: &str) -> Result<Vec<String>, EngineError> {
        let _ = (id, name);
        Ok(Vec::new())
    }

    /// The last lines that a container wrote (stdout and stderr together, oldest first).
    async fn last_lines(&self, container: &str, count: usize) -> Result<Vec<String>, EngineError>;

    /// Whether a container has ended, or is gone: nothing more will come of it by itself.
    async fn has_ended(&self, container: &str) -> Result<bool, EngineError> {
        let _ = container;
        Ok(false)
    }

    /// How a container that has ended came to its end, as far as the engine remembers.
    async fn ending(&self, container: &str) -> Result<Ending, EngineError> {
        let _ = container;
        Ok(Ending::Unknown)
    }

    /// What the host has and what runs takes; everything unknown where an engine cannot tell.
    async fn host_load(&self) -> Result<HostLoad, EngineError> {
        Ok(HostLoad::default())
    }

    /// What it has of what any Launchway made.
    async fn holdings(&self) -> Result<Holdings, EngineError> {
        Ok(Holdings::default())
    }

    /// Takes a name off an image, and the image away with its last one; by its id, an image that has no name. Returns
    /// whether it was there. An image that a container uses stays, and that is an error.
    async fn remove_image(&self, name: &str) -> Result<bool, EngineError> {
        let _ = name;
        Ok(false)
    }

    /// Removes a volume that was filled from a commit, and no other. Returns whether it was there; one that a container
    /// mounts stays, and that is an error.
    async fn remove_content_volume(&self, name: &str) -> Result<bool, EngineError> {
        let _ = name;
        Ok(false)
    }

    /// Removes a network, unless any container uses it, also one that does not run. Returns whether it was removed.
    async fn remove_network(&self, name: &str) -> Result<bool, EngineError> {
        let _ = name;
        Ok(false)
    }

    /// What builds left for the next ones, all together, in bytes; `None` where the engine does not say.
    async fn build_cache_bytes(&self) -> Result<Option<u64>, EngineError> {
        Ok(None)
    }

    /// Takes away of that what was not used for longest until it is no larger. Returns what was freed, in bytes.
    async fn prune_build_cache(&self, most_bytes: u64) -> Result<u64, EngineError> {
        let _ = most_bytes;
        Ok(0)
    }

    /// Tells whenever something happens to a container, until the engine is heard no more, and returns why. Something
    /// may get lost: it is only a hint to look.
    async fn listen(&self, heard: &(dyn Fn(Happening) + Send + Sync)) -> EngineError {
        let _ = heard;
        std::future::pending().await
    }
}

/// Bytes both ways.
pub trait Pipe: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Pipe for T {}

fn no_fronts() -> EngineError {
    EngineError::Refused { attempted: "reach a front".into(), why: "this engine has none".into() }
}

/// A container was started, ended, removed, or the like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// `die`, `stop`, `destroy`, ..., in the engine's own words.
    pub what: String,
    pub container: String,
    pub labels: BTreeMap<String, String>,
}
