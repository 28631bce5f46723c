//! The connection: which endpoint, which API version, how long an answer may take.

use super::answer::Denied;
use super::fronts::Means;
use super::own_container::OwnThings;
use super::rewrite;
use crate::engine::{EngineError, HeldNames, Ownership};
use crate::model::RegistryAccounts;
use bollard::{API_DEFAULT_VERSION, Docker};
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

const DEFAULT_ENDPOINT: &str = "unix:///var/run/docker.sock";

/// The oldest API that is spoken here: Docker Engine 20.10.
const OLDEST: ApiVersion = ApiVersion(41);

/// An engine may be replaced by a newer one while we run: its version is asked again after this.
const VERSION_KEPT: Duration = Duration::from_secs(60);

/// How long a request of [`DockerEngine::docker`] may wait for its answer to begin, unless its user says otherwise.
const REQUEST_LIMIT: Duration = Duration::from_secs(120);

/// Version 1.x of the engine's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion(pub u32);

impl ApiVersion {
    /// `start_interval` of health checks, all networks at create, addresses of network cards per network.
    pub const NETWORKS_AT_CREATE: ApiVersion = ApiVersion(44);
    /// From Docker 25 on, a health check has a `start_interval`.
    pub const START_INTERVAL: ApiVersion = ApiVersion(44);
    /// From Docker 26 on, a part of a volume can be mounted.
    pub const VOLUME_SUBPATH: ApiVersion = ApiVersion(45);
    /// `ip6tables` is on by default, so that `enable_icc` and `internal` hold for IPv6, too (Docker Engine 27).
    pub const FILTERS_IPV6: ApiVersion = ApiVersion(46);
    /// From Docker 24 on, containers have annotations.
    pub const ANNOTATIONS: ApiVersion = ApiVersion(43);
    /// What a pruned build cache may keep has this name.
    pub const RESERVED_SPACE: ApiVersion = ApiVersion(48);

    fn parse(text: &str) -> Option<Self> {
        text.strip_prefix("1.")?.parse().ok().map(Self)
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

/// One Docker Engine.
pub struct DockerEngine {
    docker: Docker,
    endpoint: String,
    /// The engine runs on this machine: its clock is ours, its containers' addresses are reachable (or nothing is).
    pub(super) local: bool,
    /// Minor version in every request's path; 0 until it was asked.
    version: Arc<AtomicU32>,
    asked: Mutex<Option<Instant>>,
    pub(super) patience: Duration,
    /// Docker's config.json; `None` is the one of the user whom we run as.
    pub(super) docker_config: Option<PathBuf>,
    /// Out of the server's own settings.
    pub(super) accounts: RwLock<RegistryAccounts>,
    /// Names that are being made just now: one at a time each.
    names: HeldNames,
    /// By which it is known what here is this store's.
    pub(super) ownership: Ownership,
    /// What Launchway itself uses here, once that was asked.
    pub(super) own_things: tokio::sync::OnceCell<OwnThings>,
    /// What fronts are made of, once that was asked.
    pub(super) means: tokio::sync::OnceCell<Means>,
}

impl fmt::Debug for DockerEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerEngine").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl DockerEngine {
    /// An engine by its endpoint: `unix:///path`, a path, `tcp://host:port` (with TLS where `DOCKER_TLS_VERIFY` and
    /// `DOCKER_CERT_PATH` say so). `None` is what `DOCKER_HOST` says, else `/var/run/docker.sock`.
    ///
    /// Nothing is asked of it yet: it may come later.
    pub fn connect(endpoint: Option<&str>) -> Result<Self, EngineError> {
        let from_environment = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        let endpoint = endpoint.or(from_environment.as_deref()).unwrap_or(DEFAULT_ENDPOINT);
        let endpoint = if endpoint.starts_with('/') { format!("unix://{endpoint}") } else { endpoint.to_string() };
        let socket = endpoint.strip_prefix("unix://").map(str::to_string);
        let connected = match &socket {
            // bollard wants the socket to be there already, and an engine may come later than we do; which socket it
            // really is, every request says.
            Some(_) => Docker::connect_with_unix("/", REQUEST_LIMIT.as_secs(), API_DEFAULT_VERSION),
            None => Docker::connect_with_host(&endpoint),
        };
        let docker = connected.map_err(|error| EngineError::Refused {
            attempted: format!("connect to the engine at {endpoint:?}"),
            why: match error {
                bollard::errors::Error::UnsupportedURISchemeError { .. } => {
                    "the endpoint must begin with unix://, tcp://, http:// or https://, or be the path of a socket"
                        .into()
                }
                other => other.to_string(),
            },
        })?;
        let version = Arc::new(AtomicU32::new(0));
        let docker = docker.with_request_modifier({
            let version = version.clone();
            move |mut request| {
                let uri = request.uri().to_string();
                let wanted = rewrite::uri(&uri, socket.as_deref(), version.load(Ordering::Relaxed));
                if let Some(Ok(wanted)) = wanted.map(|wanted| wanted.parse()) {
                    *request.uri_mut() = wanted;
                }
                for name in ["x-registry-auth", "x-registry-config"] {
                    let value = request.headers().get(name).and_then(|value| value.to_str().ok());
                    if let Some(Ok(safe)) = value.map(|text| rewrite::url_safe(text).parse()) {
                        request.headers_mut().insert(name, safe);
                    }
                }
                request
            }
        });
        Ok(Self {
            local: is_local(&endpoint),
            docker,
            endpoint,
            version,
            asked: Mutex::new(None),
            patience: Duration::from_secs(30),
            docker_config: None,
            accounts: RwLock::default(),
            names: HeldNames::default(),
            ownership: Ownership::of_nobody(),
            own_things: tokio::sync::OnceCell::new(),
            means: tokio::sync::OnceCell::new(),
        })
    }

    /// How long the engine may take to answer a question (30 s where this is not called); changes get four times that,
    /// uploads and pulls as long as they make progress.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What it makes is sealed by this store; without it, by a key that ends with the process.
    pub fn owned_by(mut self, ownership: Ownership) -> Self {
        self.ownership = ownership;
        self
    }

    /// Registry credentials come out of this `config.json`, not out of `$DOCKER_CONFIG` or `~/.docker`.
    pub fn with_docker_config(mut self, path: impl Into<PathBuf>) -> Self {
        self.docker_config = Some(path.into());
        self
    }

    /// The connection itself, for what is no step of a plan, such as building images. Its requests carry the
    /// negotiated version once anything was asked of the engine.
    pub fn docker(&self) -> Docker {
        self.docker.clone()
    }

    /// Where the engine is, as it was given or found.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) fn client(&self) -> &Docker {
        &self.docker
    }

    /// The version that both sides speak.
    pub(super) async fn api(&self) -> Result<ApiVersion, EngineError> {
        let known = self.version.load(Ordering::Relaxed);
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if known > 0 && asked.is_some_and(|at| at.elapsed() < VERSION_KEPT) {
            return Ok(ApiVersion(known));
        }
        let answer = self.query("ask for its version", self.docker.version()).await?;
        let text = answer.api_version.unwrap_or_default();
        let refused = |why: String| EngineError::Refused { attempted: "use the engine".into(), why };
        let theirs = ApiVersion::parse(&text)
            .ok_or_else(|| refused(format!("it says that its API version is {text:?}, which is not understood")))?;
        if theirs < OLDEST {
            return Err(refused(format!(
                "its API version is {theirs}; Docker Engine 20.10 (API {OLDEST}) is the oldest that works"
            )));
        }
        let ours = ApiVersion(API_DEFAULT_VERSION.minor_version as u32);
        let api = theirs.min(ours);
        self.version.store(api.0, Ordering::Relaxed);
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(api)
    }

    /// A question: quick, and safe to ask again.
    pub(super) async fn query<T>(
        &self,
        attempted: impl Into<String>,
        asked: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Denied> {
        self.within(self.patience, attempted, asked).await
    }

    /// A change, which may take a while on a busy machine.
    pub(super) async fn change<T>(
        &self,
        attempted: impl Into<String>,
        asked: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Denied> {
        self.within(self.patience * 4, attempted, asked).await
    }

    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        attempted: impl Into<String>,
        asked: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Denied> {
        let answer = tokio::time::timeout(limit, asked).await;
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Denied::new(&self.endpoint, attempted, error)),
            Err(_) => Err(Denied::silent(&self.endpoint, attempted, limit)),
        }
    }

    /// Held while something under this name is made, so that two steps do not make it twice.
    pub(super) async fn hold(&self, name: &str) -> tokio::sync::OwnedMutexGuard<()> {
        self.names.hold(name).await
    }
}

fn is_local(endpoint: &str) -> bool {
    let Some((scheme, rest)) = endpoint.split_once("://") else { return true };
    if scheme == "unix" {
        return true;
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    matches!(host, "localhost" | "[::1]") || host.starts_with("127.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_local_by_its_socket_or_its_loopback_address() {
        for local in ["unix:///run/x.sock", "tcp://127.0.0.1:2375", "tcp://localhost:2375", "http://[::1]:2375"] {
            assert!(is_local(local), "{local}");
        }
        for remote in ["tcp://10.0.0.7:2375", "https://docker.example.com", "tcp://[fe80::1]:2375"] {
            assert!(!is_local(remote), "{remote}");
        }
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(ApiVersion::parse("1.9").unwrap() < ApiVersion::parse("1.41").unwrap());
        assert_eq!(ApiVersion::parse("2.0"), None);
        assert_eq!(ApiVersion(44).to_string(), "1.44");
    }

    #[test]
    fn an_endpoint_of_an_unknown_kind_says_what_would_be_accepted() {
        let error = DockerEngine::connect(Some("ssh://host")).unwrap_err();
        insta::assert_snapshot!(error, @r#"could not connect to the engine at "ssh://host": the endpoint must begin with unix://, tcp://, http:// or https://, or be the path of a socket"#);
    }
}
