//! The file's shape, as it is written.

use super::value::Source;
use super::variable_file::VariableFile;
use crate::model::{Freeze, Permissions, Window};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// The whole file, as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct File {
    pub listen: Option<Spanned<String>>,
    pub public_url: Option<Spanned<String>>,
    pub trusted_proxies: Option<Spanned<OneOrMore>>,
    pub data: Option<String>,
    pub engine: Option<String>,
    pub hooks: Option<String>,
    #[serde(default)]
    pub limits: FileLimits,
    #[serde(default)]
    pub keep: FileKeep,
    pub edge: Option<FileEdge>,
    #[serde(default)]
    pub metrics: FileMetrics,
    pub telemetry: Option<FileTelemetry>,
    #[serde(default)]
    pub registries: BTreeMap<Spanned<String>, FileRegistry>,
    #[serde(default)]
    pub projects: BTreeMap<Spanned<String>, Spanned<FileProject>>,
}

/// `[metrics]`
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FileMetrics {
    pub listen: Option<Spanned<String>>,
}

/// `[telemetry]`
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FileTelemetry {
    pub otlp: Spanned<String>,
    #[serde(default)]
    pub headers: BTreeMap<Spanned<String>, Spanned<Source>>,
}

/// `[registries."ghcr.io"]`
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FileRegistry {
    pub username: Spanned<Source>,
    pub password: Spanned<Source>,
}

/// `[limits]`, as it is written.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FileLimits {
    pub builds: Option<Spanned<usize>>,
    pub deployments: Option<Spanned<usize>>,
    pub fetch: Option<Spanned<String>>,
    pub fetch_memory: Option<Spanned<String>>,
    pub repository: Option<Spanned<String>>,
    pub prepare: Option<Spanned<String>>,
    pub build: Option<Spanned<String>>,
    pub deploy: Option<Spanned<String>>,
    pub catch_up: Option<Spanned<String>>,
    pub hook: Option<Spanned<String>>,
    pub wait: Option<Spanned<String>>,
    pub build_memory: Option<Spanned<String>>,
    pub build_cpus: Option<Spanned<f64>>,
}

/// `[keep]`, as it is written.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FileKeep {
    pub releases: Option<Spanned<usize>>,
    pub age: Option<Spanned<String>>,
    pub deployments: Option<Spanned<String>>,
    pub build_cache: Option<Spanned<String>>,
    pub free: Option<Spanned<String>>,
}

/// `[edge]`, as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FileEdge {
    pub listen: Option<Spanned<OneOrMore>>,
    pub hold: Option<Spanned<String>>,
    pub hold_most: Option<usize>,
    pub trusted_proxies: Option<Spanned<OneOrMore>>,
    pub drain: Option<Spanned<String>>,
    pub answer_timeout: Option<Spanned<String>>,
    pub connect_timeout: Option<Spanned<String>>,
    pub head_timeout: Option<Spanned<String>>,
    pub unread_timeout: Option<Spanned<String>>,
    pub addresses: Option<Spanned<String>>,
}

/// `[projects.NAME]`, as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FileProject {
    pub forge: Option<Spanned<String>>,
    pub repository: Option<Spanned<String>>,
    pub name: Option<Spanned<String>>,
    pub api: Option<Spanned<String>>,
    pub secret: Option<Spanned<Source>>,
    pub signing_token: Option<Spanned<Source>>,
    pub token: Option<Spanned<Source>>,
    pub username: Option<String>,
    pub ssh_key: Option<String>,
    pub known_hosts: Option<String>,
    pub path: Option<Spanned<String>>,
    pub compose: Option<Spanned<OneOrMore>>,
    #[serde(default)]
    pub submodules: bool,
    #[serde(default)]
    pub submodule_hosts: Vec<String>,
    #[serde(default)]
    pub public_logs: bool,
    #[serde(default)]
    pub allow: Permissions,
    pub mask: Option<Spanned<OneOrMore>>,
    pub plain: Option<Spanned<OneOrMore>>,
    #[serde(default)]
    pub registries: BTreeMap<Spanned<String>, FileRegistry>,
    #[serde(default)]
    pub environments: BTreeMap<Spanned<String>, Spanned<FileEnvironment>>,
}

/// `[projects.NAME.environments.NAME]`, as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FileEnvironment {
    pub branch: Option<Spanned<OneOrMore>>,
    pub tag: Option<Spanned<OneOrMore>>,
    pub compose_project: Option<Spanned<String>>,
    pub hosts: Option<Spanned<OneOrMore>>,
    pub compose: Option<Spanned<OneOrMore>>,
    #[serde(default)]
    pub profiles: Vec<String>,
    #[serde(default)]
    pub variables: BTreeMap<String, Spanned<Source>>,
    #[serde(default)]
    pub variable_files: Vec<Spanned<VariableFile>>,
    #[serde(default)]
    pub secrets: BTreeMap<String, Spanned<Source>>,
    pub mask: Option<Spanned<OneOrMore>>,
    pub plain: Option<Spanned<OneOrMore>>,
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    #[serde(default)]
    pub binds: BTreeMap<String, Spanned<String>>,
    pub bake: Option<Spanned<String>>,
    pub repair: Option<Spanned<String>>,
    #[serde(default)]
    pub windows: Vec<Spanned<Window>>,
    #[serde(default)]
    pub freeze: Vec<Spanned<Freeze>>,
    #[serde(default)]
    pub approval: bool,
    #[serde(default)]
    pub approvers: BTreeMap<String, Spanned<Source>>,
    pub priority: Option<Spanned<i64>>,
}

/// `"main"`, or `["main", "release/*"]`.
#[derive(Deserialize, Clone)]
#[serde(untagged)]
pub enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    /// All of them, in the order in which they are written.
    pub fn list(&self) -> Vec<String> {
        match self {
            OneOrMore::One(text) => vec![text.clone()],
            OneOrMore::More(list) => list.clone(),
        }
    }
}
