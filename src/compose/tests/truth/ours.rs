//! Our stack, in the form in which it is compared.

use super::{sorted, without};
use crate::model::{Component, Condition, HealthTest, MountSource, NetworkMode, RestartPolicy, Stack};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

pub fn of_stack(stack: &Stack) -> Value {
    let services: Map<_, _> = stack.components.iter().map(|(name, c)| (name.to_string(), of_component(c))).collect();
    let networks: Map<_, _> = stack
        .networks
        .iter()
        .map(|(key, network)| {
            let mut map = without(&serde_json::to_value(network).unwrap(), &["place", "ipam", "ipam_driver"]);
            let subnets = network.ipam.iter().map(|s| without(&serde_json::to_value(s).unwrap(), &[]));
            map["ipam"] = subnets.collect();
            map["ipam_driver"] = network.ipam_driver.clone().into();
            (key.clone(), map)
        })
        .collect();
    let volumes: Map<_, _> = stack
        .volumes
        .iter()
        .map(|(key, volume)| (key.clone(), without(&serde_json::to_value(volume).unwrap(), &["place"])))
        .collect();
    json!({"services": services, "networks": networks, "volumes": volumes})
}

fn ms(duration: Option<Duration>) -> Value {
    duration.map_or(Value::Null, |d| (d.as_millis() as u64).into())
}

fn of_component(component: &Component) -> Value {
    let c = &component.container;
    let r = &c.resources;
    let u = &component.update;
    let ulimits = |limits: &BTreeMap<String, crate::model::Ulimit>| {
        limits.iter().map(|(k, l)| (k.clone(), json!([l.soft, l.hard]))).collect::<Map<_, _>>()
    };
    let set = c.environment.iter().map(|(name, value)| (name, Some(value)));
    let environment: BTreeMap<_, _> = set.chain(c.unset_environment.iter().map(|name| (name, None))).collect();
    let mut out = json!({
        "image": component.image, "command": c.command, "entrypoint": c.entrypoint, "user": c.user,
        "working_dir": c.working_dir, "hostname": c.hostname, "domainname": c.domainname, "labels": c.labels,
        "annotations": c.annotations, "container_name": c.container_name, "privileged": c.privileged,
        "read_only": c.read_only, "tty": c.tty, "stdin_open": c.stdin_open, "stop_signal": c.stop_signal,
        "sysctls": c.sysctls, "pid": c.pid, "ipc": c.ipc, "uts": c.uts, "userns_mode": c.userns_mode,
        "cgroup_parent": c.cgroup_parent, "runtime": c.runtime, "platform": c.platform, "mac_address": c.mac_address,
        "oom_score_adj": c.oom_score_adj, "oom_kill_disable": c.oom_kill_disable, "init": c.init,
        "environment": environment, "cpuset": c.cpuset, "stop_grace_period": ms(c.stop_grace_period), "shm_size": c.shm_size_bytes,
        "ulimits": ulimits(&c.ulimits), "replicas": component.replicas,
        "resources": {
            "cpus": r.cpu_limit_millis, "memory": r.memory_limit_bytes, "pids": r.pids_limit,
            "cpus reserved": r.cpu_reservation_millis, "memory reserved": r.memory_reservation_bytes,
            "swap": r.memory_swap_bytes, "shares": r.cpu_shares,
        },
        "update": [u.parallelism, ms(u.delay), ms(u.monitor), u.failure_action, u.max_failure_ratio, u.order],
    });
    let lists = [
        ("links", &c.links),
        ("dns", &c.dns),
        ("dns_search", &c.dns_search),
        ("dns_opt", &c.dns_opt),
        ("cap_add", &c.cap_add),
        ("cap_drop", &c.cap_drop),
        ("security_opt", &c.security_opt),
        ("group_add", &c.group_add),
    ];
    for (key, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
        out[*key] = (*list).clone().into();
    }
    if !c.expose.is_empty() {
        out["expose"] = sorted(c.expose.iter().map(|e| e.clone().into()));
    }
    if !c.extra_hosts.is_empty() {
        out["extra_hosts"] = sorted(c.extra_hosts.iter().map(|e| e.clone().into()));
    }
    if !c.ports.is_empty() {
        out["ports"] = sorted(
            c.ports.iter().map(|p| json!([p.host_ip, p.published, p.target, p.protocol.word(), p.app_protocol])),
        );
    }
    if !c.devices.is_empty() {
        out["devices"] = c
            .devices
            .iter()
            .map(|d| {
                let parts: Vec<&str> = d.split(':').collect();
                format!("{}:{}:{}", parts[0], parts.get(1).unwrap_or(&parts[0]), parts.get(2).unwrap_or(&"rwm"))
            })
            .collect();
    }
    out["networks"] = c
        .networks
        .iter()
        .map(|(k, n)| (k.clone(), without(&serde_json::to_value(n).unwrap(), &[])))
        .collect::<Map<_, _>>()
        .into();
    out["network_mode"] = match &c.network_mode {
        NetworkMode::Networks => Value::Null,
        NetworkMode::None => "none".into(),
        NetworkMode::Host => "host".into(),
        NetworkMode::Bridge => "bridge".into(),
        NetworkMode::Component(name) => format!("service:{name}").into(),
        NetworkMode::Container(name) => format!("container:{name}").into(),
    };
    out["depends_on"] = component
        .depends_on
        .iter()
        .map(|(name, d)| {
            let condition = match d.condition {
                Condition::ServiceStarted => "service_started",
                Condition::ServiceHealthy => "service_healthy",
                Condition::ServiceCompletedSuccessfully => "service_completed_successfully",
            };
            (name.to_string(), json!([condition, d.required, d.restart]))
        })
        .collect::<Map<_, _>>()
        .into();
    out["healthcheck"] = c.healthcheck.as_ref().map_or(Value::Null, |h| {
        let test = match &h.test {
            HealthTest::Inherit => Value::Null,
            HealthTest::Disabled => json!(["NONE"]),
            HealthTest::Exec(words) => [vec!["CMD".to_string()], words.clone()].concat().into(),
            HealthTest::Shell(text) => json!(["CMD-SHELL", text]),
        };
        json!({"test": test, "interval": ms(h.interval), "timeout": ms(h.timeout), "start_period": ms(h.start_period),
            "start_interval": ms(h.start_interval), "retries": h.retries})
    });
    out["restart"] = match c.restart {
        None => Value::Null,
        Some(RestartPolicy::No) => "no".into(),
        Some(RestartPolicy::Always) => "always".into(),
        Some(RestartPolicy::UnlessStopped) => "unless-stopped".into(),
        Some(RestartPolicy::OnFailure { max_retries: None }) => "on-failure".into(),
        Some(RestartPolicy::OnFailure { max_retries: Some(n) }) => format!("on-failure:{n}").into(),
    };
    out["pull_policy"] = match component.pull {
        crate::model::PullPolicy::Missing => Value::Null,
        other => serde_json::to_value(other).unwrap(),
    };
    out["logging"] = c.logging.as_ref().map_or(Value::Null, |l| without(&serde_json::to_value(l).unwrap(), &[]));
    out["build"] = component.build.as_ref().map_or(Value::Null, |b| {
        without(&json!({
            "context": b.context.to_string(), "dockerfile": b.dockerfile.to_string(),
            "dockerfile_inline": b.dockerfile_inline, "args": b.args, "target": b.target, "cache_from": b.cache_from,
            "labels": b.labels, "network": b.network, "platform": b.platform, "no_cache": b.no_cache, "pull": b.pull,
            "tags": b.tags, "shm_size": b.shm_size_bytes, "extra_hosts": b.extra_hosts, "ulimits": ulimits(&b.ulimits),
            "secrets": b.secrets.iter().map(|s| json!([s.id, s.value.expose() != "made up"])).collect::<Vec<_>>(),
            "contexts": b.additional_contexts.iter().map(|(k, a)| (k.clone(), match a {
                crate::model::AdditionalContext::Folder(path) => path.to_string(),
                crate::model::AdditionalContext::Reference(text) => text.clone(),
                crate::model::AdditionalContext::Component(name) => format!("service:{name}"),
            }.into())).collect::<Map<_, _>>(),
        }), &[])
    });
    out["mounts"] = sorted(c.mounts.iter().map(|m| match &m.source {
        MountSource::Volume { key, no_copy, subpath } => {
            json!([m.target, "volume", [key, no_copy, subpath], m.read_only])
        }
        MountSource::Anonymous => json!([m.target, "volume", ["", false, null], m.read_only]),
        MountSource::Repository { path, .. } => json!([m.target, "commit", path.to_string(), m.read_only]),
        MountSource::Host { path, propagation, .. } => json!([m.target, "host", [path, propagation], m.read_only]),
        MountSource::Tmpfs { options: Some(options), .. } => json!([m.target, "tmpfs", options, m.read_only]),
        MountSource::Tmpfs { size_bytes: None, mode: None, options: None } => {
            json!([m.target, "tmpfs", "", m.read_only])
        }
        MountSource::Tmpfs { size_bytes, mode, .. } => json!([m.target, "tmpfs", [size_bytes, mode], m.read_only]),
        MountSource::Text { text, uid, gid, mode, .. } => {
            let mode = mode.map(|mode| format!("{mode:#o}").replace("0o", "0"));
            json!([m.target, "text", [text.expose(), uid, gid, mode], m.read_only])
        }
    }));
    let mut map = out.as_object().cloned().unwrap();
    map.retain(|_, value| !value.is_null() && *value != json!({}) && *value != json!(false));
    map.into()
}
