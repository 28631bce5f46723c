//! The app that both bring live, and the changes that are pushed.

use super::support::git_repository::GitRepository;
use super::support::images::BASE;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A value in the Compose file.
    Setting,
    /// A file of one component, behind layers that are cached.
    Build,
    /// The same file as it was two pushes ago.
    BuiltBefore,
}

impl Change {
    pub const ALL: [Change; 3] = [Change::Setting, Change::Build, Change::BuiltBefore];

    pub fn name(self) -> &'static str {
        match self {
            Change::Setting => "nothing to build",
            Change::Build => "one build, cached but for its last layer",
            Change::BuiltBefore => "one build, cached as a whole",
        }
    }
}

/// The contents of one side's repository.
pub struct App {
    who: &'static str,
    greeting: String,
    version: String,
}

impl App {
    pub fn new(who: &'static str) -> Self {
        Self { who, greeting: "hello".into(), version: format!("first-{who}") }
    }

    /// What the app answers.
    pub fn answer(&self) -> String {
        format!("{} {}", self.greeting, self.version)
    }

    /// Changes the app; no two changes give the same answer as the one before.
    pub fn change(&mut self, change: Change, round: usize) {
        let who = self.who;
        match change {
            Change::Setting => self.greeting = format!("hello-{round}"),
            Change::Build => self.version = format!("{round}-{who}"),
            Change::BuiltBefore => {
                let before = if round == 0 { "first".to_string() } else { (round - 1).to_string() };
                self.version = format!("{before}-{who}");
            }
        }
    }

    pub fn write(&self, repository: &GitRepository) {
        let start = "#!/bin/sh\nmkdir -p /www\necho -n \"$GREETING $(cat /version)\" > /www/index.html\nexec httpd -f -p 8080 -h /www\n";
        let dockerfile =
            format!("FROM {BASE}\nCOPY start /\nRUN chmod 755 /start && sleep 1\nCMD [\"/start\"]\nCOPY version /\n");
        for component in ["web", "api"] {
            repository.write(&format!("{component}/start"), start);
            repository.write(&format!("{component}/Dockerfile"), &dockerfile);
        }
        repository.write("api/version", format!("api-{}", self.who)).write("web/version", &self.version);
        let check = r#"healthcheck: { test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/"], interval: 1s, timeout: 2s, retries: 10 }"#;
        let compose = format!(
            r#"services:
  web:
    build: ./web
    init: true
    environment: {{ GREETING: "{greeting}" }}
    ports: ["127.0.0.1:${{PORT}}:8080"]
    depends_on: {{ api: {{ condition: service_healthy }} }}
    {check}
  api:
    build: ./api
    init: true
    environment: {{ GREETING: "api" }}
    depends_on: {{ store: {{ condition: service_healthy }} }}
    {check}
  store:
    image: {BASE}
    init: true
    command: ["sh", "-c", "date >> /data/starts; exec tail -f /dev/null"]
    volumes: ["data:/data"]
    healthcheck: {{ test: ["CMD", "test", "-s", "/data/starts"], interval: 1s, timeout: 2s, retries: 10 }}
volumes: {{ data: {{}} }}
"#,
            greeting = self.greeting,
        );
        repository.write("compose.yaml", compose);
    }
}

/// The moment of the first request that is answered with `answer`.
pub async fn live(port: u16, answer: &str) -> Instant {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if get(port).await.is_some_and(|text| text.ends_with(answer)) {
            return Instant::now();
        }
        assert!(Instant::now() < deadline, "{answer:?} was not answered within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn get(port: u16) -> Option<String> {
    let request = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        Some(text)
    };
    tokio::time::timeout(Duration::from_millis(500), request).await.ok()?
}
