//! The site: an environment for each method, pushed to with the real hook, behind the real edge.

use super::app::{Defect, PORT};
use super::backend;
use super::image;
use super::support::world::{Settings, World, free_port};
use launchway::model::{CommitId, Method};
use std::time::{Duration, Instant};

pub const METHODS: [Method; 4] = [Method::Recreate, Method::Rolling, Method::BlueGreen, Method::Canary];
/// What a deployment takes at most.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub struct Site {
    pub world: World,
    /// After the world: dropped when no container uses it any more.
    image: image::Image,
    /// At which each method's environment is reached.
    pub ports: [u16; 4],
    /// Not over the edge: through an nginx in each environment, which looks the app's name up once and for all.
    inside: bool,
}

/// How a deployment went.
#[derive(Debug, Clone)]
pub struct Ended {
    pub method: usize,
    pub defect: Option<Defect>,
    /// From just before the push until nothing of it was left to do.
    pub from: Instant,
    pub to: Instant,
    pub state: String,
    pub description: String,
}

impl Ended {
    /// A release that is well is live; of one that is not, the status says that the old one is live again.
    pub fn as_expected(&self) -> bool {
        match self.defect {
            None => self.state == "success",
            Some(Defect::NeverReady) => self.state == "failure" && self.description.ends_with("is live again"),
            Some(Defect::Errors) => {
                self.state == "failure"
                    && self.description.contains(": worse; ")
                    && self.description.ends_with("is live again")
            }
        }
    }
}

impl Site {
    /// A first release of each method is live.
    pub async fn start(inside: bool) -> Self {
        let ports = METHODS.map(|_| free_port());
        let environments = METHODS.iter().zip(ports).map(|(method, port)| {
            format!("[projects.PROJECT.environments.{method}]\nbranch = \"{method}\"\nbake = \"0s\"\nvariables = {{ PORT = \"{port}\" }}\n")
        });
        // A canary's route has a host; the load takes the port that it publishes, as for the others.
        let tables = format!("[edge]\nlisten = [\"127.0.0.1:{}\"]\n{}", free_port(), environments.collect::<String>());
        let mut world = World::not_serving(Settings { tables, ..Settings::default() }).await;
        let image = image::import(&world.engine, &world.project, backend::parts().unwrap_or_default()).await;
        world.start_edge().await;
        world.serve().await;
        let site = Self { world, image, ports, inside };
        for method in 0..METHODS.len() {
            let ended = site.deploy(method, "first", None).await;
            assert_eq!(ended.state, "success", "{ended:?}\n{}", site.world.deployment_logs());
        }
        site
    }

    /// Pushes a release and waits until all of it is over.
    pub async fn deploy(&self, method: usize, version: &str, defect: Option<Defect>) -> Ended {
        let from = Instant::now();
        let commit = tokio::task::block_in_place(|| self.push(method, version, defect));
        let query = format!("SELECT count(*) FROM deployments WHERE commit_id = '{commit}' AND ended_at IS NOT NULL");
        let context = format!("launchway/{}", METHODS[method]);
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let is_over = tokio::task::block_in_place(|| self.world.query(&query)).trim() != "0";
            let shown = || tokio::task::block_in_place(|| self.world.shown(&commit));
            let last = is_over
                .then(shown)
                .into_iter()
                .flatten()
                .find(|shown| shown.context == context && !matches!(shown.state.as_str(), "pending" | "running"));
            if let Some(last) = last {
                let (state, description) = (last.state, last.description);
                return Ended { method, defect, from, to: Instant::now(), state, description };
            }
            assert!(
                from.elapsed() < PATIENCE,
                "{} {version} did not end within {PATIENCE:?}\n{}\n{}",
                METHODS[method],
                self.world.serve_log(),
                self.world.deployment_logs()
            );
        }
    }

    fn push(&self, method: usize, version: &str, defect: Option<Defect>) -> CommitId {
        let (repository, name) = (&self.world.repository, METHODS[method]);
        repository.write("compose.yaml", self.compose(name, version, defect));
        let commit = repository.commit(&format!("{name} {version}"));
        repository.push(&format!("HEAD:refs/heads/{name}"));
        commit
    }

    /// `drain` is longer than a slow answer, and far shorter than a WebSocket lives.
    fn compose(&self, method: Method, version: &str, defect: Option<Defect>) -> String {
        let further = match method {
            Method::Canary if self.inside => {
                ", canary: { steps: [20%, 50%], hold: 4s, warm-up: 0s, on-little-traffic: promote }"
            }
            Method::Canary => {
                ", route: { host: shop.example.com }, canary: { steps: [20%, 50%], hold: 4s, warm-up: 0s, on-little-traffic: promote }"
            }
            _ => "",
        };
        let deploy = match method {
            Method::Rolling => "deploy: { replicas: 2, update_config: { parallelism: 1, order: start-first } }",
            _ => "",
        };
        format!(
            r#"services:
  web:
    image: {image}
    command: ["{binary}", "app"]
    environment: {{ METHOD: "{method}", VERSION: "{version}", DEFECT: "{defect}"{further_values} }}
    {after}
    {way}
    stop_grace_period: 10s
    healthcheck: {{ test: ["CMD", "{binary}", "healthy"], interval: 1s, timeout: 5s, retries: 3 }}
    x-launchway: {{ method: {method}, ready-timeout: 8s, drain: 7s{further} }}
    {deploy}
{gateway}
"#,
            way = match self.inside {
                true => format!("expose: [\"{PORT}\"]"),
                false => format!("ports: [\"127.0.0.1:${{PORT}}:{PORT}\"]"),
            },
            further_values = if self.inside { format!(", {}", backend::ENVIRONMENT) } else { String::new() },
            after = match self.inside {
                true => {
                    "depends_on: { cache: { condition: service_healthy }, database: { condition: service_healthy } }"
                }
                false => "",
            },
            gateway = match self.inside {
                true => format!("{}{}{}", backend::services(&self.image.0), self.gateway(), backend::VOLUMES),
                false => String::new(),
            },
            image = self.image.0,
            binary = image::BINARY,
            defect = defect.map_or("", Defect::word),
        )
    }

    /// An nginx with a literal `proxy_pass`, which no deployment changes, on a port that the engine publishes.
    fn gateway(&self) -> String {
        format!(
            r#"
  gateway:
    image: {image}
    user: "65534:65534"
    command: ["{nginx}", "-c", "/gateway.conf"]
    ports: ["127.0.0.1:${{PORT}}:8000"]
    tmpfs: ["/tmp:mode=1777"]
    depends_on: {{ web: {{ condition: service_healthy }} }}
    configs: [{{ source: gateway, target: /gateway.conf }}]
    x-launchway: {{ edge: false }}
configs:
  gateway:
    content: |
      daemon off; worker_processes 1; pid /tmp/nginx.pid; error_log stderr;
      events {{ worker_connections 4096; }}
      http {{
        access_log off; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p;
        fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
        map $$http_upgrade $$upgrades {{ default upgrade; '' close; }}
        server {{
          listen 8000;
          location / {{
            proxy_pass http://web:{PORT};
            proxy_http_version 1.1;
            proxy_read_timeout 60s;
            proxy_set_header Host $$http_host;
            proxy_set_header Upgrade $$http_upgrade;
            proxy_set_header Connection $$upgrades;
          }}
        }}
      }}
"#,
            image = self.image.0,
            nginx = image::NGINX,
        )
    }

    /// The containers of what stands in front of the app, and of what it asks: no deployment touches them.
    pub async fn others(&self) -> Vec<String> {
        let is_other = |labels: &std::collections::HashMap<String, String>| {
            labels.get("launchway.component").is_some_and(|name| name != "web")
        };
        let all = self.world.containers().await.into_iter();
        let ids = all.filter(|one| one.labels.as_ref().is_some_and(is_other)).filter_map(|one| one.id);
        let mut ids: Vec<String> = ids.collect();
        ids.sort();
        ids
    }

    /// Copies the logs of server, edge and deployments.
    pub fn keep_logs(&self, folder: &std::path::Path) {
        std::fs::create_dir_all(folder).expect("a folder for the logs");
        for name in ["serve.log", "edge.log"] {
            let _ = std::fs::copy(self.world.folder().join(name), folder.join(name));
        }
        for file in std::fs::read_dir(self.world.data().join("logs")).into_iter().flatten().flatten() {
            let _ = std::fs::copy(file.path(), folder.join(file.file_name()));
        }
    }

    pub async fn end(self) {
        self.world.end().await;
    }
}
