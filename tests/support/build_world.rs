//! A repository, an engine, and what is built there.

use crate::support::git_repository::GitRepository;
use crate::support::images::{BASE, Engine};
use futures_util::StreamExt;
use launchway::build::{BuildError, BuildLine, BuildLineKind, BuildRequest, Builder, BuiltImage};
use launchway::model::{BuildSpec, Mask, ProjectName, RepoPath, Tree};
use launchway::source::WorkingCopy;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A repository, the engine, and the images that were made; they are removed at the end.
pub struct BuildWorld {
    pub repository: GitRepository,
    pub engine: Engine,
    pub tag: String,
    pub lines: Arc<Mutex<Vec<BuildLine>>>,
    pub cancel: CancellationToken,
    pub timeout: Duration,
    /// Names first, then the ids that lost their name to a later build.
    built: Mutex<Vec<String>>,
}

impl BuildWorld {
    pub async fn with(dockerfile: &str) -> Self {
        let mut random = [0_u8; 6];
        getrandom::fill(&mut random).unwrap();
        let repository = GitRepository::new();
        repository.write("Dockerfile", dockerfile.replace("BASE", BASE));
        Self {
            repository,
            engine: Engine::here().await,
            tag: format!("launchway-test/build-{}:1", hex::encode(random)),
            lines: Arc::default(),
            cancel: CancellationToken::new(),
            timeout: Duration::from_secs(120),
            built: Mutex::default(),
        }
    }

    pub fn request(&self, spec: BuildSpec) -> BuildRequest {
        let lines = Arc::clone(&self.lines);
        let tree: Arc<dyn Tree> = Arc::new(WorkingCopy::open(&self.repository.work()).unwrap());
        BuildRequest {
            tree,
            spec,
            dockerfile: None,
            tag: self.tag.clone(),
            project: ProjectName::new("shop").unwrap(),
            sources: None,
            labels: BTreeMap::new(),
            images: BTreeMap::new(),
            registries: Arc::new(BTreeMap::new()),
            mask: Mask::default(),
            declared: Mask::default(),
            pull: false,
            pulled: false,
            instead: BTreeMap::new(),
            no_cache: false,
            limits: None,
            cancel: self.cancel.clone(),
            deadline: tokio::time::Instant::now() + self.timeout,
            output: Arc::new(move |line| lines.lock().unwrap().push(line)),
        }
    }

    pub async fn run(&self, request: BuildRequest) -> Result<BuiltImage, BuildError> {
        self.lines.lock().unwrap().clear();
        let names: Vec<String> = request.spec.tags.iter().chain([&request.tag]).cloned().collect();
        let built = Builder::new(self.engine.docker.clone(), self.engine.address.clone()).build(request).await;
        let mut all = self.built.lock().unwrap();
        all.splice(0..0, names);
        all.extend(built.as_ref().ok().map(|built| built.id.clone()));
        drop(all);
        built
    }

    pub async fn build(&self, spec: BuildSpec) -> Result<BuiltImage, BuildError> {
        self.run(self.request(spec)).await
    }

    /// What the last build's steps wrote.
    pub fn output(&self) -> String {
        let lines = self.lines.lock().unwrap();
        let output = lines.iter().filter(|line| line.kind == BuildLineKind::Output);
        output.map(|line| format!("{}\n", line.text)).collect()
    }

    /// All that the last build said, a line each.
    pub fn told(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        lines.iter().map(|line| format!("{} {:?} {}", line.step, line.kind, line.text)).collect()
    }

    pub fn kinds_of(&self, step: &str) -> Vec<BuildLineKind> {
        self.lines.lock().unwrap().iter().filter(|line| line.step.contains(step)).map(|line| line.kind).collect()
    }

    /// Path -> (mode, type, link or content) of all files of the built image's own layers.
    pub async fn files(&self) -> BTreeMap<String, (u32, char, String)> {
        let config = bollard::models::ContainerCreateBody {
            image: Some(self.tag.clone()),
            cmd: Some(vec!["never".to_string()]),
            ..Default::default()
        };
        let options: Option<bollard::query_parameters::CreateContainerOptions> = None;
        let container = self.engine.docker.create_container(options, config).await.unwrap().id;
        let mut bytes = Vec::new();
        let mut export = self.engine.docker.export_container(&container);
        while let Some(chunk) = export.next().await {
            bytes.extend_from_slice(&chunk.unwrap());
        }
        drop(export);
        let options: Option<bollard::query_parameters::RemoveContainerOptions> = None;
        self.engine.docker.remove_container(&container, options).await.unwrap();
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let kind = match entry.header().entry_type() {
                tar::EntryType::Directory => 'd',
                tar::EntryType::Symlink => 'l',
                _ => 'f',
            };
            let mut text = entry.link_name().unwrap().map(|link| link.display().to_string()).unwrap_or_default();
            if kind == 'f' {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                text = String::from_utf8_lossy(&content).into_owned();
            }
            files.insert(path, (entry.header().mode().unwrap() & 0o7777, kind, text));
        }
        files
    }
}

impl Drop for BuildWorld {
    fn drop(&mut self) {
        let built = std::mem::take(&mut *self.built.lock().unwrap());
        // Also after a panic: on a thread of its own, because the test's runtime may be going down.
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let engine = Engine::here().await;
                for image in built {
                    engine.remove(&image).await;
                }
            });
        });
        let _ = removing.join();
    }
}

pub fn spec() -> BuildSpec {
    BuildSpec { dockerfile: path("Dockerfile"), ..BuildSpec::default() }
}

pub fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}
