//! Building an image on the engine's own BuildKit, as `docker buildx build` does: over `/grpc` we ask for the build,
//! over `/session` the engine asks us for files and secrets.

use super::context::{Context, Dockerfile};
use super::file_sync::{Folder, Folders};
use super::host_gateway::host_gateway;
use super::limits::{BuildLimits, Limited, put_in_force};
use super::progress::BuildProgress;
use super::request::BuildRequest;
use super::session::{Session, random_id};
use super::solve_request::{CONTEXT, DOCKERFILE, additional, needs_gateway, solve_request};
use super::{BuildError, EngineAddress};
use crate::model::{AdditionalContext, BuildSpec, Mask, Tree, WorkDetail};
use bollard::grpc::export::moby::buildkit::v1::StatusRequest;
use bollard::grpc::export::moby::buildkit::v1::control_client::ControlClient;
use bollard::models::SystemInfoCgroupDriverEnum;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tonic::transport::{Channel, Endpoint};

/// Builds on one engine. Cheap to clone; any number of builds may run at once.
#[derive(Clone)]
pub struct Builder {
    docker: bollard::Docker,
    engine: EngineAddress,
}

/// What a build made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltImage {
    /// The image's id as this engine says it.
    pub id: String,
    pub tag: String,
    /// Whether no step of the Dockerfile had to be carried out.
    pub cached: bool,
    /// Which of its steps came from the cache, and how much of the context was sent.
    pub detail: WorkDetail,
    /// The images that it is based on: as the Dockerfile names them, and the digest (or id) that each had.
    pub bases: BTreeMap<String, String>,
}

/// The messages that BuildKit's own clients allow.
const MAX_MESSAGE_BYTES: usize = 16 << 20;
/// The last lines come after the result, if at all.
const LAST_LINES_TIMEOUT: Duration = Duration::from_secs(5);
/// The first API with a BuildKit that knows `shm-size`, `ulimit`, `cgroup-parent` and named contexts (Docker 23).
const API_OF_DOCKER_23: (u32, u32) = (1, 42);

/// A build that takes longer, or a quarter of the time that it has, gives way to everything else no more.
const GIVES_WAY: Duration = Duration::from_secs(600);
/// Another build that begins has all of them give way again.
const AGAIN: Duration = Duration::from_secs(60);

async fn give_way_only_so_long(limits: Option<&Limited>, deadline: Instant) -> std::convert::Infallible {
    let Some(limits) = limits else { return std::future::pending().await };
    tokio::time::sleep(GIVES_WAY.min(deadline.saturating_duration_since(Instant::now()) / 4)).await;
    loop {
        if let Err(error) = limits.want_their_share() {
            tracing::warn!(error = %error, "A build that takes long could not be given its share of the cores");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

impl Builder {
    /// `docker` and `engine` are the same engine.
    pub fn new(docker: bollard::Docker, engine: EngineAddress) -> Self {
        Self { docker, engine }
    }

    /// The id of an image by name, as the engine has it now; `None` where it does not (any more).
    pub async fn find(&self, tag: &str) -> Result<Option<String>, BuildError> {
        match self.docker.inspect_image(tag).await {
            Ok(image) => Ok(image.id),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(self.engine_error(format!("asking for the image {tag}: {error}"))),
        }
    }

    /// Puts the limits in force for builds that begin from now on. Fails with the reason why they cannot be.
    pub async fn limit(&self, limits: BuildLimits) -> Result<Limited, String> {
        if !matches!(self.engine, EngineAddress::Unix(_)) {
            return Err("the engine is on another machine".to_string());
        }
        let api = self.api().await.map_err(|error| error.to_string())?;
        let names_parent = api.is_none_or(|(_, version)| version >= API_OF_DOCKER_23);
        if !names_parent {
            let info = self.docker.info().await.map_err(|error| error.to_string())?;
            if info.cgroup_driver != Some(SystemInfoCgroupDriverEnum::CGROUPFS) {
                return Err("its builds have no control group of their own before Docker 23".to_string());
            }
        }
        let put = move || put_in_force(Path::new("/sys/fs/cgroup"), limits, names_parent);
        tokio::task::spawn_blocking(put).await.map_err(|error| error.to_string())?
    }

    /// Builds, and waits for the end. Cancellation and the deadline stop the build on the engine too.
    pub async fn build(&self, request: BuildRequest) -> Result<BuiltImage, BuildError> {
        let mask = request.mask.and(&Mask::new(request.spec.secrets.iter().map(|secret| &secret.value)));
        let output = Arc::clone(&request.output);
        let mut progress = BuildProgress::new(&mask, &*output);
        let (cancel, deadline) = (request.cancel.clone(), request.deadline);
        // Whatever is dropped here closes its connection, and the engine stops what was asked for over it.
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(BuildError::Cancelled),
            ended = self.run(&request, &mut progress, &mask) => ended,
            () = tokio::time::sleep_until(deadline) => Err(BuildError::Deadline { step: None }),
            never = give_way_only_so_long(request.limits.as_ref(), deadline) => match never {},
        };
        match ended {
            Ok(()) => {}
            Err(BuildError::Deadline { .. }) => return Err(BuildError::Deadline { step: progress.current_step() }),
            Err(BuildError::Failed { step, message, last_lines }) => {
                let limits = request.limits.as_ref().filter(|limits| limits.ran_out());
                return Err(match limits.and_then(|limits| Some((limits.memory_bytes?, limits.is_set))) {
                    Some((most_bytes, is_set)) => BuildError::TooMuchMemory { step, most_bytes, is_set },
                    None => BuildError::Failed { step, message, last_lines },
                });
            }
            Err(error) => return Err(error),
        }
        let id = self.find(&request.tag).await?.ok_or_else(|| {
            self.engine_error(format!("the build ended well, but the engine has no image {}", request.tag))
        })?;
        let (cached, detail) = (progress.all_cached(), progress.detail());
        let bases = self.digests(progress.bases()).await?;
        Ok(BuiltImage { id, tag: request.tag, cached, detail, bases })
    }

    async fn run(
        &self,
        request: &BuildRequest,
        progress: &mut BuildProgress<'_>,
        mask: &Mask,
    ) -> Result<(), BuildError> {
        let (tree, spec, text) = (Arc::clone(&request.tree), request.spec.clone(), request.dockerfile.clone());
        // Reading the commit blocks, though shortly.
        let offered = tokio::task::spawn_blocking(move || Offered::read(&tree, &spec, text)).await;
        let offered = offered.map_err(|error| self.engine_error(error.to_string()))??;
        self.refuse_what_it_would_ignore(&request.spec).await?;
        let build = random_id().map_err(|why| self.engine_error(why))?;
        let secrets = request.spec.secrets.iter().map(|secret| (secret.id.clone(), secret.value.clone())).collect();
        let no_buildkit = |why| BuildError::NoBuildKit { engine: self.engine.to_string(), why };
        let registries = Arc::clone(&request.registries);
        let folders = offered.folders.clone();
        // One copy of the context for each component is kept by the engine, not one for each build.
        let name = request.tag.rsplit_once(':').map_or(request.tag.as_str(), |(name, _)| name);
        let session = Session::open(&self.engine, name, folders, secrets, registries).await.map_err(no_buildkit)?;
        let mut control = self.control().await.map_err(no_buildkit)?;
        let gateway =
            match needs_gateway(&request.spec) {
                true => Some(host_gateway(&self.docker, &mut control).await.map_err(|why| {
                    BuildError::Unsupported { what: "build.extra_hosts: host-gateway".to_string(), why }
                })?),
                false => None,
            };
        let solve = solve_request(request, &offered.dockerfile, &build, &session.id, gateway)?;
        let (statuses, mut heard) = tokio::sync::mpsc::channel(64);
        let mut listening = control.clone();
        let status = StatusRequest { r#ref: build };
        let _listener = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
            let Ok(stream) = listening.status(status).await else { return };
            let mut stream = stream.into_inner();
            while let Some(Ok(status)) = stream.next().await {
                if statuses.send(status).await.is_err() {
                    break;
                }
            }
        }));
        let solving = control.solve(solve);
        tokio::pin!(solving);
        let solved = loop {
            tokio::select! {
                Some(status) = heard.recv() => progress.take(status),
                solved = &mut solving => break solved,
            }
        };
        let rest = async {
            while let Some(status) = heard.recv().await {
                progress.take(status);
            }
        };
        if tokio::time::timeout(LAST_LINES_TIMEOUT, rest).await.is_err() {
            tracing::debug!("the engine kept the build's output open after its end");
        }
        match solved {
            Ok(_) => Ok(()),
            Err(status) => Err(self.solve_error(&status, &offered, progress, mask)),
        }
    }

    async fn control(&self) -> Result<ControlClient<Channel>, String> {
        let engine = self.engine.clone();
        let connect = tower::util::service_fn(move |_: hyper::Uri| {
            let engine = engine.clone();
            async move { engine.upgrade("/grpc", &[]).await.map_err(std::io::Error::other) }
        });
        // The address is only a name here: the connection is made by `connect`.
        let endpoint = Endpoint::from_static("http://engine");
        let channel = endpoint.connect_with_connector(connect).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{error}{cause}")
        })?;
        let client = ControlClient::new(channel);
        Ok(client.max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES))
    }

    fn solve_error(
        &self,
        status: &tonic::Status,
        offered: &Offered,
        progress: &BuildProgress<'_>,
        mask: &Mask,
    ) -> BuildError {
        if let Some(problem) = offered.folders.problem.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return problem;
        }
        let message = mask.apply(status.message());
        if message.contains("moby.buildkit.frontend.contexts") {
            return BuildError::Unsupported {
                what: "build.additional_contexts".to_string(),
                why: "this engine's BuildKit is too old for it. Docker Engine 23 or newer is needed".to_string(),
            };
        }
        // Only errors of the connection have a cause; what the engine answers is text.
        if std::error::Error::source(status).is_some() || status.code() == tonic::Code::Unavailable {
            return self.engine_error(format!("the connection was lost: {message}"));
        }
        let (step, last_lines) = progress.failed_step().map(|(step, lines)| (Some(step), lines)).unwrap_or_default();
        let message = message.trim_start_matches("failed to solve: ").to_string();
        BuildError::Failed { step, message, last_lines }
    }

    /// Old BuildKits build on without a word where they do not know a setting.
    async fn refuse_what_it_would_ignore(&self, spec: &BuildSpec) -> Result<(), BuildError> {
        let what = match (spec.shm_size_bytes, spec.ulimits.is_empty()) {
            (Some(_), _) => "build.shm_size",
            (None, false) => "build.ulimits",
            (None, true) => return Ok(()),
        };
        let Some((api, version)) = self.api().await? else { return Ok(()) };
        if version < API_OF_DOCKER_23 {
            return Err(BuildError::Unsupported {
                what: what.to_string(),
                why: format!("this engine (API {api}) ignores it when it builds. Docker Engine 23 or newer is needed"),
            });
        }
        Ok(())
    }

    /// The newest API that the engine speaks, as it writes it and as numbers; `None` where that is no such version.
    async fn api(&self) -> Result<Option<(String, (u32, u32))>, BuildError> {
        let version = self.docker.version().await.map_err(|error| self.engine_error(error.to_string()))?;
        let api = version.api_version.unwrap_or_default();
        let numbers = api.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        Ok(numbers.map(|numbers| (api, numbers)))
    }

    /// Where BuildKit named no digest, the base is an image that the engine has.
    async fn digests(&self, bases: BTreeMap<String, Option<String>>) -> Result<BTreeMap<String, String>, BuildError> {
        let mut found = BTreeMap::new();
        for (name, digest) in bases {
            let digest = match digest {
                Some(digest) => Some(digest),
                None if name == "scratch" => None,
                None => self.find(&name).await?,
            };
            found.extend(digest.map(|digest| (name, digest)));
        }
        Ok(found)
    }

    fn engine_error(&self, why: String) -> BuildError {
        BuildError::Engine { engine: self.engine.to_string(), why }
    }
}

/// What the session has for the engine to ask for.
struct Offered {
    folders: Folders,
    /// The name of the Dockerfile in its folder.
    dockerfile: String,
}

impl Offered {
    /// `text` stands in for what is in the Dockerfile.
    fn read(tree: &Arc<dyn Tree>, spec: &BuildSpec, text: Option<String>) -> Result<Self, BuildError> {
        let mut file = Dockerfile::of(&**tree, spec)?;
        file.text = text.map_or(file.text, String::into_bytes);
        let dockerfile = file.name.clone();
        let mut folders = HashMap::new();
        folders.insert(DOCKERFILE.to_string(), Folder::Dockerfile { file, time: tree.time() });
        let mut offer = |name: String, context: Context| -> Result<(), BuildError> {
            let entries = context.listing(&**tree)?;
            folders.insert(name, Folder::Context { tree: Arc::clone(tree), entries });
            Ok(())
        };
        offer(CONTEXT.to_string(), Context::of(&**tree, spec)?)?;
        for (name, context) in &spec.additional_contexts {
            if let AdditionalContext::Folder(folder) = context {
                offer(additional(name), Context::additional(&**tree, folder)?)?;
            }
        }
        Ok(Self { folders: Folders { folders: Arc::new(folders), problem: Arc::default() }, dockerfile })
    }
}
