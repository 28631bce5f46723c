//! The server: the receiver's real routes, with the real intake over a real store, or with one that answers at once.

use super::payload::{self, SECRET};
use async_trait::async_trait;
use launchway::build::{Builder, EngineAddress};
use launchway::config::{self, Config};
use launchway::engine::DockerEngine;
use launchway::forge::Proof;
use launchway::forge::StatusClients;
use launchway::receive::{self, Answer, Expected, Intake, Outcome, Verified};
use launchway::run::{Deliveries, Deployer, Parts};
use launchway::store::Store;
use sqlx::{ConnectOptions, Connection};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// No engine is asked anything here: deliveries are accepted, and nothing is deployed.
const NO_ENGINE: &str = "tcp://127.0.0.1:9";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stores {
    /// Verified and read, answered at once.
    Nothing,
    /// The product: answered after the commit.
    Durably,
}

impl Stores {
    fn word(self) -> &'static str {
        match self {
            Stores::Nothing => "nothing",
            Stores::Durably => "durably",
        }
    }
}

/// A server in a process of its own.
pub struct Server {
    process: Child,
    pub address: String,
    data: PathBuf,
}

impl Server {
    pub fn start(stores: Stores, data: &Path) -> Self {
        let log = std::fs::File::create(data.join("serve.log")).expect("a log");
        let mut process = Command::new(std::env::current_exe().expect("this binary"))
            .args(["serve", stores.word()])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let mut address = String::new();
        let stdout = process.stdout.take().expect("the server's output");
        BufReader::new(stdout).read_line(&mut address).expect("the server's address");
        assert!(!address.is_empty(), "{}", std::fs::read_to_string(data.join("serve.log")).unwrap_or_default());
        Self { process, address: address.trim().to_string(), data: data.to_path_buf() }
    }

    pub fn cpu_seconds(&self) -> f64 {
        super::cpu_seconds(self.process.id())
    }

    /// `kill -9`, then how many deliveries are in its store, if it has one.
    pub fn kill(mut self) -> Option<i64> {
        self.process.kill().expect("the server can be killed");
        self.process.wait().expect("the server ends");
        let path = self.data.join("launchway.db");
        if !path.exists() {
            return None;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Some(runtime.block_on(async {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
            let mut connection = options.connect().await.expect("the store opens");
            let sql = "SELECT count(*) FROM deliveries";
            let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("the deliveries");
            connection.close().await.expect("the store closes");
            count
        }))
    }
}

/// `serve nothing|durably DATA`: prints its address, and serves until it is killed.
pub fn serve(arguments: &[String]) {
    let [stores, data] = arguments else { panic!("serve nothing|durably DATA") };
    // As `launchway serve` does it: its log is part of the work.
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new("info"))
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config = Arc::new(settings(Path::new(data)));
        let intake: Arc<dyn Intake> = match stores.as_str() {
            "nothing" => Arc::new(AtOnce { config }),
            _ => Arc::new(Deliveries::new(deployer(config).await)),
        };
        let router = receive::routes(intake, receive::Limits::default()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        axum::serve(listener, router).await.unwrap();
    });
}

fn settings(data: &Path) -> Config {
    let payload = payload::median();
    let text = format!(
        "listen = \"127.0.0.1:0\"\npublic-url = \"https://launchway.example.com\"\ndata = \"{}\"\n\
         [projects.bench]\nforge = \"github\"\nrepository = \"https://github.com/{name}.git\"\nname = \"{name}\"\n\
         secret = \"{SECRET}\"\n[projects.bench.environments.production]\nbranch = \"{}\"\n",
        data.display(),
        payload.branch,
        name = payload.full_name,
    );
    let path = data.join("launchway.toml");
    std::fs::write(&path, text).unwrap();
    config::load(&path).unwrap_or_else(|error| panic!("{error}"))
}

async fn deployer(config: Arc<Config>) -> Arc<Deployer> {
    let store = Store::open(&config.data).await.unwrap();
    let engine = DockerEngine::connect(Some(NO_ENGINE)).unwrap();
    let builder = Builder::new(engine.docker(), EngineAddress::parse(NO_ENGINE).unwrap());
    let status_clients = StatusClients::new().unwrap();
    // Not started: what is measured ends with the answer. Judging what was accepted comes after it.
    Deployer::new(Parts {
        config,
        store,
        engine: Arc::new(engine),
        builder,
        status_clients,
        program: "/proc/self/exe".into(),
    })
    .unwrap()
}

/// Knows the project as the real intake does, and answers without storing.
struct AtOnce {
    config: Arc<Config>,
}

#[async_trait]
impl Intake for AtOnce {
    fn expected(&self, project: &str) -> Option<Expected> {
        let project = self.config.projects.get(project)?;
        let proof = Proof { secret: project.secret.clone(), signing_token: project.signing_token.clone() };
        Some(Expected { project: project.name.clone(), forge: project.forge, proof })
    }

    async fn accept(&self, delivery: Verified) -> anyhow::Result<Answer> {
        delivery.event?;
        Ok(Answer {
            outcome: Outcome::Accepted,
            message: "master 6113728 of bench will be deployed to production".into(),
            url: Some(format!("{}/deliveries/0123456789abcdef0123456789abcdef", self.config.public_url)),
            deployments: Vec::new(),
        })
    }
}
