//! A real engine, and a place on it that is empty again when the test ends, whichever way it ends.

use super::base_image::base;
use async_trait::async_trait;
use bollard::Docker;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptionsBuilder,
};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use launchway::engine::{DockerEngine, Engine, EngineError, Outcome, Scope, Supplies};
use launchway::model::{EnvironmentName, Logging, Network, ProjectName, Volume, label};
use launchway::plan::{
    Action, ContainerSpec, ContentVolume, EngineNetworkMode, NetworkSpec, Readiness, ReadyGoal, Target, VolumeContent,
    VolumeSpec,
};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub struct Place {
    pub engine: DockerEngine,
    pub docker: Docker,
    pub image: String,
    /// Unique; the environment's name and the beginning of every other name.
    pub name: String,
}

impl Place {
    pub async fn new() -> Self {
        let engine = DockerEngine::connect(None).unwrap();
        engine.info().await.unwrap();
        let docker = engine.docker();
        let image = base(&docker).await;
        let mut random = [0; 6];
        getrandom::fill(&mut random).unwrap();
        Self { engine, docker, image, name: format!("t-{}", hex::encode(random)) }
    }

    pub fn scope(&self) -> Scope {
        Scope {
            project: ProjectName::new("engine-test").unwrap(),
            environment: EnvironmentName::new(self.name.clone()).unwrap(),
            compose_project: format!("{}-compose", self.name),
        }
    }

    pub fn named(&self, what: &str) -> String {
        format!("{}-{what}", self.name)
    }

    pub fn labels(&self) -> BTreeMap<String, String> {
        let pairs = [
            (label::PROJECT, "engine-test"),
            (label::ENVIRONMENT, self.name.as_str()),
            (label::FINGERPRINT, "v1:abc"),
            (label::DEPLOYMENT, "7"),
        ];
        pairs.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    /// A container of the component `what` that runs a shell line, on no network.
    pub fn container(&self, what: &str, line: &str) -> ContainerSpec {
        let mut labels = self.labels();
        labels.insert(label::COMPONENT.into(), what.into());
        let settings = launchway::model::ContainerSettings {
            command: Some(vec!["sh".into(), "-c".into(), line.into()]),
            ..Default::default()
        };
        ContainerSpec {
            name: self.named(what),
            image: self.image.clone(),
            settings,
            mounts: Vec::new(),
            network: EngineNetworkMode::None,
            processes_of: None,
            labels,
            logging: Logging::default(),
        }
    }

    pub fn network(&self, what: &str) -> NetworkSpec {
        let network = Network {
            name: self.named(what),
            external: false,
            driver: None,
            driver_opts: BTreeMap::new(),
            internal: false,
            attachable: false,
            enable_ipv6: None,
            ipam_driver: None,
            ipam: Vec::new(),
            labels: BTreeMap::new(),
            place: None,
        };
        NetworkSpec { network, labels: self.labels() }
    }

    pub fn volume(&self, what: &str) -> VolumeSpec {
        let volume = Volume {
            name: self.named(what),
            external: false,
            driver: None,
            driver_opts: BTreeMap::new(),
            labels: BTreeMap::new(),
            place: None,
        };
        VolumeSpec { volume, labels: self.labels() }
    }

    pub fn content(&self, what: &str, content: VolumeContent) -> ContentVolume {
        let mut labels = self.labels();
        labels.insert(label::CONTENT.into(), what.into());
        ContentVolume { name: self.named(what), content, labels }
    }

    pub async fn act(&self, action: Action) -> Result<Outcome, EngineError> {
        self.engine.act(&action, &Files::none(), &CancellationToken::new()).await
    }

    pub async fn create(&self, spec: ContainerSpec) -> Target {
        let name = spec.name.clone();
        let outcome = self.act(Action::CreateContainer(Box::new(spec))).await.unwrap();
        Target::Existing { id: outcome.container_id.unwrap(), name }
    }

    pub async fn start(&self, spec: ContainerSpec) -> Target {
        let target = self.create(spec).await;
        self.act(Action::StartContainer(target.clone())).await.unwrap();
        target
    }

    pub async fn wait(&self, target: &Target, readiness: Readiness) -> Result<Outcome, EngineError> {
        self.act(Action::WaitReady { target: target.clone(), readiness }).await
    }

    pub async fn inspect(&self, target: &Target) -> ContainerInspectResponse {
        self.docker.inspect_container(target.existing().unwrap(), None).await.unwrap()
    }

    /// Runs a container to its end and gives what it wrote.
    pub async fn output(&self, spec: ContainerSpec) -> Vec<String> {
        let target = self.start(spec).await;
        self.wait(&target, readiness(ReadyGoal::Completed, &[])).await.unwrap();
        self.engine.last_lines(target.existing().unwrap(), 100).await.unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (docker, name) = (self.docker.clone(), self.name.clone());
        // A runtime of its own: the test's may be gone, or in the middle of a panic.
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(clean(&docker, &name));
        });
        let cleaned = cleaner.join();
        if !std::thread::panicking() {
            cleaned.expect("what the test made is removed");
        }
    }
}

async fn clean(docker: &Docker, name: &str) {
    let begins = |text: &str| text.trim_start_matches('/').starts_with(name);
    let named = HashMap::from([("name".to_string(), vec![name.to_string()])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&named).build();
    for container in docker.list_containers(Some(options)).await.unwrap() {
        if container.names.unwrap_or_default().iter().any(|name| begins(name)) {
            let options = RemoveContainerOptionsBuilder::new().v(true).force(true).build();
            let _ = docker.remove_container(&container.id.unwrap(), Some(options)).await;
        }
    }
    let options = ListNetworksOptionsBuilder::new().filters(&named).build();
    for network in docker.list_networks(Some(options)).await.unwrap() {
        docker.remove_network(&network.id.unwrap()).await.unwrap();
    }
    let options = ListVolumesOptionsBuilder::new().filters(&named).build();
    for volume in docker.list_volumes(Some(options)).await.unwrap().volumes.unwrap_or_default() {
        let options = RemoveVolumeOptionsBuilder::new().force(true).build();
        docker.remove_volume(&volume.name, Some(options)).await.unwrap();
    }
}

pub fn readiness(goal: ReadyGoal, ports: &[u16]) -> Readiness {
    let (stay_up, deadline) = (Duration::from_secs(1), Duration::from_secs(20));
    Readiness { goal, stay_up, deadline, ports: ports.to_vec(), follow: false, reach: None }
}

/// Files of a commit that never was.
pub struct Files {
    files: BTreeMap<String, String>,
    stalls_after: Option<usize>,
}

impl Files {
    pub fn none() -> Self {
        Self::with(&[])
    }

    pub fn with(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
        Self { files, stalls_after: None }
    }

    /// The archive stops after so many bytes and never ends.
    pub fn stalling_after(self, bytes: usize) -> Self {
        Self { stalls_after: Some(bytes), ..self }
    }
}

#[async_trait]
impl Supplies for Files {
    async fn archive(&self, _: &VolumeContent) -> anyhow::Result<BoxStream<'static, Result<Bytes, std::io::Error>>> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, text) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o444);
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, path, text.as_bytes())?;
        }
        let mut bytes = tar.into_inner()?;
        let Some(length) = self.stalls_after else {
            return Ok(futures_util::stream::iter([Ok(Bytes::from(bytes))]).boxed());
        };
        bytes.truncate(length);
        let first = futures_util::stream::iter([Ok(Bytes::from(bytes))]);
        Ok(first.chain(futures_util::stream::pending()).boxed())
    }

    fn progress(&self, _: &str) {}

    fn mask(&self) -> launchway::model::Mask {
        launchway::model::Mask::default()
    }
}
