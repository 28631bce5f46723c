//! A server on a real store with pages and control socket, whose background work never starts: the story itself says
//! how far each deployment is. Its engine is a stub.

use super::engine_stub::EngineStub;
use launchway::build::{Builder, EngineAddress};
use launchway::forge::StatusClients;
use launchway::model::{
    CommitId, DeploymentId, ProjectName, RefName, ReleaseId, Stack, StackValues, Stage, StrategySettings, Transition,
};
use launchway::run::{Deployer, Parts};
use launchway::store::{
    Announced, Arrival, DeliveryOutcome, Deployment, NewDelivery, NewDeployment, NewRelease, Sentences, Store, Trigger,
};
use launchway::{config, web};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener};

/// A time that the stories begin at: 24 November 2026, 08:00:00 UTC.
pub const EIGHT: i64 = 1_795_507_200_000;
pub const SECRET: &str = "hook-secret-4711";

pub struct QuietServer {
    pub folder: tempfile::TempDir,
    pub deployer: Arc<Deployer>,
    pub engine: Arc<EngineStub>,
    /// `http://127.0.0.1:PORT`
    pub address: String,
    servers: Vec<tokio::task::JoinHandle<std::io::Result<()>>>,
}

impl QuietServer {
    /// The project `shop`, whose branch `main` goes to `production`.
    pub async fn new() -> Self {
        Self::with("/nowhere/shop.git", "", EngineStub::default()).await
    }

    /// `project`: further lines of the project's table.
    pub async fn with(repository: &str, project: &str, engine: EngineStub) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            r#"
public-url = "https://deploy.example.com"
data = "data"
[projects.shop]
forge = "plain"
repository = "{repository}"
secret = "{SECRET}"
{project}
[projects.shop.environments.production]
branch = "main"
"#
        );
        let settings = folder.path().join("launchway.toml");
        std::fs::write(&settings, text).unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let config = Arc::new(config::load(&settings).unwrap());
        let store = Store::open(&config.data).await.unwrap();
        let engine = Arc::new(engine);
        // Nothing is built here: nobody listens there.
        let docker = bollard::Docker::connect_with_http("http://127.0.0.1:9", 1, bollard::API_DEFAULT_VERSION).unwrap();
        let builder = Builder::new(docker, EngineAddress::parse("tcp://127.0.0.1:9").unwrap());
        let parts = Parts {
            config: config.clone(),
            store,
            engine: engine.clone(),
            builder,
            status_clients: StatusClients::new().unwrap(),
            program: env!("CARGO_BIN_EXE_launchway").into(),
        };
        let deployer = Deployer::new(parts).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let socket = UnixListener::bind(config.data.join("launchway.sock")).unwrap();
        let (public, control) = (web::routes(deployer.clone()), web::control(deployer.clone()));
        let servers = vec![
            tokio::spawn(axum::serve(listener, public).into_future()),
            tokio::spawn(axum::serve(socket, control).into_future()),
        ];
        Self { folder, deployer, engine, address, servers }
    }

    pub fn settings(&self) -> PathBuf {
        self.folder.path().join("launchway.toml")
    }

    /// Runs the command beside this server. Its clock is the machine's own.
    pub async fn launchway(&self, arguments: &[&str]) -> Output {
        launchway(&self.settings(), arguments).await
    }

    pub async fn push(&self, commit: char, subject: &str) -> Deployment {
        let new = new_deployment(commit, subject);
        let (added, _) = self.store().add_deployment(new, Sentences::default(), EIGHT).await.unwrap();
        added
    }

    /// Moves a deployment on, `seconds` after eight.
    pub async fn advance(&self, id: DeploymentId, transition: Transition, says: &str, seconds: i64) {
        let at = EIGHT + seconds * 1000;
        let stage = match transition {
            Transition::Prepare => Some(Stage::Prepare),
            Transition::Build => Some(Stage::Build),
            Transition::Deploy => Some(Stage::Deploy),
            Transition::Monitor => Some(Stage::Monitor),
            _ => None,
        };
        if let Some(stage) = stage {
            self.store().end_stages(id, "done", at).await.unwrap();
            self.store().begin_stage(id, stage, 0, at).await.unwrap();
        }
        self.store()
            .advance(id, transition, Announced { sentence: says.into(), status: None }, at)
            .await
            .unwrap()
            .unwrap();
    }

    pub async fn delivery(&self, id: &str, outcome: DeliveryOutcome, reason: &str) -> i64 {
        let new = NewDelivery {
            project: ProjectName::new("shop").unwrap(),
            id: id.parse().unwrap(),
            forge: launchway::model::ForgeKind::GitHub,
            event_name: "push".into(),
            kind: "push".into(),
            event: None,
            found: false,
            outcome,
            reason: reason.into(),
            page_key: "d".repeat(32),
        };
        match self.store().add_delivery(new, EIGHT).await.unwrap() {
            Arrival::New(number) => number,
            Arrival::Again(before) => before.number,
        }
    }

    /// A release of nothing.
    pub async fn release(&self, commit: char) -> ReleaseId {
        let stack = Stack {
            compose_project: "shop-production".into(),
            compose_name: None,
            components: BTreeMap::new(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            settings: StrategySettings::default(),
            values: StackValues::default(),
        };
        let NewDeployment { project, environment, commit, .. } = new_deployment(commit, "");
        let new = NewRelease { project, environment, commit, stack, parts: BTreeMap::new() };
        self.store().add_release(new, EIGHT).await.unwrap().id
    }

    pub fn store(&self) -> &Store {
        &self.deployer.store
    }
}

impl Drop for QuietServer {
    fn drop(&mut self) {
        self.servers.iter().for_each(|server| server.abort());
    }
}

pub fn new_deployment(commit: char, subject: &str) -> NewDeployment {
    NewDeployment {
        project: ProjectName::new("shop").unwrap(),
        environment: "production".parse().unwrap(),
        commit: CommitId::new(commit.to_string().repeat(40)).unwrap(),
        subject: subject.into(),
        reference: Some(RefName::new("refs/heads/main").unwrap()),
        trigger: Trigger::Push,
        asked_by: "ada".into(),
        delivery: None,
        release: None,
        page_key: commit.to_string().repeat(32),
        rebuild: false,
        pull: false,
        now_reason: None,
        fresh_volumes: Vec::new(),
    }
}

/// The real command.
pub async fn launchway(settings: &Path, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_launchway"));
    command.arg("--config").arg(settings).args(arguments).kill_on_drop(true);
    let output = tokio::time::timeout(std::time::Duration::from_secs(60), command.output()).await;
    output.expect("the command ends within a minute").unwrap()
}
