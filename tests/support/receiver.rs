//! The real receiver on a real port, with an intake that keeps in memory what it was given.

use async_trait::async_trait;
use launchway::connections::{Gate, Pace, Patience, Public, Room, Trusted, serve};
use launchway::forge::Proof;
use launchway::model::{DeploymentId, EnvironmentName, EventKind, ForgeKind, ProjectName, Secret};
use launchway::receive::{Answer, Expected, Intake, Limits, Outcome, Started, Verified, routes};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const SECRET: &str = "It's a Secret to Everybody";

/// What the intake does with the next deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Stores,
    /// As a full disk would.
    Fails,
    /// As a disk that hangs would.
    Hangs,
    Panics,
}

pub struct MemoryIntake {
    pub received: Mutex<Vec<Verified>>,
    pub mood: Mutex<Mood>,
}

#[async_trait]
impl Intake for MemoryIntake {
    fn expected(&self, project: &str) -> Option<Expected> {
        let (forge, signing) = match project {
            "signing" => (ForgeKind::GitLab, Some(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))),
            word => (word.parse().ok()?, None),
        };
        let proof = Proof { secret: Some(Secret::new(SECRET)), signing_token: signing };
        Some(Expected { project: ProjectName::new(project).unwrap(), forge, proof })
    }

    async fn accept(&self, delivery: Verified) -> anyhow::Result<Answer> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Stores => {}
            Mood::Fails => anyhow::bail!("no space left on device"),
            Mood::Hangs => std::future::pending().await,
            Mood::Panics => panic!("the intake broke"),
        }
        let mut received = self.received.lock().unwrap();
        let known = received.iter().any(|other| (&other.project, &other.id) == (&delivery.project, &delivery.id));
        let (outcome, message) = match &delivery.event {
            _ if known => (Outcome::Known, "this delivery was here before".to_string()),
            Ok(event) => match &event.kind {
                EventKind::Push(change) => (Outcome::Accepted, format!("will deploy {}", change.commit.short())),
                EventKind::Tag(change) => (Outcome::Accepted, format!("will deploy tag {}", change.reference.short())),
                EventKind::Delete { reference, .. } => (Outcome::Ignored, format!("{} is gone", reference.short())),
                EventKind::Ping => (Outcome::Pong, "the hook works".to_string()),
                EventKind::Ignored { reason } => (Outcome::Ignored, reason.clone()),
            },
            Err(invalid) => (Outcome::Ignored, invalid.reason.clone()),
        };
        let deployments = match outcome {
            Outcome::Accepted => {
                vec![Started {
                    id: DeploymentId(7),
                    environment: EnvironmentName::new("production").unwrap(),
                    url: None,
                }]
            }
            _ => Vec::new(),
        };
        let url = Some(format!("http://launchway.test/deliveries/{}", delivery.id));
        received.push(delivery);
        Ok(Answer { outcome, message, url, deployments })
    }
}

/// Listens until it is dropped.
pub struct Receiver {
    pub address: SocketAddr,
    pub intake: Arc<MemoryIntake>,
    pub client: reqwest::Client,
    server: JoinHandle<()>,
}

impl Receiver {
    pub async fn start() -> Self {
        Self::with(Limits::default()).await
    }

    pub async fn with(limits: Limits) -> Self {
        let intake = Arc::new(MemoryIntake { received: Mutex::default(), mood: Mutex::new(Mood::Stores) });
        let router = routes(intake.clone(), limits).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // As the server does, with less patience.
        let patience =
            Patience { first: Duration::from_secs(1), idle: Duration::from_secs(30), unread: Duration::from_secs(1) };
        let pace = Pace { grace: Duration::from_secs(10), bytes_per_second: 1024 };
        let public = Public { gate: Gate::new(Room::of(1024), Trusted::default()), patience, pace };
        let server = tokio::spawn(serve(listener, router, public, CancellationToken::new()));
        // The client is built with TLS although these tests use none.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        Self { address, intake, client, server }
    }

    pub fn url(&self, project: &str) -> String {
        format!("http://{}/hooks/{project}", self.address)
    }

    pub fn set_mood(&self, mood: Mood) {
        *self.intake.mood.lock().unwrap() = mood;
    }

    pub fn received(&self) -> Vec<Verified> {
        self.intake.received.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}
