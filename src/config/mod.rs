//! `launchway.toml`: parsed and validated, every error with its line.

mod allow_lines;
mod check;
mod data;
mod edge;
mod file;
mod gone;
mod keep;
mod load;
mod masking;
mod mistakes;
mod read_files;
mod telemetry;
mod timing;
mod value;
mod variable_file;
mod variable_files;

pub use allow_lines::allow_lines;
pub use data::data_directory;
pub use load::{ConfigError, load, parse};
pub use read_files::ReadFiles;
pub use telemetry::Telemetry;

use crate::model::{
    EdgeSettings, EnvironmentName, ForgeKind, Freeze, GitCredentials, HostPattern, MaskNames, Permissions, Problem,
    ProjectName, RefName, RegistryAccounts, Repair, RepoPath, Retention, Secret, Window,
};
use globset::GlobMatcher;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// The server's settings, checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    /// Where people and forges reach it; without a trailing slash.
    pub public_url: String,
    /// Proxies whose word on who asks is believed, by the receiver and the pages as by the edge.
    pub trusted_proxies: Vec<IpNet>,
    /// Absolute.
    pub data: PathBuf,
    /// `unix:///...` or `tcp://...`; absent: `DOCKER_HOST`, else the usual socket.
    pub engine: Option<String>,
    /// Absolute: the folder with what is run when a deployment begins or ends.
    pub hooks: PathBuf,
    pub limits: Limits,
    /// How much of what is past is kept.
    pub keep: Retention,
    /// Without it, this machine has no edge.
    pub edge: Option<EdgeSettings>,
    /// Where `/metrics` is served; absent: only on the control socket.
    pub metrics: Option<SocketAddr>,
    /// Where traces of deployments are sent; absent: nowhere.
    pub telemetry: Option<Telemetry>,
    pub registries: RegistryAccounts,
    pub projects: BTreeMap<ProjectName, Project>,
    /// What is right, and may not be what was meant.
    pub warnings: Vec<Problem>,
    /// What all this was read from.
    pub files: ReadFiles,
}

/// How much at once, and how long each stage may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Builds at once over all projects.
    pub builds: usize,
    /// Deployments at once over all environments.
    pub deployments: usize,
    pub fetch: Duration,
    /// Memory that fetching a repository may take.
    pub fetch_memory_bytes: u64,
    /// What the mirror of a project may have on the disk, with those of its submodules.
    pub repository_bytes: u64,
    pub prepare: Duration,
    pub build: Duration,
    pub deploy: Duration,
    /// How often the tips of deployed refs are compared with what was received.
    pub catch_up: Duration,
    /// How long a hook may take.
    pub hook: Duration,
    /// How long a deployment may wait for room on the host.
    pub wait: Duration,
    /// Memory that all builds together may take; absent: half of the host's.
    pub build_memory_bytes: Option<u64>,
    /// Cores that all builds together may use, in thousandths; absent: all that nobody else wants.
    pub build_cpu_millis: Option<u64>,
}

/// A repository that Launchway deploys.
#[derive(Debug, Clone)]
pub struct Project {
    pub name: ProjectName,
    pub forge: ForgeKind,
    /// The only URL that is ever cloned.
    pub repository: String,
    /// `owner/name` on the forge.
    pub full_name: String,
    /// The forge's API; absent: derived from the repository's URL.
    pub api: Option<Url>,
    pub secret: Option<Secret>,
    /// GitLab's signing token; where set, the plain token is not accepted.
    pub signing_token: Option<Secret>,
    /// For statuses, and for fetching over https where no other credentials are set.
    pub token: Option<Secret>,
    pub credentials: GitCredentials,
    /// The folder of the repository that holds the Compose file.
    pub path: RepoPath,
    pub submodules: bool,
    /// Hosts besides the repository's own that submodules may come from.
    pub submodule_hosts: Vec<String>,
    /// Whether the page of a deployment, which anybody with its link can read, shows the log.
    pub public_logs: bool,
    pub allow: Permissions,
    pub environments: BTreeMap<EnvironmentName, Environment>,
    /// The file's line, for messages.
    pub line: u32,
}

/// A place that branches or tags deploy to.
#[derive(Debug, Clone)]
pub struct Environment {
    pub name: EnvironmentName,
    pub branches: Vec<Pattern>,
    pub tags: Vec<Pattern>,
    /// The Compose project's name on the engine.
    pub compose_project: String,
    /// The hosts that its routes may have, and nobody else's; where it is empty, those that nobody had first.
    pub hosts: Vec<HostPattern>,
    /// Compose files relative to the project's `path`; empty: the usual names.
    pub compose: Vec<RepoPath>,
    pub profiles: Vec<String>,
    /// Plain values, with those of `variable-files`, the last one winning.
    pub variables: BTreeMap<String, String>,
    /// Masked wherever text leaves the process.
    pub secrets: BTreeMap<String, Secret>,
    /// The line breaks at the ends of the files that `variables` and `secrets` come from, by the variable: these are no part of
    /// a value, and of a file that is made of it they are.
    pub line_ends: BTreeMap<String, String>,
    /// What else is masked, and what is not taken for secret by its looks: by name.
    pub names: MaskNames,
    /// Files that the commit does not hold (`.env`), by their path as the Compose file names it.
    pub files: BTreeMap<String, PathBuf>,
    /// A relative source that the commit does not hold -> a path of the host.
    pub binds: BTreeMap<String, String>,
    pub bake: Option<Duration>,
    /// What is put right while nothing is deployed; absent: what the repository says.
    pub repair: Option<Repair>,
    /// When deployments may begin, beside what the live release says: no commit loosens it.
    pub windows: Vec<Window>,
    pub freezes: Vec<Freeze>,
    /// A deployment waits for somebody's yes.
    pub approval: bool,
    /// Who may say yes on the page of a deployment, and the code that shows it is them.
    pub approvers: BTreeMap<String, Secret>,
    /// Of what waits, the higher goes first; from -100 to 100.
    pub priority: i8,
}

/// A branch or tag name, or a glob such as `release/*` (`*` stays within a `/`, `**` does not).
#[derive(Debug, Clone)]
pub struct Pattern {
    pub text: String,
    glob: GlobMatcher,
}

impl Environment {
    /// Whether a push to this ref deploys here.
    pub fn wants(&self, reference: &RefName) -> bool {
        let any = |patterns: &[Pattern], name: &str| patterns.iter().any(|pattern| pattern.glob.is_match(name));
        match (reference.branch(), reference.tag()) {
            (Some(branch), _) => any(&self.branches, branch),
            (_, Some(tag)) => any(&self.tags, tag),
            _ => false,
        }
    }

    /// All values for interpolation: plain ones and secrets.
    pub fn values(&self) -> BTreeMap<String, String> {
        let secrets = self.secrets.iter().map(|(name, secret)| (name.clone(), secret.expose().to_string()));
        self.variables.clone().into_iter().chain(secrets).collect()
    }
}

impl Project {
    /// Environments that a push to this ref deploys to.
    pub fn wanting(&self, reference: &RefName) -> impl Iterator<Item = &Environment> {
        self.environments.values().filter(|environment| environment.wants(reference))
    }
}

impl Config {
    /// An environment with its project; `None` where the settings no longer have it.
    pub fn environment(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
    ) -> Option<(&Project, &Environment)> {
        let project = self.projects.get(project)?;
        Some((project, project.environments.get(environment)?))
    }

    /// Projects whose repository is the same as this one's, itself included, where its own path and environments differ.
    /// By host and name without case; a path of this machine only by itself.
    pub fn sharing_repository(&self, project: &Project) -> impl Iterator<Item = &Project> {
        let is_same = |other: &Project| {
            let is_name = other.full_name.to_lowercase() == project.full_name.to_lowercase();
            let is_place = other.repository.trim_end_matches('/') == project.repository.trim_end_matches('/');
            // Hosts last: they are read from the URLs, and each delivery asks.
            (is_name || is_place)
                && match project.host() {
                    Some(host) => is_name && other.host() == Some(host),
                    None => is_place,
                }
        };
        self.projects
            .values()
            .filter(move |other| other.forge == project.forge && (other.name == project.name || is_same(other)))
    }

    /// The context under which an environment's statuses appear.
    pub fn status_context(&self, project: &Project, environment: &EnvironmentName) -> String {
        if self.sharing_repository(project).count() > 1 {
            format!("launchway/{environment} ({})", project.name)
        } else {
            format!("launchway/{environment}")
        }
    }
}

impl Project {
    /// The host of the repository's URL, `None` for a path.
    pub fn host(&self) -> Option<String> {
        host_of(&self.repository)
    }
}

fn host_of(repository: &str) -> Option<String> {
    if let Ok(url) = Url::parse(repository) {
        return url.host_str().map(str::to_lowercase);
    }
    // scp-like: git@host:owner/name.git
    let (before, _) = repository.split_once(':')?;
    (!before.contains('/')).then(|| before.rsplit('@').next().unwrap_or(before).to_lowercase())
}
