//! The proxies that are compared, each on one core.

use super::figures;
use launchway::edge::{EdgeClient, first_routes};
use launchway::model::{
    ComponentRoutes, EntryProtocol, Listen, ReleaseId, Replica, RouteEntry, RouteKey, WeightedRelease,
};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Proxy {
    pub name: String,
    process: Child,
    pub address: String,
}

/// A program, how it is asked for its version, and how it is started: folder, upstream, core.
type Rival = (&'static str, &'static str, fn(&Path, &str, &str) -> Proxy);

/// All that are there: those that are not installed are left out, and the edge comes last.
pub fn all(folder: &Path, upstream: &str, core: &str) -> Vec<Proxy> {
    let rivals: [Rival; 3] =
        [("nginx", "-v", Proxy::nginx), ("haproxy", "-v", Proxy::haproxy), ("caddy", "version", Proxy::caddy)];
    let mut proxies = Vec::new();
    for (program, version, start) in rivals {
        match Command::new(program).arg(version).output() {
            Ok(said) => {
                let said = if said.stdout.is_empty() { said.stderr } else { said.stdout };
                println!("  {program}: {}", String::from_utf8_lossy(&said).lines().next().unwrap_or_default());
                proxies.push(start(folder, upstream, core));
            }
            Err(_) => println!("  {program} is not installed, so it is left out"),
        }
    }
    // Any other: a program that listens at its first argument and forwards to its second.
    if let Ok(program) = std::env::var("PROXY_COMMAND") {
        let address = free_address();
        let mut command = pinned(core, &program);
        command.args([&address, upstream]);
        let name = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
        proxies.push(Proxy::started(&name, command, address));
    }
    proxies.push(Proxy::edge(folder, upstream, core));
    proxies
}

/// What a front is held against: HAProxy as it passes on bytes, where it is installed. Then the front, as plain TCP and as
/// HTTP.
pub fn fronts(folder: &Path, upstream: &str, core: &str) -> Vec<Proxy> {
    let mut proxies = Vec::new();
    if Command::new("haproxy").arg("-v").output().is_ok() {
        proxies.push(Proxy::haproxy_tcp(folder, upstream, core));
    }
    proxies.push(Proxy::front(folder, upstream, core, EntryProtocol::Tcp, "front, TCP"));
    proxies.push(Proxy::front(folder, upstream, core, EntryProtocol::Http, "front, HTTP"));
    proxies
}

impl Proxy {
    fn haproxy_tcp(folder: &Path, upstream: &str, core: &str) -> Self {
        let address = free_address();
        let file = folder.join("haproxy-tcp.cfg");
        let text = format!(
            "global\n  nbthread 1\n  maxconn 4096\n\
             defaults\n  mode tcp\n  option splice-auto\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
             frontend in\n  bind {address}\n  default_backend app\nbackend app\n  server app {upstream}\n"
        );
        std::fs::write(&file, text).expect("HAProxy's settings");
        let mut command = pinned(core, "haproxy");
        command.arg("-db").arg("-f").arg(&file);
        Self::started("HAProxy, TCP", command, address)
    }

    /// As it runs in its container, but for the address of its upstream, which is given.
    pub fn front(folder: &Path, upstream: &str, core: &str, protocol: EntryProtocol, name: &str) -> Self {
        let address = free_address();
        let upstream: SocketAddr = upstream.parse().expect("the upstream's address");
        let at: SocketAddr = address.parse().expect("its address");
        let listen = Listen::Port { host_ip: Some(at.ip()), port: at.port(), protocol };
        let routes = ComponentRoutes {
            entries: vec![RouteEntry { listen, target: upstream.port() }],
            releases: vec![WeightedRelease {
                release: ReleaseId(1),
                weight: 100,
                replicas: vec![Replica { id: "upstream".into(), address: Some(upstream.ip()), also: None }],
            }],
            ..ComponentRoutes::default()
        };
        let state = folder.join(format!("front-{}", at.port()));
        let (file, text) = first_routes(vec![(key(), routes)]).expect("its routes");
        let file = state.join(file);
        std::fs::create_dir_all(file.parent().expect("its folder")).expect("its folder");
        std::fs::write(file, text).expect("its routes");
        let mut command = pinned(core, env!("CARGO_BIN_EXE_launchway"));
        command
            .args(["front", "--serve", "--state"])
            .arg(&state)
            .envs([("MIMALLOC_ARENA_EAGER_COMMIT", "0"), ("MIMALLOC_PURGE_DELAY", "0")]);
        Self::started(name, command, address)
    }

    fn nginx(folder: &Path, upstream: &str, core: &str) -> Self {
        let address = free_address();
        let (file, prefix) = (folder.join("nginx.conf"), folder.display());
        let text = format!(
            "daemon off; master_process off; worker_processes 1; pid {prefix}/nginx.pid; error_log {prefix}/nginx.log;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; client_body_temp_path {prefix}/body; proxy_temp_path {prefix}/proxy;\n\
             fastcgi_temp_path {prefix}/f; uwsgi_temp_path {prefix}/u; scgi_temp_path {prefix}/s;\n\
             keepalive_requests 1000000000;\n\
             upstream app {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}\n\
             server {{ listen {address}; location / {{ proxy_pass http://app; proxy_http_version 1.1;\n\
             proxy_set_header Connection \"\"; proxy_set_header Host $http_host;\n\
             proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Request-Id $request_id; }} }} }}\n"
        );
        std::fs::write(&file, text).expect("nginx's settings");
        let mut command = pinned(core, "nginx");
        command.arg("-c").arg(&file).arg("-p").arg(folder);
        Self::started("nginx", command, address)
    }

    fn haproxy(folder: &Path, upstream: &str, core: &str) -> Self {
        let address = free_address();
        let file = folder.join("haproxy.cfg");
        let text = format!(
            "global\n  nbthread 1\n  maxconn 4096\n\
             defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
             \x20 option forwardfor\n  http-reuse always\n  unique-id-format %{{+X}}o%ci:%cp_%Ts_%rt\n\
             \x20 unique-id-header X-Request-Id\n\
             frontend in\n  bind {address}\n  default_backend app\nbackend app\n  server app {upstream}\n"
        );
        std::fs::write(&file, text).expect("HAProxy's settings");
        let mut command = pinned(core, "haproxy");
        command.arg("-db").arg("-f").arg(&file);
        Self::started("HAProxy", command, address)
    }

    fn caddy(folder: &Path, upstream: &str, core: &str) -> Self {
        let address = free_address();
        let (host, port) = address.rsplit_once(':').expect("an address with its port");
        let file = folder.join("Caddyfile");
        let text = format!(
            "{{\n  admin off\n  auto_https off\n}}\n\
             http://:{port} {{\n  bind {host}\n  reverse_proxy {upstream} {{\n    header_up X-Request-Id {{http.request.uuid}}\n\
             \x20   transport http {{\n      keepalive_idle_conns_per_host 128\n    }}\n  }}\n}}\n"
        );
        std::fs::write(&file, text).expect("Caddy's settings");
        let mut command = pinned(core, "caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
        command.env("GOMAXPROCS", "1").env("HOME", folder);
        Self::started("Caddy", command, address)
    }

    pub fn edge(folder: &Path, upstream: &str, core: &str) -> Self {
        let address = free_address();
        let file = folder.join("launchway.toml");
        let text = format!(
            "data = \"data\"\n[edge]\nlisten = \"{address}\"\n[projects.shop]\nforge = \"plain\"\nrepository = \"/nowhere/shop.git\"\nsecret = \"hook-secret\"\n[projects.shop.environments.production]\nbranch = \"main\"\n"
        );
        std::fs::write(&file, text).expect("the settings");
        let mut command = pinned(core, env!("CARGO_BIN_EXE_launchway"));
        command.arg("--config").arg(&file).arg("edge");
        let proxy = Self::started("edge", command, address);
        let upstream: SocketAddr = upstream.parse().expect("the upstream's address");
        let routes = ComponentRoutes {
            entries: vec![RouteEntry { listen: Listen::Shared { host: None, path: None }, target: upstream.port() }],
            releases: vec![WeightedRelease {
                release: ReleaseId(1),
                weight: 100,
                replicas: vec![Replica { id: "upstream".into(), address: Some(upstream.ip()), also: None }],
            }],
            ..ComponentRoutes::default()
        };
        let key = key();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = EdgeClient::new(&folder.join("data"));
        let began = Instant::now();
        // It listens a moment before it can be told anything.
        while let Err(error) = runtime.block_on(client.put(&key, &routes)) {
            assert!(began.elapsed() < Duration::from_secs(10), "the edge does not take the route: {error}");
            std::thread::sleep(Duration::from_millis(20));
        }
        proxy
    }

    /// Once it listens.
    fn started(name: &str, mut command: Command, address: String) -> Self {
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the proxy starts");
        let began = Instant::now();
        while TcpStream::connect(&address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "a proxy does not listen on {address}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { name: name.to_string(), process, address }
    }

    pub fn cpu_seconds(&self) -> f64 {
        figures::cpu_seconds(self.process.id())
    }

    /// What it holds of the machine's memory, in MB: all, and what is its own alone.
    pub fn memory_mb(&self) -> (f64, f64) {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process.id())).unwrap_or_default();
        let of = |name: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(name));
            let kb = lines.filter_map(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
            kb.sum::<f64>() / 1e3
        };
        (of("Rss:"), of("Private_Clean:") + of("Private_Dirty:"))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn key() -> RouteKey {
    RouteKey {
        project: "shop".parse().expect("a name"),
        environment: "production".parse().expect("a name"),
        component: "web".parse().expect("a name"),
    }
}

/// `taskset` becomes the program, so that its process is the proxy's.
fn pinned(core: &str, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core, program]);
    command
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}
