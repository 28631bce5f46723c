//! One cache and one database behind the app, as most stacks have them: this machine's Redis and PostgreSQL in containers.
//! The app asks both before each quick answer.

use super::image::Part;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, OnceCell};
use tokio_postgres::{Client, NoTls};

/// Where Debian puts PostgreSQL.
const POSTGRESQL: &str = "/usr/lib/postgresql";
/// The user of the containers: PostgreSQL does not run as root.
const USER: u32 = 65534;
const DATA: &str = "/data";
const SHELL: &str = "/bin/sh";

/// What the image needs of this machine; `None` where Redis or PostgreSQL is not installed.
pub fn parts() -> Option<Vec<Part>> {
    let redis = Path::new("/usr/bin/redis-server");
    let version = postgresql()?;
    let share = Path::new("/usr/share/postgresql").join(version.file_name()?);
    if !redis.exists() || !share.exists() {
        return None;
    }
    let program =
        |name: &str| Part::Program { from: version.join("bin").join(name), to: version.join("bin").join(name) };
    let mut parts = vec![Part::Program { from: redis.into(), to: "/redis-server".into() }];
    parts.extend(["postgres", "initdb", "pg_isready"].map(program));
    parts.extend([version.join("lib"), share].map(Part::Folder));
    parts.extend([SHELL, "/bin/busybox"].map(|to| Part::Program { from: "/usr/bin/busybox".into(), to: to.into() }));
    parts.push(Part::Text { to: "/etc/passwd".into(), text: format!("app:x:{USER}:{USER}::/tmp:{SHELL}\n") });
    parts.push(Part::Owned { to: DATA.into(), by: USER });
    Some(parts)
}

/// The newest that is installed.
fn postgresql() -> Option<PathBuf> {
    let versions = std::fs::read_dir(POSTGRESQL).ok()?.flatten().map(|entry| entry.path());
    versions.filter(|path| path.join("bin/postgres").exists()).max()
}

/// The services `cache` and `database`.
pub fn services(image: &str) -> String {
    let bin = postgresql().expect("PostgreSQL").join("bin");
    let bin = bin.display();
    let init = format!(
        "{bin}/initdb -D {DATA}/db -U app -A trust --no-locale -E UTF8 --no-sync >/dev/null && echo 'host all all all trust' >> {DATA}/db/pg_hba.conf"
    );
    format!(
        r#"
  cache:
    image: {image}
    user: "{USER}:{USER}"
    command: ["/redis-server", "--save", "", "--protected-mode", "no", "--dir", "/tmp"]
    tmpfs: ["/tmp:mode=1777"]
    healthcheck: {{ test: ["CMD", "{SHELL}", "-c", "printf 'PING\\r\\nQUIT\\r\\n' | busybox nc 127.0.0.1 6379 | busybox grep PONG"], interval: 1s, timeout: 5s, retries: 10 }}
  database:
    image: {image}
    user: "{USER}:{USER}"
    command: ["{SHELL}", "-c", "test -s {DATA}/db/PG_VERSION || ({init}); exec {bin}/postgres -D {DATA}/db -k /tmp -c listen_addresses='*'"]
    tmpfs: ["/tmp:mode=1777"]
    volumes: ["data:{DATA}"]
    healthcheck: {{ test: ["CMD", "{bin}/pg_isready", "-h", "127.0.0.1", "-U", "app", "-d", "postgres"], interval: 1s, timeout: 5s, retries: 30 }}
"#
    )
}

/// What the services keep.
pub const VOLUMES: &str = "volumes: { data: {} }\n";
/// What the app is told of them.
pub const ENVIRONMENT: &str = "CACHE: \"cache:6379\", DATABASE: \"database:5432\"";

/// One connection to each, as the app keeps them; made with the first question.
#[derive(Default)]
pub struct Backend {
    cache: Mutex<Option<BufReader<TcpStream>>>,
    database: OnceCell<Client>,
}

impl Backend {
    /// Asks both, where the app was told of them.
    pub async fn ask(&self) -> Result<()> {
        let (Ok(cache), Ok(database)) = (std::env::var("CACHE"), std::env::var("DATABASE")) else { return Ok(()) };
        self.ask_cache(&cache).await?;
        let client = self.database.get_or_try_init(async || connect(&database).await).await?;
        client.query_one("SELECT count(*) FROM pg_class", &[]).await.map_err(Error::other)?;
        Ok(())
    }

    async fn ask_cache(&self, address: &str) -> Result<()> {
        let mut kept = self.cache.lock().await;
        if kept.is_none() {
            *kept = Some(BufReader::new(TcpStream::connect(address).await?));
        }
        let stream = kept.as_mut().expect("it was just connected");
        stream.write_all(b"INCR answers\r\n").await?;
        let mut answer = String::new();
        stream.read_line(&mut answer).await?;
        if answer.starts_with(':') { Ok(()) } else { Err(Error::other(format!("the cache answers {answer:?}"))) }
    }
}

async fn connect(address: &str) -> Result<Client> {
    let (host, port) = address.split_once(':').ok_or_else(|| Error::other("no port"))?;
    let settings = format!("host={host} port={port} user=app dbname=postgres");
    let (client, connection) = tokio_postgres::connect(&settings, NoTls).await.map_err(Error::other)?;
    tokio::spawn(connection);
    Ok(client)
}
