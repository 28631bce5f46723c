//! What the engine says of a container, held against what was asked of it. Pure but for the one question.

use super::connect::DockerEngine;
use super::settings;
use crate::engine::EngineError;
use crate::plan::{ContainerSpec, EngineMount, EngineNetworkMode};
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HostConfig, PortMap, RestartPolicy, RestartPolicyNameEnum,
};
use std::collections::BTreeSet;

impl DockerEngine {
    pub(super) async fn differences_of(
        &self,
        container: &str,
        spec: &ContainerSpec,
    ) -> Result<Vec<String>, EngineError> {
        let api = self.api().await?;
        let asked = settings::container_config(spec, api);
        let host = settings::host_config(spec, api).map_err(|why| {
            let attempted = format!("compare container {} with what was asked for", spec.name);
            EngineError::Refused { attempted, why }
        })?;
        match self.look_up(container).await? {
            Some(found) => Ok(differences(spec, &asked, &host, &found)),
            None => Err(EngineError::NotFound { what: format!("container {}", spec.name) }),
        }
    }
}

/// What the engine fills in itself where nothing was asked (the image's command, a default size) is not compared.
fn differences(
    spec: &ContainerSpec,
    asked: &ContainerCreateBody,
    host: &HostConfig,
    found: &ContainerInspectResponse,
) -> Vec<String> {
    let config = found.config.clone().unwrap_or_default();
    let found_host = found.host_config.clone().unwrap_or_default();
    let mut all = Vec::new();
    let mut compare = |what: &str, same: bool| {
        if !same {
            all.push(what.to_string());
        }
    };
    compare("its command", words(&asked.cmd).is_none_or(|command| words(&config.cmd) == Some(command)));
    compare("its entrypoint", words(&asked.entrypoint).is_none_or(|entry| words(&config.entrypoint) == Some(entry)));
    compare("its user", asked.user.is_none() || asked.user == config.user);
    let folder = |text: &Option<String>| text.as_deref().map(clean);
    compare(
        "its working directory",
        asked.working_dir.is_none() || folder(&asked.working_dir) == folder(&config.working_dir),
    );
    let has = config.env.unwrap_or_default();
    let is_as_asked = |variable: &str| match variable.contains('=') {
        true => has.iter().any(|found| found == variable),
        false => !has.iter().any(|found| found.split_once('=').is_some_and(|(name, _)| name == variable)),
    };
    for variable in asked.env.iter().flatten().filter(|variable| !is_as_asked(variable)) {
        let name = variable.split('=').next().unwrap_or_default();
        compare(&format!("the variable {name} of its environment"), false);
    }
    let limit = |number: Option<i64>| number.unwrap_or_default().max(0);
    compare("its memory limit", limit(host.memory) == limit(found_host.memory));
    compare("its memory reservation", limit(host.memory_reservation) == limit(found_host.memory_reservation));
    compare("its CPU limit", limit(host.nano_cpus) == limit(found_host.nano_cpus));
    let cores = |set: &Option<String>| set.clone().unwrap_or_default();
    compare("the cores that it may use", cores(&host.cpuset_cpus) == cores(&found_host.cpuset_cpus));
    compare("its limit of processes", limit(host.pids_limit) == limit(found_host.pids_limit));
    compare("its restart policy", restart(&host.restart_policy) == restart(&found_host.restart_policy));
    compare("whether it is privileged", host.privileged == found_host.privileged);
    compare("whether its files are read-only", host.readonly_rootfs == found_host.readonly_rootfs);
    compare("its added capabilities", capabilities(&host.cap_add) == capabilities(&found_host.cap_add));
    compare("its dropped capabilities", capabilities(&host.cap_drop) == capabilities(&found_host.cap_drop));
    compare("its published ports", ports(&host.port_bindings) == ports(&found_host.port_bindings));
    for mount in &spec.mounts {
        compare(&format!("its mount at {}", target(mount)), is_mounted(mount, found, &found_host));
    }
    let mode = found_host.network_mode.unwrap_or_default();
    let networks = found.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    match &spec.network {
        EngineNetworkMode::Networks(wanted) => {
            for network in wanted {
                let is_on_it = networks.is_some_and(|networks| networks.contains_key(&network.name));
                compare(&format!("its network {}", network.name), is_on_it);
            }
        }
        EngineNetworkMode::None => compare("its network mode", mode == "none"),
        EngineNetworkMode::Host => compare("its network mode", mode == "host"),
        EngineNetworkMode::Bridge => compare("its network mode", matches!(mode.as_str(), "bridge" | "default")),
        EngineNetworkMode::Container(_) | EngineNetworkMode::ForeignContainer(_) => {
            compare("its network mode", mode.starts_with("container:"));
        }
    }
    all
}

/// Absent where it is the image's: nothing was asked, or an empty list or text, with which Compose takes away what the
/// image has.
fn words(list: &Option<Vec<String>>) -> Option<&[String]> {
    list.as_deref().filter(|words| words.iter().any(|word| !word.is_empty()))
}

/// `/data/` and `/data` are one place.
fn clean(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("/{}", parts.join("/"))
}

fn restart(policy: &Option<RestartPolicy>) -> (RestartPolicyNameEnum, i64) {
    let policy = policy.clone().unwrap_or_default();
    let name = policy.name.filter(|name| *name != RestartPolicyNameEnum::EMPTY).unwrap_or(RestartPolicyNameEnum::NO);
    (name, policy.maximum_retry_count.unwrap_or_default())
}

/// Newer engines write `CAP_` before what was asked without it.
fn capabilities(list: &Option<Vec<String>>) -> BTreeSet<String> {
    let plain = |name: &String| name.to_ascii_uppercase().trim_start_matches("CAP_").to_string();
    list.iter().flatten().map(plain).collect()
}

fn ports(map: &Option<PortMap>) -> BTreeSet<(String, String, String)> {
    let mut all = BTreeSet::new();
    for (port, bindings) in map.iter().flatten() {
        for binding in bindings.iter().flatten() {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            all.insert((port.clone(), text(&binding.host_ip), text(&binding.host_port)));
        }
    }
    all
}

fn target(mount: &EngineMount) -> &str {
    match mount {
        EngineMount::Volume { target, .. }
        | EngineMount::Anonymous { target, .. }
        | EngineMount::ContentFile { target, .. }
        | EngineMount::Host { target, .. }
        | EngineMount::Below { target, .. }
        | EngineMount::Tmpfs { target, .. } => target,
    }
}

fn is_mounted(mount: &EngineMount, found: &ContainerInspectResponse, host: &HostConfig) -> bool {
    let at = clean(target(mount));
    let is_there = |path: &str| clean(path) == at;
    let point = found.mounts.iter().flatten().find(|point| point.destination.as_deref().is_some_and(is_there));
    // The engine keeps a plain tmpfs elsewhere.
    if matches!(mount, EngineMount::Tmpfs { .. }) && host.tmpfs.iter().flatten().any(|(path, _)| is_there(path)) {
        return true;
    }
    let Some(point) = point else { return false };
    let is_writable = point.rw == Some(true);
    match mount {
        EngineMount::Volume { name, read_only, .. } | EngineMount::Below { volume: name, read_only, .. } => {
            point.name.as_deref() == Some(name) && is_writable != *read_only
        }
        EngineMount::Anonymous { read_only, .. } | EngineMount::Host { read_only, .. } => is_writable != *read_only,
        EngineMount::ContentFile { .. } => !is_writable,
        EngineMount::Tmpfs { .. } => true,
    }
}
