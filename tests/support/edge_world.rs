//! An edge as it really runs, a process of its own on loopback, with a line for each thing that one does to it.

use super::edge_app::App;
use launchway::edge::{EdgeClient, EdgeError, FRONT_SETTINGS, FrontSettings};
use launchway::model::{
    ComponentRoutes, ComponentTraffic, EntryProtocol, InFlight, Listen, ReleaseId, RouteEntry, RouteKey, Sticky,
    WeightedRelease,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

pub struct EdgeWorld {
    pub folder: tempfile::TempDir,
    pub client: EdgeClient,
    /// The edge's own address.
    pub address: SocketAddr,
    /// The port in all containers.
    pub port: u16,
    /// What is run: `launchway edge`, or a front.
    runs: Vec<String>,
    process: Option<Child>,
}

impl EdgeWorld {
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// `settings`: further lines of `[edge]`.
    pub async fn with(settings: &str) -> Self {
        let mut world = Self::not_started(settings);
        world.start().await;
        world
    }

    pub fn not_started(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let text = format!(
            "listen = \"127.0.0.1:{}\"\ndata = \"data\"\n[edge]\nlisten = \"{address}\"\n{settings}\n[projects.shop]\nforge = \"plain\"\nrepository = \"/nowhere/shop.git\"\nsecret = \"hook-secret\"\n[projects.shop.environments.production]\nbranch = \"main\"\n",
            free_port()
        );
        std::fs::write(folder.path().join("launchway.toml"), text).unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let client = EdgeClient::new(&folder.path().join("data"));
        Self { folder, client, address, port: free_port(), runs: vec!["edge".into()], process: None }
    }

    /// A front as it runs in its container, but for the addresses of its replicas, which it is given. It has no address but
    /// those of its components' ports.
    pub async fn front(settings: &FrontSettings) -> Self {
        let mut world = Self::not_started("");
        let data = world.data();
        std::fs::write(data.join(FRONT_SETTINGS), serde_json::to_vec(settings).unwrap()).unwrap();
        world.runs = ["front", "--serve", "--state", data.to_str().unwrap()].map(String::from).into();
        world.process = Some(world.starts());
        let client = world.client.clone();
        until("the front to be ready", || async { client.health().await.is_ok() }).await;
        world
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn command(&self, name: &str) -> Command {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_launchway"));
        command.arg("--config").arg(self.folder.path().join("launchway.toml")).arg(name);
        command.env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        command
    }

    fn starts(&self) -> Child {
        let (name, arguments) = self.runs.split_first().unwrap();
        self.command(name).args(arguments).spawn().unwrap()
    }

    /// Until it listens.
    pub async fn start(&mut self) {
        self.process = Some(self.starts());
        let (client, address) = (self.client.clone(), self.address);
        until("the edge to be ready", || async {
            client.health().await.is_ok() && TcpStream::connect(address).await.is_ok()
        })
        .await;
    }

    /// Starts another beside it, as an upgrade does; the one of before is returned.
    pub fn replace(&mut self) -> Child {
        let new = self.starts();
        self.process.replace(new).unwrap()
    }

    pub async fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().await.unwrap();
    }

    /// SIGTERM.
    pub fn tell_to_end(&self) {
        signal(self.process.as_ref().unwrap(), "TERM");
    }

    pub async fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().unwrap();
        tokio::time::timeout(Duration::from_secs(30), process.wait()).await.expect("the edge ends").unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn app(&self, name: &str) -> App {
        App::start(name, self.port).await
    }

    /// Everything leads to `web`, and it to these releases: number, weight, replicas.
    pub async fn serve(&self, releases: &[(i64, u8, &[&App])]) {
        self.client.put(&key("web"), &self.routes(releases)).await.unwrap();
    }

    pub fn routes(&self, releases: &[(i64, u8, &[&App])]) -> ComponentRoutes {
        self.routed(Listen::Shared { host: None, path: None }, releases)
    }

    pub fn routed(&self, listen: Listen, releases: &[(i64, u8, &[&App])]) -> ComponentRoutes {
        let release = |(id, weight, apps): &(i64, u8, &[&App])| WeightedRelease {
            release: ReleaseId(*id),
            weight: *weight,
            replicas: apps.iter().map(|app| app.replica.clone()).collect(),
        };
        ComponentRoutes {
            entries: vec![RouteEntry { listen, target: self.port }],
            releases: releases.iter().map(release).collect(),
            held: false,
            sticky: None,
        }
    }

    pub async fn hold(&self) {
        self.client.put(&key("web"), &ComponentRoutes { held: true, ..self.routes(&[]) }).await.unwrap();
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        client().get(self.url(path)).send().await.unwrap()
    }

    /// All that is under way, of all components.
    pub async fn all_in_flight(&self) -> u64 {
        let traffic = self.client.traffic().await.unwrap();
        let all = traffic.components.iter().flat_map(|(_, one)| one.in_flight.values());
        all.map(|one| one.requests + one.connections).sum()
    }

    /// Memory that the process has written to, and nobody else has, in kB.
    pub fn memory_kb(&self) -> u64 {
        let pid = self.process.as_ref().and_then(Child::id).expect("it runs");
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// The name of the application that answers.
    pub async fn who(&self, path: &str) -> String {
        name(&self.get(path).await)
    }

    pub async fn traffic(&self) -> ComponentTraffic {
        let traffic = self.client.traffic().await.unwrap();
        traffic.components.into_iter().find(|(of, _)| *of == key("web")).map(|(_, traffic)| traffic).unwrap_or_default()
    }

    pub async fn in_flight(&self, app: &App) -> Option<InFlight> {
        self.traffic().await.in_flight.get(&app.replica.id).copied()
    }

    pub async fn until_in_flight(&self, app: &App, requests: u64, connections: u64) {
        until(&format!("{requests} requests and {connections} connections in flight"), || async {
            self.in_flight(app).await == Some(InFlight { requests, connections })
        })
        .await;
    }

    pub async fn until_held(&self, count: u64) {
        until(&format!("{count} to be held"), || async { self.traffic().await.held == count }).await;
    }

    /// What comes back for these bytes, until the edge closes.
    pub async fn raw(&self, bytes: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
        // The edge may close while it still gets something.
        let _ = read.expect("the edge closes the connection");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for EdgeWorld {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("The edge's log:\n{}", self.log());
        }
    }
}

pub fn key(component: &str) -> RouteKey {
    RouteKey {
        project: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        component: component.parse().unwrap(),
    }
}

pub fn at(host: Option<&str>, path: Option<&str>) -> Listen {
    Listen::Shared { host: host.map(Into::into), path: path.map(Into::into) }
}

pub fn on_port(port: u16, protocol: EntryProtocol) -> Listen {
    Listen::Port { host_ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), port, protocol }
}

pub fn by_cookie(routes: ComponentRoutes, name: &str) -> ComponentRoutes {
    ComponentRoutes { sticky: Some(Sticky::Cookie(name.into())), ..routes }
}

/// The edge's own words.
pub fn refusal(result: Result<(), EdgeError>) -> (u16, String) {
    match result {
        Err(EdgeError::Refused { status, detail }) => (status, detail),
        other => panic!("expected a refusal: {other:?}"),
    }
}

/// A client that keeps its connections, follows nothing and knows no proxy.
pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

pub fn name(response: &reqwest::Response) -> String {
    match response.headers().get("x-app") {
        Some(name) => name.to_str().unwrap().to_string(),
        None => response.status().to_string(),
    }
}

pub fn signal(process: &Child, name: &str) {
    let pid = process.id().expect("it runs").to_string();
    assert!(std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
}

pub use super::world::free_port;
/// The other end closes it, in time.
pub async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.is_ok()
}

/// Waits for a condition, at most 20 s.
pub async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
