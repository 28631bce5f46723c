//! From the file's text to checked settings.

use super::check::Check;
use super::edge::network;
use super::file::{File, FileEnvironment, FileProject, FileRegistry, OneOrMore};
use super::masking::FileNames;
use super::mistakes;
use super::read_files::ReadFiles;
use super::value::{duration, size};
use super::{Config, Environment, Limits, Pattern, Project};
use crate::model::{
    EnvironmentName, ForgeKind, GitCredentials, HostPattern, MaskNames, Place, Problem, ProjectName, RegistryAccounts,
    RegistryCredentials, Repair, RepoPath, Secret, registry_name,
};
use globset::GlobBuilder;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;

/// Where everything is kept that the settings do not put elsewhere.
pub(super) const DEFAULT_DATA: &str = "/var/lib/launchway";

/// Everything that is wrong with the settings, each with its line.
#[derive(Debug)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
    /// What was read: when one of these changes, it may be right.
    pub files: ReadFiles,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.problems.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Reads and checks the file at `path`, and the files that it names.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let mut files = ReadFiles::default();
    files.note(path);
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("{} cannot be read: {error}. Name another file with --config.", path.display());
        ConfigError {
            problems: vec![Problem {
                severity: crate::model::Severity::Error,
                place: None,
                key: None,
                message,
                allow: None,
            }],
            files: files.clone(),
        }
    })?;
    parse_read(&text, path, files)
}

/// Checks the text of a settings file; `path` names it in messages and is what relative paths start from.
pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    parse_read(text, path, ReadFiles::default())
}

/// `files`: what was read for it before.
fn parse_read(text: &str, path: &Path, files: ReadFiles) -> Result<Config, ConfigError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let mut check =
        Check { text, file: path.display().to_string(), folder, files, problems: Vec::new(), warnings: Vec::new() };
    let (file, mistakes) = mistakes::read(text);
    let shape = mistakes.iter().map(|mistake| {
        let place = mistake.span.as_ref().map(|span| check.place_at(span.start));
        Problem::error(place, "", mistake.message.as_str())
    });
    let shape: Vec<Problem> = shape.collect();
    let Some(file) = file else { return Err(ConfigError { problems: shape, files: check.files }) };
    let mut config = check.config(file);
    // What is missing may be what was meant.
    let is_meant = |key: &str| mistakes.iter().any(|mistake| mistake.meant.as_deref() == Some(key));
    check.problems.retain(|problem| !problem.key.as_deref().is_some_and(is_meant));
    check.problems.extend(shape);
    check.problems.sort_by_key(|problem| problem.place.as_ref().map(|place| (place.file.clone(), place.line)));
    note_mountable(&mut config.projects);
    let Check { problems, warnings, files, .. } = check;
    if !problems.is_empty() {
        return Err(ConfigError { problems, files });
    }
    config.files = files;
    config.warnings = warnings;
    Ok(config)
}

/// Tells every project which paths of the host some project may mount.
fn note_mountable(projects: &mut BTreeMap<ProjectName, Project>) {
    let mut all = std::collections::BTreeSet::new();
    for project in projects.values() {
        all.extend(project.allow.host_paths.iter().cloned());
        all.extend(project.environments.values().flat_map(|environment| environment.binds.values().cloned()));
    }
    for project in projects.values_mut() {
        project.allow.mountable = all.iter().cloned().collect();
    }
}

/// With less, not even a compiler starts.
const LEAST_BUILD_BYTES: u64 = 64_000_000;

fn build_memory(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    if bytes < LEAST_BUILD_BYTES {
        return Err(format!("{text:?} is too little for any build: at least 64MB"));
    }
    Ok(bytes)
}

/// With less, no process begins.
const LEAST_FETCH_BYTES: u64 = 32_000_000;

fn fetch_memory(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    if bytes < LEAST_FETCH_BYTES {
        return Err(format!("{text:?} is too little for any repository: at least 32MB"));
    }
    Ok(bytes)
}

/// What an environment's variables and secrets are.
struct Values {
    variables: BTreeMap<String, String>,
    secrets: BTreeMap<String, Secret>,
    /// How the files end that the values came from; see [`Environment::line_ends`].
    line_ends: BTreeMap<String, String>,
}

impl Check<'_> {
    /// Nothing of it is wrong: a public repository is fetched without one. But its forge is told nothing.
    fn warn_of_no_token(&mut self, forge: Option<ForgeKind>, offset: usize, key: &str) {
        if !forge.is_some_and(ForgeKind::has_api) {
            return;
        }
        let message = "it is missing: the forge shows no status of a deployment, and a private repository cannot be fetched over https. Set a token that may read the repository and write its commit statuses, such as token = { file = \"forge.token\" }, or `forge = \"plain\"` where nobody reads them.";
        let place = self.place_at(offset);
        self.warnings.push(Problem::warning(Some(place), key, message));
    }

    fn config(&mut self, file: File) -> Config {
        let address = |text: &str| {
            text.parse().map_err(|_| format!("{text:?} is not an address with a port, such as 127.0.0.1:8080"))
        };
        let listen = self.parsed(file.listen.as_ref(), "listen", address).unwrap_or(([127, 0, 0, 1], 8080).into());
        let public_url = self
            .parsed(file.public_url.as_ref(), "public-url", web_url)
            .map(|url| url.as_str().trim_end_matches('/').to_string())
            .unwrap_or_else(|| format!("http://{listen}"));
        let data = self.folder.join(file.data.as_deref().unwrap_or(DEFAULT_DATA));
        let hooks = file.hooks.as_ref().map_or_else(|| data.join("hooks"), |folder| self.folder.join(folder));
        let limits = self.limits(&file.limits);
        let keep = self.keep(&file.keep);
        let mut trusted_proxies = self.each(file.trusted_proxies.as_ref(), "trusted-proxies", network);
        let edge = file.edge.as_ref().map(|edge| self.edge(edge, &trusted_proxies));
        // One machine's proxies are one list, wherever it stands.
        if let Some(edge) = &edge {
            trusted_proxies = edge.trusted_proxies.clone();
        }
        let metrics = self.parsed(file.metrics.listen.as_ref(), "metrics.listen", address);
        if let (Some(written), Some(metrics)) = (&file.metrics.listen, metrics)
            && metrics == listen
        {
            self.wrong(written.span().start, "metrics.listen", format!("{listen} is `listen` already; another port"));
        }
        let telemetry = file.telemetry.as_ref().and_then(|telemetry| self.telemetry(telemetry));
        let (registries, projects) = self.projects(&file.registries, file.projects);
        self.refuse_shared_compose_projects(&projects);
        Config {
            listen,
            public_url,
            trusted_proxies,
            data,
            engine: file.engine,
            hooks,
            limits,
            keep,
            edge,
            metrics,
            telemetry,
            registries,
            projects,
            warnings: Vec::new(),
            files: ReadFiles::default(),
        }
    }

    /// Every project, and the accounts at registries of all of them and of each.
    fn projects(
        &mut self,
        of_all: &BTreeMap<Spanned<String>, FileRegistry>,
        written: BTreeMap<Spanned<String>, Spanned<FileProject>>,
    ) -> (RegistryAccounts, BTreeMap<ProjectName, Project>) {
        let mut registries =
            RegistryAccounts { of_all: self.registries("registries", of_all), of_project: BTreeMap::new() };
        let mut projects = BTreeMap::new();
        if written.is_empty() {
            self.wrong(
                0,
                "projects",
                "no project is set. Add a [projects.NAME] with `forge`, `repository` and `secret`.",
            );
        }
        for (name, project) in written {
            let start = name.span().start;
            match ProjectName::new(name.get_ref().clone()) {
                Ok(name) => {
                    let line = self.place_at(start).line;
                    let project = project.get_ref();
                    if !project.registries.is_empty() {
                        let key = format!("projects.{name}.registries");
                        let own = self.registries(&key, &project.registries);
                        registries.of_project.insert(name.clone(), own);
                    }
                    let project = self.project(&name, line, start, project);
                    projects.insert(name, project);
                }
                Err(error) => self.wrong(start, "projects", error.to_string()),
            }
        }
        (registries, projects)
    }

    /// Two environments of one Compose project would take each other's containers away.
    fn refuse_shared_compose_projects(&mut self, projects: &BTreeMap<ProjectName, Project>) {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for project in projects.values() {
            for environment in project.environments.values() {
                let here = format!("{} {}", project.name, environment.name);
                if let Some(other) = seen.insert(environment.compose_project.clone(), here.clone()) {
                    let message = format!(
                        "{other} and {here} would have the same containers: both have compose-project {}. Give one of them another `compose-project`.",
                        environment.compose_project
                    );
                    let place = Place { file: self.file.clone(), line: project.line };
                    self.problems.push(Problem::error(Some(place), format!("projects.{}", project.name), message));
                }
            }
        }
    }

    fn limits(&mut self, file: &super::file::FileLimits) -> Limits {
        let mut at_least_one = |value: &Option<Spanned<usize>>, key: &str, usual: usize| match value {
            Some(value) if *value.get_ref() == 0 => {
                self.wrong(value.span().start, key, "0 would mean that nothing is ever done; at least 1");
                usual
            }
            Some(value) => *value.get_ref(),
            None => usual,
        };
        let builds = at_least_one(&file.builds, "limits.builds", 2);
        let deployments = at_least_one(&file.deployments, "limits.deployments", 4);
        let fetch_memory_bytes = self.parsed(file.fetch_memory.as_ref(), "limits.fetch-memory", fetch_memory);
        let repository_bytes = self.parsed(file.repository.as_ref(), "limits.repository", size);
        let build_memory_bytes = self.parsed(file.build_memory.as_ref(), "limits.build-memory", build_memory);
        let build_cpu_millis = file.build_cpus.as_ref().and_then(|cpus| {
            // The kernel's own least share of a period.
            if !(0.01..=4096.0).contains(cpus.get_ref()) {
                self.wrong(
                    cpus.span().start,
                    "limits.build-cpus",
                    "it is no number of cores: 0.01 to 4096, such as 1.5",
                );
                return None;
            }
            Some((cpus.get_ref() * 1000.0).round() as u64)
        });
        let mut time = |value: &Option<Spanned<String>>, key: &str, usual: u64| {
            self.parsed(value.as_ref(), key, duration).unwrap_or(Duration::from_secs(usual))
        };
        Limits {
            builds,
            deployments,
            fetch: time(&file.fetch, "limits.fetch", 300),
            fetch_memory_bytes: fetch_memory_bytes.unwrap_or(2_000_000_000),
            repository_bytes: repository_bytes.unwrap_or(10_000_000_000),
            prepare: time(&file.prepare, "limits.prepare", 900),
            build: time(&file.build, "limits.build", 3600),
            deploy: time(&file.deploy, "limits.deploy", 3600),
            catch_up: time(&file.catch_up, "limits.catch-up", 300),
            hook: time(&file.hook, "limits.hook", 30),
            wait: time(&file.wait, "limits.wait", 3600),
            build_memory_bytes,
            build_cpu_millis,
        }
    }

    /// `table`: where they stand.
    fn registries(
        &mut self,
        table: &str,
        file: &BTreeMap<Spanned<String>, FileRegistry>,
    ) -> BTreeMap<String, RegistryCredentials> {
        let mut registries = BTreeMap::new();
        for (written, account) in file {
            let (text, start) = (written.get_ref(), written.span().start);
            let key = format!("{table}.{text}");
            let name = registry_name(text);
            let is_host = !name.is_empty() && !name.contains(char::is_whitespace);
            let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
            if !is_host || rest.split_once('/').is_some_and(|(_, path)| !matches!(path, "" | "v1/" | "v2/")) {
                let message = "it is no registry: its host and, where it has one, its port, such as \"ghcr.io\" or \"registry.example.com:5000\"; \"docker.io\" is Docker Hub";
                self.wrong(start, &key, message);
            }
            let username = self.secret(Some(&account.username), &format!("{key}.username"));
            let password = self.secret(Some(&account.password), &format!("{key}.password"));
            let (Some(username), Some(password)) = (username, password) else { continue };
            let account = RegistryCredentials { username: username.expose().to_string(), password };
            if registries.insert(name.to_string(), account).is_some() {
                self.wrong(start, &key, format!("{name} has an account above already"));
            }
        }
        registries
    }

    fn repo_paths(&mut self, list: Option<&Spanned<OneOrMore>>, key: &str) -> Vec<RepoPath> {
        let Some(list) = list else { return Vec::new() };
        let mut paths = Vec::new();
        for text in list.get_ref().list() {
            match RepoPath::new(&text) {
                Ok(path) => paths.push(path),
                Err(error) => self.wrong(list.span().start, key, error.to_string()),
            }
        }
        paths
    }

    fn project(&mut self, name: &ProjectName, line: u32, start: usize, file: &FileProject) -> Project {
        let key = |part: &str| format!("projects.{name}.{part}");
        let forge = match &file.forge {
            Some(_) => self.parsed(file.forge.as_ref(), &key("forge"), |text| text.parse::<ForgeKind>()),
            None => {
                self.wrong(start, &key("forge"), "it is missing: github, gitlab, gitea, forgejo or plain");
                None
            }
        };
        if file.repository.is_none() {
            self.wrong(start, &key("repository"), "it is missing: the URL or path that the repository is cloned from");
        }
        let repository = file.repository.as_ref().map(|r| r.get_ref().clone()).unwrap_or_default();
        let secret = self.secret(file.secret.as_ref(), &key("secret"));
        let signing_token = self.secret(file.signing_token.as_ref(), &key("signing-token"));
        if file.secret.is_none() && file.signing_token.is_none() {
            let message = "it is missing: without it anybody could start a deployment. Set the secret of the repository's webhook, such as secret = { file = \"hook.secret\" } (make one with `openssl rand -hex 32`).";
            self.wrong(start, &key("secret"), message);
        }
        let token = self.secret(file.token.as_ref(), &key("token"));
        self.warn_of_no_token(forge.filter(|_| token.is_none()), start, &key("token"));
        let full_name = match &file.name {
            Some(name) => name.get_ref().clone(),
            None => full_name_of(&repository, forge),
        };
        for range in &file.allow.subnets {
            if range.parse::<ipnet::IpNet>().is_err() {
                let message = format!("{range:?} is no range of addresses, such as \"172.28.0.0/16\"");
                self.wrong(start, &key("allow.subnets"), message);
            }
        }
        for path in file.allow.host_paths.iter().filter(|path| !path.starts_with('/')) {
            self.wrong(start, &key("allow.host-paths"), format!("{path:?} is no absolute path"));
        }
        let path = self.parsed(file.path.as_ref(), &key("path"), |text| RepoPath::new(text).map_err(|e| e.to_string()));
        let compose = self.repo_paths(file.compose.as_ref(), &key("compose"));
        let folder = self.folder.clone();
        let beside = |file: &String| folder.join(file);
        let credentials = GitCredentials {
            username: file.username.clone(),
            token: token.clone(),
            ssh_key: file.ssh_key.as_ref().map(beside),
            known_hosts: file.known_hosts.as_ref().map(beside),
        };
        if file.environments.is_empty() {
            let message =
                format!("no environment is set. Add [projects.{name}.environments.production] with branch = \"main\".");
            self.wrong(start, &key("environments"), message);
        }
        let names = self.both(&FileNames { mask: file.mask.as_ref(), plain: file.plain.as_ref() }, &key);
        let mut environments = BTreeMap::new();
        for (environment, settings) in &file.environments {
            match EnvironmentName::new(environment.get_ref().clone()) {
                Ok(environment_name) => {
                    let at = environment.span().start;
                    let read = self.environment(name, &environment_name, at, settings.get_ref(), (&compose, &names));
                    environments.insert(environment_name, read);
                }
                Err(error) => self.wrong(environment.span().start, &key("environments"), error.to_string()),
            }
        }
        Project {
            name: name.clone(),
            forge: forge.unwrap_or(ForgeKind::Plain),
            repository,
            full_name,
            api: self.parsed(file.api.as_ref(), &key("api"), web_url),
            secret,
            signing_token,
            token,
            credentials,
            path: path.unwrap_or_default(),
            submodules: file.submodules,
            submodule_hosts: file.submodule_hosts.clone(),
            public_logs: file.public_logs,
            allow: file.allow.clone(),
            environments,
            line,
        }
    }

    fn environment(
        &mut self,
        project: &ProjectName,
        name: &EnvironmentName,
        start: usize,
        file: &FileEnvironment,
        (project_compose, project_names): (&[RepoPath], &MaskNames),
    ) -> Environment {
        let key = |part: &str| format!("projects.{project}.environments.{name}.{part}");
        let branches = self.patterns(file.branch.as_ref(), &key("branch"));
        let tags = self.patterns(file.tag.as_ref(), &key("tag"));
        if file.branch.is_none() && file.tag.is_none() {
            self.wrong(start, &key("branch"), "nothing deploys here: set branch = \"main\" or tag = \"v*\"");
        }
        let Values { variables, secrets, line_ends } = self.values(file, &key);
        let own = FileNames { mask: file.mask.as_ref(), plain: file.plain.as_ref() };
        let names = self.mask_names(project_names, &own, file.secrets.keys(), &key);
        let binds = self.binds(file, &key("binds"));
        let compose = match self.repo_paths(file.compose.as_ref(), &key("compose")) {
            own if own.is_empty() => project_compose.to_vec(),
            own => own,
        };
        let compose_project = self
            .parsed(file.compose_project.as_ref(), &key("compose-project"), |text| {
                ProjectName::new(text).map(|name| name.to_string()).map_err(|error| error.to_string())
            })
            .unwrap_or_else(|| format!("{project}-{name}"));
        let hosts = self.hosts(file, &key("hosts"));
        Environment {
            name: name.clone(),
            hosts,
            branches,
            tags,
            compose_project,
            compose,
            profiles: file.profiles.clone(),
            variables,
            secrets,
            line_ends,
            names,
            files: file.files.iter().map(|(path, file)| (path.clone(), self.folder.join(file))).collect(),
            binds,
            bake: self.parsed(file.bake.as_ref(), &key("bake"), duration),
            repair: self.parsed(file.repair.as_ref(), &key("repair"), |text| text.parse::<Repair>()),
            windows: self.windows(&file.windows, &key("windows")),
            freezes: self.freezes(&file.freeze, &key("freeze")),
            approval: file.approval,
            approvers: self.approvers(&file.approvers, &key("approvers")),
            priority: self.priority(file.priority.as_ref(), name, &key("priority")),
        }
    }

    fn values(&mut self, file: &FileEnvironment, key: &dyn Fn(&str) -> String) -> Values {
        let mut variables = BTreeMap::new();
        for (variable, source) in &file.variables {
            match self.value(source.get_ref()) {
                Ok(text) => {
                    variables.insert(variable.clone(), text);
                }
                Err(message) => self.wrong(source.span().start, &key(&format!("variables.{variable}")), message),
            }
        }
        let mut secrets = BTreeMap::new();
        for (secret, source) in &file.secrets {
            if let Some(value) = self.secret(Some(source), &key(&format!("secrets.{secret}"))) {
                secrets.insert(secret.clone(), value);
            }
        }
        let mut known = variables.clone();
        known.extend(secrets.iter().map(|(name, secret)| (name.clone(), secret.expose().to_string())));
        for (name, value) in self.variable_files(&file.variable_files, &known, &key("variable-files")) {
            variables.entry(name).or_insert(value);
        }
        let sources = file.variables.iter().chain(&file.secrets);
        let line_ends = sources
            .filter_map(|(name, source)| Some((name.clone(), source.get_ref().line_end(&self.folder)?)))
            .collect();
        Values { variables, secrets, line_ends }
    }

    /// Paths of the host in place of volumes and folders of the Compose file.
    fn binds(&mut self, file: &FileEnvironment, key: &str) -> BTreeMap<String, String> {
        let mut binds = BTreeMap::new();
        for (source, path) in &file.binds {
            if path.get_ref().starts_with('/') {
                binds.insert(source.clone(), path.get_ref().clone());
            } else {
                let message = format!("{:?} is not an absolute path of the host", path.get_ref());
                self.wrong(path.span().start, key, message);
            }
        }
        binds
    }

    fn hosts(&mut self, file: &FileEnvironment, key: &str) -> Vec<HostPattern> {
        let mut hosts = Vec::new();
        for text in file.hosts.iter().flat_map(|hosts| hosts.get_ref().list()) {
            match HostPattern::parse(&text) {
                Ok(pattern) => hosts.push(pattern),
                Err(why) => {
                    let start = file.hosts.as_ref().map_or(0, |hosts| hosts.span().start);
                    self.wrong(start, key, format!("{why}, *.example.com or *"));
                }
            }
        }
        hosts
    }

    fn patterns(&mut self, list: Option<&Spanned<OneOrMore>>, key: &str) -> Vec<Pattern> {
        let Some(list) = list else { return Vec::new() };
        let mut patterns = Vec::new();
        for text in list.get_ref().list() {
            match GlobBuilder::new(&text).literal_separator(true).build() {
                Ok(glob) => patterns.push(Pattern { glob: glob.compile_matcher(), text }),
                Err(error) => self.wrong(list.span().start, key, format!("{text:?} is not a pattern: {error}")),
            }
        }
        patterns
    }
}

pub(super) fn web_url(text: &str) -> Result<url::Url, String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(format!("{text:?} is not an http or https URL")),
    }
}

/// `owner/name` of a URL or path: what follows the host, or the last two parts, without `.git`. Where names always have two
/// parts, what stands before them in a URL is where the forge is (`https://host/git/acme/shop`).
fn full_name_of(repository: &str, forge: Option<ForgeKind>) -> String {
    let name = path_of(repository);
    let two = forge.is_some_and(ForgeKind::names_have_two_parts);
    match name.rmatch_indices('/').nth(1) {
        Some((at, _)) if two => name[at + 1..].to_string(),
        _ => name,
    }
}

fn path_of(repository: &str) -> String {
    let path = match url::Url::parse(repository) {
        Ok(url) if url.has_host() => url.path().to_string(),
        _ => match repository.split_once(':') {
            Some((before, after)) if !before.contains('/') => after.to_string(),
            _ => {
                let mut last: Vec<&str> = repository.trim_end_matches('/').rsplit('/').take(2).collect();
                last.reverse();
                last.join("/")
            }
        },
    };
    let path = path.trim_matches('/');
    path.strip_suffix(".git").unwrap_or(path).to_string()
}

#[cfg(test)]
mod tests;
