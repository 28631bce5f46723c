//! A whole service: which keys it may have, and who reads which.

use super::{build, container, dependencies, deploy};
use crate::compose::launchway;
use crate::compose::load::{Loader, Variables};
use crate::compose::read::ReadRequest;
use crate::compose::view::View;
use crate::model::{Component, ComponentName, PullPolicy, Quoted};
use std::collections::BTreeSet;

/// What the readers of a service's keys may look at.
pub struct Context<'a> {
    pub request: &'a ReadRequest<'a>,
    /// The whole file.
    pub file: &'a View<'a>,
    pub loader: &'a Loader<'a>,
    /// The project's own, not those of an included file.
    pub variables: &'a Variables,
    pub active: &'a BTreeSet<&'a str>,
    /// Left out, because none of their profiles is wanted.
    pub inactive: &'a BTreeSet<&'a str>,
}

/// Every key of a service in the Compose Specification.
#[rustfmt::skip]
const KEYS: &[&str] = &[
    "annotations", "attach", "blkio_config", "build", "cap_add", "cap_drop", "cgroup", "cgroup_parent", "command",
    "configs", "container_name", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota", "cpu_rt_period",
    "cpu_rt_runtime", "cpu_shares", "cpus", "cpuset", "credential_spec", "depends_on", "deploy", "develop",
    "device_cgroup_rules", "devices", "dns", "dns_opt", "dns_search", "domainname", "entrypoint", "env_file",
    "environment", "expose", "extends", "external_links", "extra_hosts", "gpus", "group_add", "healthcheck",
    "hostname", "image", "init", "ipc", "isolation", "label_file", "labels", "links", "logging", "mac_address",
    "mem_limit", "mem_reservation", "mem_swappiness", "memswap_limit", "models", "network_mode", "networks",
    "oom_kill_disable", "oom_score_adj", "pid", "pids_limit", "platform", "ports", "post_start", "pre_stop",
    "privileged", "profiles", "provider", "pull_policy", "pull_refresh_after", "read_only", "restart", "runtime",
    "scale", "secrets", "security_opt", "shm_size", "stdin_open", "stop_grace_period", "stop_signal", "storage_opt",
    "sysctls", "tmpfs", "tty", "ulimits", "use_api_socket", "user", "userns_mode", "uts", "volumes", "volumes_from",
    "working_dir",
];

/// Understood, and refused: the key, and what to do instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("blkio_config", "limits of block devices are not supported"),
    ("cpu_count", "it is for Windows containers; use `cpus`"),
    ("cpu_percent", "it is for Windows containers; use `cpus`"),
    ("cpu_period", "use `cpus`"),
    ("cpu_quota", "use `cpus`"),
    ("cpu_rt_period", "real-time scheduling is not supported"),
    ("cpu_rt_runtime", "real-time scheduling is not supported"),
    ("credential_spec", "it is for Windows containers"),
    ("device_cgroup_rules", "name the devices under `devices`"),
    ("external_links", "links to containers of others are not supported; use an external network"),
    (
        "gpus",
        "name the GPU under `devices` as CDI calls it, such as nvidia.com/gpu=all, and let `allow.devices` list it; Docker Engine 25 and newer take that",
    ),
    ("mem_swappiness", "engines with cgroups v2 ignore it"),
    ("models", "run what serves the model as a service with an image, and give its address under `environment`"),
    ("post_start", "lifecycle hooks are not supported; use `x-launchway.release-command` or a job"),
    ("pre_stop", "lifecycle hooks are not supported; handle the stop signal in the app"),
    (
        "provider",
        "it is a program on the machine of whoever types `docker compose`; write what it would give under `environment`",
    ),
    ("pull_refresh_after", "use `launchway deploy --pull`"),
    ("storage_opt", "only some storage drivers of engines can limit it; what is large belongs into a volume"),
];

/// Reports keys that no service has.
pub fn check_keys(view: &View<'_>) -> bool {
    view.only(KEYS)
}

pub fn read(context: &Context<'_>, name: ComponentName, view: &View<'_>) -> Option<Component> {
    if !check_keys(view) {
        return None;
    }
    for (key, why) in UNSUPPORTED {
        if let Some(value) = view.get(key) {
            value.error(format!("`{key}` is understood but not supported: {why}"));
        }
    }
    if let Some(develop) = view.get("develop").filter(|develop| develop.only(&["watch"])) {
        develop.note("`develop:` is for developers' machines and is ignored");
    }
    if let Some(isolation) = view.get("isolation").filter(|v| v.node.text() != Some("default")) {
        isolation.error("`isolation` is for Windows containers and is not supported");
    }
    if let Some(profiles) = view.get("profiles") {
        profiles.texts();
    }
    let image = view.get("image").and_then(|v| v.text()).filter(|image| !image.is_empty());
    let platform = view.get("platform");
    let platform = platform.as_ref().and_then(|v| v.node.text()).filter(|platform| !platform.is_empty());
    let build = view.get("build").and_then(|v| build::read(context, &v, platform));
    if view.get("image").is_none_or(|v| v.node.text() == Some(""))
        && view.get("build").is_none()
        && view.get("provider").is_none()
    {
        view.error("has neither `image:` nor `build:`; one of them says what to run");
    }
    launchway::check_spelling(view);
    let settings = launchway::component(view, context.request.environment, &context.request.allowed);
    let container = container::read(context, view);
    let replicas = deploy::replicas(view);
    if let (Some(container_name), true) = (view.get("container_name"), replicas > 1) {
        container_name.error(format!("a container name can exist only once, and the service has {replicas} replicas"));
    }
    Some(Component {
        place: view.key_place(),
        image,
        build,
        builder: None,
        pull: pull_policy(view),
        depends_on: dependencies::read(context, &name, view),
        container,
        replicas,
        update: deploy::update(view),
        settings,
        name,
        entries: Vec::new(),
        image_volumes: Vec::new(),
        image_calls: Default::default(),
        called_containers: Default::default(),
        answers_http: BTreeSet::new(),
        answered: BTreeSet::new(),
        traffic: None,
    })
}

fn pull_policy(view: &View<'_>) -> PullPolicy {
    let Some(policy) = view.get("pull_policy") else { return PullPolicy::default() };
    match policy.text().as_deref() {
        Some("missing" | "if_not_present") => PullPolicy::Missing,
        Some("always") => PullPolicy::Always,
        Some("never") => PullPolicy::Never,
        Some("build") => PullPolicy::Build,
        Some(word) => {
            let periodic = ["refresh", "daily", "weekly"].contains(&word) || word.starts_with("every_");
            let why = if periodic { "is understood but not supported" } else { "is not a pull policy" };
            policy.error(format!("{word:?} {why}; accepted: missing, always, never, build", word = Quoted(&word)));
            PullPolicy::Missing
        }
        None => PullPolicy::Missing,
    }
}
