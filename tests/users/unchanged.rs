//! A push that changes nothing touches nothing: real Compose files on the real engine, all their containers
//! before and after, also where a later Launchway writes fingerprints in another way.
//!
//! The files are those of `tests/data/compose`, with what a machine of tests cannot have replaced by a file of the
//! environment: images by one that only waits, host ports by free ones, names and subnets by the story's own, health
//! checks by one that is quick, paths of the host by folders of the story.

use crate::support::base_image;
use crate::support::world::{Settings, World};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

struct Project {
    folder: PathBuf,
    files: Vec<String>,
    /// What Compose says of it, with the project's folder as `/project`.
    said: Value,
}

impl Project {
    fn new(folder: &str, said: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/compose").join(folder);
        let arguments = std::fs::read_to_string(folder.join(said).with_extension("args")).unwrap_or_default();
        let mut files: Vec<String> =
            arguments.split_whitespace().filter(|word| *word != "-f").map(Into::into).collect();
        if files.is_empty() {
            let names = ["compose.yaml", "compose.yml"];
            files.extend(names.into_iter().filter(|name| folder.join(name).exists()).map(String::from));
        }
        let said = serde_json::from_slice(&std::fs::read(folder.join(said).with_extension("json")).unwrap()).unwrap();
        Self { folder, files, said }
    }

    fn services(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.said["services"].as_object().unwrap().iter()
    }

    /// Its files, and what they name, made up.
    fn write(&self, world: &World, image: &str) {
        let repository = &world.repository;
        for name in self.files.iter().map(String::as_str).chain([".env"]) {
            if let Ok(text) = std::fs::read_to_string(self.folder.join(name)) {
                repository.write(name, text.replace("172.20.0.", "10.231.17."));
            }
        }
        let dockerfile = format!("FROM {image} AS development\nFROM development AS builder\nCOPY . /src/\n");
        for (_, service) in self.services() {
            if let Some(context) = service["build"]["context"].as_str().and_then(inside) {
                let at = |name: &str| format!("{context}/{name}").trim_start_matches('/').to_string();
                repository.write(&at("Dockerfile"), &dockerfile).write(&at("source"), "made up");
            }
            for source in binds(service).filter_map(inside).filter(|source| !source.is_empty()) {
                let is_file = source.rsplit('/').next().is_some_and(|name| name.contains('.'));
                repository.write(&if is_file { source.into() } else { format!("{source}/a-file") }, "made up");
            }
        }
        for secret in self.said["secrets"].as_object().into_iter().flatten() {
            repository.write(secret.1["file"].as_str().and_then(inside).unwrap(), "made up");
        }
        repository.write(".dockerignore", "unrelated\n");
        repository.write("of-the-story.yaml", self.replaced(world, image));
    }

    /// The file that comes last.
    fn replaced(&self, world: &World, image: &str) -> String {
        let mut text = "services:\n".to_string();
        let is_small = self.services().count() < 10;
        for (name, service) in self.services() {
            text.push_str(&format!(
                "  {name}:\n    stop_grace_period: 1s\n    entrypoint: !reset null\n    platform: !reset null\n    ulimits: !reset null\n    runtime: !reset null\n    privileged: !reset null\n"
            ));
            if service["build"].is_null() || !is_small {
                text.push_str(&format!("    image: {image}\n    build: !reset null\n"));
            }
            if service.get("container_name").is_some() {
                text.push_str(&format!("    container_name: {}-{name}\n", world.project));
            }
            // What has none would be waited for until its ports answer.
            text.push_str("    healthcheck: !override { test: [CMD, \"true\"], interval: 1s }\n");
            let ports = service["ports"].as_array().into_iter().flatten();
            let ports: Vec<Value> = ports
                .map(|port| {
                    let (target, protocol) = (&port["target"], port["protocol"].as_str().unwrap());
                    // A port of the host that the file leaves to the engine is left to it here too.
                    let on_the_host = port.get("published").map(|_| low_port().to_string()).unwrap_or_default();
                    json!(format!("127.0.0.1:{on_the_host}:{target}/{protocol}"))
                })
                .collect();
            text.push_str(&format!("    ports: !override {}\n", json!(ports)));
            if binds(service).any(|source| inside(source).is_none()) {
                // No folder of the story can stand for the kernel's own.
                let is_kernels = |mount: &&Value| {
                    ["/proc", "/sys/"].iter().any(|path| mount["target"].as_str().unwrap().starts_with(path))
                };
                let mounts = service["volumes"].as_array().unwrap().iter().filter(|mount| !is_kernels(mount));
                let mounts = mounts.map(|mount| self.mount(world, mount));
                text.push_str(&format!("    volumes: !override {}\n", json!(mounts.collect::<Vec<_>>())));
            }
        }
        let networks = self.said["networks"].as_object().into_iter().flatten();
        for (key, _) in networks.filter(|(_, network)| network["name"] == "opentelemetry-demo") {
            text.push_str(&format!("networks:\n  {key}: {{ name: {}-demo }}\n", world.project));
        }
        text
    }

    /// The folders of the host that it mounts, as launchway.toml lists them: each itself, as only newer engines mount what lies
    /// below one.
    fn host_paths(&self, world: &World) -> String {
        let outside = self.services().flat_map(|(_, service)| binds(service)).filter(|path| inside(path).is_none());
        let paths: BTreeSet<PathBuf> = outside.map(|path| host(world).join(path.trim_matches('/'))).collect();
        let all = if paths.contains(&host(world)) || paths.is_empty() { BTreeSet::from([host(world)]) } else { paths };
        all.iter().map(|path| json!(path).to_string()).collect::<Vec<_>>().join(", ")
    }

    /// A mount as it is, but of a folder of the story where it was one of the host.
    fn mount(&self, world: &World, mount: &Value) -> Value {
        let mut mount = mount.clone();
        if let Some(source) = mount["source"].as_str().filter(|_| mount["type"] == "bind").map(String::from) {
            mount["source"] = match inside(&source) {
                Some(path) => json!(format!("./{path}")),
                None => {
                    let folder = host(world).join(source.trim_matches('/'));
                    std::fs::create_dir_all(&folder).unwrap();
                    json!(folder)
                }
            };
        }
        mount
    }
}

/// A free port below those that the kernel gives to whoever connects: with thirty of them one would soon be taken.
fn low_port() -> u16 {
    loop {
        let mut random = [0u8; 2];
        getrandom::fill(&mut random).unwrap();
        let port = 20_000 + u16::from_le_bytes(random) % 12_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The folder that stands for the host's root.
fn host(world: &World) -> PathBuf {
    world.folder().join("host")
}

/// The path inside the project, where it is inside.
fn inside(path: &str) -> Option<&str> {
    path.strip_prefix("/project").map(|path| path.trim_start_matches('/'))
}

fn binds(service: &Value) -> impl Iterator<Item = &str> {
    let mounts = service["volumes"].as_array().into_iter().flatten();
    mounts.filter(|mount| mount["type"] == "bind").filter_map(|mount| mount["source"].as_str())
}

/// Of each container, fronts too, by its name: its id, and when it was started.
async fn ids(world: &World) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for container in world.containers().await {
        let id = container.id.unwrap_or_default();
        let state = world.engine.docker.inspect_container(&id, None).await.unwrap().state.unwrap();
        let started = format!("{id} {}", state.started_at.unwrap_or_default());
        found.insert(container.names.unwrap_or_default().join(" "), started);
    }
    found
}

/// Pushes and waits, as long as a stack of thirty components takes.
async fn live(world: &World, message: &str) {
    let commit = world.push(message);
    let shown = world.ends_within(&commit, "launchway/production", Duration::from_secs(240)).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
}

/// The containers that are others or were started again, without the project's name.
fn differing(world: &World, before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differ = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    differ.map(|name| name.replace(&world.project, "").replace("/-production-", "").replace("/-", "")).collect()
}

/// `takes_all` are containers of components that mount the whole repository: whatever changes is theirs.
async fn stays(folder: &str, said: &str, takes_all: &[&str]) {
    let project = Project::new(folder, said);
    let mut world = World::not_serving(Settings::default()).await;
    let files: Vec<&str> = project.files.iter().map(String::as_str).chain(["of-the-story.yaml"]).collect();
    let environment = Some(format!("branch = \"main\"\nbake = \"0s\"\ncompose = {}", json!(files)));
    let tables = format!(
        "[projects.PROJECT.allow]\nengine-socket = true\nhost-namespaces = true\ncapabilities = [\"ALL\"]\nhost-paths = [{}]\nsubnets = [\"0.0.0.0/0\", \"::/0\"]\n",
        project.host_paths(&world)
    );
    world.configure(&Settings { environment, tables, ..Settings::default() });
    let image = base_image::waiting(&world.engine.docker).await;
    world.serve().await;
    project.write(&world, &image);
    live(&world, "First").await;
    let first = ids(&world).await;
    let components = project.services().count();
    assert!(first.len() >= components, "{first:?}");

    world.repository.write("unrelated/notes.md", "one");
    live(&world, "Unrelated").await;
    let mut now = ids(&world).await;
    assert_eq!(differing(&world, &first, &now), takes_all, "{}", world.deployment_logs());

    // A later Launchway: its second push has what it wrote itself to compare with.
    world.terminate().await;
    world.serve_with(&[("FINGERPRINTS_RAISED_BY", "1")]).await;
    for (message, text) in [("After an upgrade", "two"), ("And again", "three")] {
        world.repository.write("unrelated/notes.md", text);
        live(&world, message).await;
        let next = ids(&world).await;
        assert_eq!(differing(&world, &now, &next), takes_all, "{message}\n{}", world.deployment_logs());
        now = next;
    }
    assert!(world.query("SELECT parts FROM releases ORDER BY id DESC LIMIT 1").contains("\"v2:"));

    // So does going back to what the earlier one made.
    world.terminate().await;
    world.serve().await;
    world.repository.write("unrelated/notes.md", "four");
    live(&world, "The upgrade is undone").await;
    let next = ids(&world).await;
    assert_eq!(differing(&world, &now, &next), takes_all, "{}", world.deployment_logs());
    world.end().await;
}

macro_rules! stacks {
    ($($story:ident: $folder:literal $said:literal $takes_all:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $story() {
            stays($folder, $said, &$takes_all).await;
        }
    )*};
}

stacks! {
    angular: "awesome-compose/angular" "default" [];
    aspnet_mssql: "awesome-compose/aspnet-mssql" "default" [];
    elasticsearch_logstash_kibana: "awesome-compose/elasticsearch-logstash-kibana" "default" [];
    flask_redis: "awesome-compose/flask-redis" "default" ["web-1"];
    gitea_postgres: "awesome-compose/gitea-postgres" "default" [];
    nextcloud_postgres: "awesome-compose/nextcloud-postgres" "default" [];
    nginx_aspnet_mysql: "awesome-compose/nginx-aspnet-mysql" "default" [];
    nginx_flask_mysql: "awesome-compose/nginx-flask-mysql" "default" [];
    nginx_golang_postgres: "awesome-compose/nginx-golang-postgres" "default" [];
    nginx_nodejs_redis: "awesome-compose/nginx-nodejs-redis" "default" [];
    pihole_cloudflared: "awesome-compose/pihole-cloudflared-DoH" "default" [];
    portainer: "awesome-compose/portainer" "default" [];
    prometheus_grafana: "awesome-compose/prometheus-grafana" "default" [];
    react_express_mysql: "awesome-compose/react-express-mysql" "default" [];
    react_nginx: "awesome-compose/react-nginx" "default" [];
    sparkjava_mysql: "awesome-compose/sparkjava-mysql" "default" [];
    spring_postgres: "awesome-compose/spring-postgres" "default" [];
    vuejs: "awesome-compose/vuejs" "default" [];
    wasmedge_mysql_nginx: "awesome-compose/wasmedge-mysql-nginx" "default" [];
    wordpress_mysql: "awesome-compose/wordpress-mysql" "default" [];
    opentelemetry_demo: "opentelemetry-demo" "everything" [];
}
