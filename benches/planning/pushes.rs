//! Pushes planned one after the other, each against what the one before it left running.

use super::repository::Sources;
use async_trait::async_trait;
use launchway::build::ContentKeys;
use launchway::engine::{Engine, EngineError, EngineInfo, Image, Outcome, Scope, Supplies};
use launchway::model::*;
use launchway::plan::changes::{Candidate, ChangeKind, changes};
use launchway::plan::converge::converge;
use launchway::plan::fingerprint::accepted;
use launchway::plan::fronts::{give_fronts, undecided};
use launchway::plan::{Action, ContainerSpec, Phase, Plan};
use launchway::plan::{Goal, Wanted};
use launchway::run::{Anew, ImageNames, Logs, ReadOrder, Reader, Readers, Resolve, Settling, settle};
use launchway::source::{GitTree, Mirrors};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const PLATFORM: &str = "linux/amd64";

pub struct Planner<'a> {
    sources: &'a Sources,
    mirrors: Mirrors,
    content_keys: ContentKeys,
    /// As a server has it: commits are read by a process of their own.
    readers: Readers,
    engine: Arc<dyn Engine>,
    environment: EnvironmentName,
    live: Option<Release>,
    observed: Observed,
    /// What the last plan was about.
    planned: Option<(Release, Plan)>,
}

/// How long the parts of planning took.
pub struct Timed {
    /// Finding the commit, reading the Compose file, content keys and fingerprints, changes, steps.
    pub parts: [Duration; 5],
    /// Components that are new or changed.
    pub changed: usize,
}

impl<'a> Planner<'a> {
    pub fn new(sources: &'a Sources) -> Self {
        Self {
            sources,
            mirrors: sources.mirrors.clone(),
            content_keys: ContentKeys::default(),
            readers: readers(sources),
            engine: Arc::new(SilentEngine),
            environment: EnvironmentName::new("production").unwrap(),
            live: None,
            observed: Observed::default(),
            planned: None,
        }
    }

    /// The same with nothing remembered.
    pub fn after_a_restart(&self) -> Self {
        Self {
            mirrors: Mirrors::new(self.sources.mirrors_folder.clone(), env!("CARGO_BIN_EXE_launchway").into()),
            content_keys: ContentKeys::default(),
            readers: readers(self.sources),
            engine: self.engine.clone(),
            environment: self.environment.clone(),
            live: self.live.clone(),
            observed: self.observed.clone(),
            planned: None,
            sources: self.sources,
        }
    }

    /// As stage prepare does it, without asking the engine and without writing to the store.
    pub async fn plan(&mut self, commit: &CommitId) -> Timed {
        let Sources { project, branch, .. } = self.sources;
        let mut clock = Clock::start();
        // As the delivery is judged: the commit is looked up in the fetched ref. The mirror's tip is the last push.
        let tip = self.mirrors.newest_not_skipped(project, branch, |_| false, None).unwrap();
        assert!(tip.is_some() && self.mirrors.contains(project, branch, commit).unwrap());
        let tree: Arc<dyn Tree> = Arc::new(self.mirrors.tree(project, commit).unwrap());
        let old_tree: Option<GitTree> =
            self.live.as_ref().map(|live| self.mirrors.tree(project, &live.commit).unwrap());
        let found = clock.lap();
        let mut stack = self.read(&tree).await;
        let read = clock.lap();
        let parts = self.settle(&stack, &tree).await;
        let facts = self.reader(&CancellationToken::new()).facts(&tree, &stack).await.unwrap();
        assert_eq!(give_fronts(&mut stack, &facts), vec![]);
        undecided(&stack, &facts, true);
        let settled = clock.lap();
        let release = Release {
            id: ReleaseId(self.live.as_ref().map_or(1, |live| live.id.0 + 1)),
            project: project.clone(),
            environment: self.environment.clone(),
            commit: commit.clone(),
            stack,
            parts,
        };
        let live = self.live.as_ref().map(|live| (live, old_tree.as_ref().map(|tree| tree as &dyn Tree)));
        let candidate = Candidate { stack: &release.stack, parts: &release.parts, tree: Some(tree.as_ref()) };
        let changes = changes(live, &candidate);
        let changed = changes.iter().filter(|c| matches!(c.kind, ChangeKind::New | ChangeKind::Changed)).count();
        let compared = clock.lap();
        let wanted = Wanted {
            release: Some(&release),
            accepted: accepted(self.live.as_ref(), &release),
            deployment: Some(DeploymentId(release.id.0)),
            goal: Goal::Deploy,
            release_commands: Default::default(),
            passed: Default::default(),
            found: Vec::new(),
            unnamed: Default::default(),
        };
        let plan = converge(&wanted, &self.observed).unwrap_or_else(|problems| panic!("{problems:?}"));
        let text = plan.to_string();
        let drawn_up = clock.lap();
        assert!(!text.is_empty());
        self.planned = Some((release, plan));
        Timed { parts: [found, read, settled, compared, drawn_up], changed }
    }

    fn reader<'r>(&'r self, never: &'r CancellationToken) -> Reader<'r> {
        Reader {
            readers: Some(&self.readers),
            project: &self.sources.project,
            cancel: never,
            most: Duration::from_secs(600),
            longest: Duration::from_secs(3600),
        }
    }

    async fn read(&self, tree: &Arc<dyn Tree>) -> Stack {
        let order = ReadOrder {
            root: RepoPath::root(),
            files: Vec::new(),
            project: self.sources.project.clone(),
            compose_project: "large-production".into(),
            environment: self.environment.clone(),
            profiles: Vec::new(),
            variables: BTreeMap::from([("LOG_LEVEL".to_string(), "warn".to_string())]),
            secret_values: Vec::new(),
            line_ends: BTreeMap::new(),
            names: MaskNames::default(),
            outside_files: BTreeMap::new(),
            allowed: Permissions::default(),
            longest: Duration::from_secs(3600),
        };
        let read = self.reader(&CancellationToken::new()).stack(tree, order).await;
        read.unwrap().unwrap_or_else(|problems| panic!("{problems:?}")).stack
    }

    async fn settle(&self, stack: &Stack, tree: &Arc<dyn Tree>) -> BTreeMap<ComponentName, ReleasePart> {
        let logs = Logs::new(&self.sources.mirrors_folder).unwrap();
        let log = logs.open(DeploymentId(1), Mask::new(&[])).unwrap();
        let never = CancellationToken::new();
        let settling = Settling {
            project: &self.sources.project,
            stack,
            tree,
            live: self.live.as_ref(),
            platform: PLATFORM,
            content_keys: &self.content_keys,
            reader: self.reader(&never),
            resolve: Resolve::Pull {
                engine: &self.engine,
                names: &ImageNames::default(),
                works: None,
                log: &log,
                cancel: &CancellationToken::new(),
            },
            known: None,
            allowed_images: &[],
            accounts: &RegistryAccounts::default(),
            anew: Anew { build: false, pull: false, by: DeploymentId(1), store: None, now_ms: 0 },
        };
        settle(&settling).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// What was planned last runs, healthy, and is what the next push is compared with.
    pub fn goes_live(&mut self) {
        let (release, plan) = self.planned.take().expect("something planned");
        for step in plan.steps.iter().filter(|step| step.phase != Phase::Clean) {
            match &step.action {
                Action::CreateNetwork(spec) => {
                    self.observed.networks.insert(spec.network.name.clone(), ObservedNetwork::default());
                }
                Action::CreateVolume(spec) => {
                    self.observed.volumes.insert(spec.volume.name.clone(), ObservedVolume::default());
                }
                Action::CreateContainer(spec) => {
                    let component = step.component.clone().expect("a container belongs to a component");
                    self.observed.containers.retain(|old| old.component != component);
                    let name = format!("{}-{component}-1", release.stack.compose_project);
                    self.observed.containers.push(container(&release, component, name, &spec.image));
                }
                _ => {}
            }
        }
        self.live = Some(release);
    }
}

fn readers(sources: &Sources) -> Readers {
    Readers::new(env!("CARGO_BIN_EXE_launchway").into(), &sources.mirrors_folder)
}

fn container(release: &Release, component: ComponentName, name: String, image: &str) -> ObservedContainer {
    ObservedContainer {
        id: format!("{:0>64}", format!("{:x}{}", release.id.0, hex::encode(component.as_str()))),
        name,
        replica: 1,
        fingerprint: release.parts.get(&component).map(|part| part.fingerprint.clone()),
        project: Some(release.project.clone()),
        environment: Some(release.environment.clone()),
        release: Some(release.id),
        deployment: Some(DeploymentId(release.id.0)),
        state: ContainerState::Running,
        health: Health::Healthy,
        image_id: image.to_string(),
        created_at: format!("2026-11-24T00:00:00.{:09}Z", release.id.0),
        restart_count: 0,
        oom_killed: false,
        started_ms: None,
        fronted: false,
        ended_ms: None,
        volumes: BTreeMap::new(),
        anonymous_volumes: BTreeMap::new(),
        mounts: Vec::new(),
        image: image.to_string(),
        networks: release.stack.networks.values().map(|network| (network.name.clone(), String::new())).collect(),
        published: Vec::new(),
        edge_address: None,
        component,
    }
}

struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.0, now)
    }
}

/// Planning asks it for nothing but images that are pulled, and here none is.
struct SilentEngine;

fn not_asked() -> EngineError {
    EngineError::Refused { attempted: "plan".into(), why: "planning asks the engine for nothing here".into() }
}

#[async_trait]
impl Engine for SilentEngine {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        Err(not_asked())
    }
    async fn unsealed(&self) -> Result<Vec<Recorded>, EngineError> {
        Ok(Vec::new())
    }

    fn record(&self, _: Vec<Recorded>) {}

    async fn observe(&self, _: &Scope) -> Result<Observed, EngineError> {
        Err(not_asked())
    }
    async fn act(&self, _: &Action, _: &dyn Supplies, _: &CancellationToken) -> Result<Outcome, EngineError> {
        Err(not_asked())
    }
    async fn listeners(&self, _: &str) -> Result<Option<Vec<std::net::SocketAddr>>, EngineError> {
        Ok(None)
    }

    async fn differences(&self, _: &str, _: &ContainerSpec) -> Result<Vec<String>, EngineError> {
        Err(not_asked())
    }
    async fn has_written(&self, _: &str, _: &str) -> Result<bool, EngineError> {
        Err(not_asked())
    }
    async fn has_path(&self, _: &str, _: &str) -> Result<bool, EngineError> {
        Err(not_asked())
    }
    async fn image(&self, _: &str) -> Result<Option<Image>, EngineError> {
        Err(not_asked())
    }
    async fn pull(
        &self,
        _: &str,
        _: &ProjectName,
        _: &(dyn for<'p> Fn(&'p str) + Send + Sync),
        _: &CancellationToken,
    ) -> Result<Image, EngineError> {
        Err(not_asked())
    }
    async fn last_lines(&self, _: &str, _: usize) -> Result<Vec<String>, EngineError> {
        Err(not_asked())
    }
}
