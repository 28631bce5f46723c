//! The keys of a service that go to the engine's create call more or less as they are written.

use super::component::Context;
use super::{
    deploy, environment, health, kernel, labels, logging, mounts, namespaces, networks, ports, restart, security,
};
use crate::compose::command_line;
use crate::compose::names::{self, Named};
use crate::compose::scalar::Kind;
use crate::compose::view::View;
use crate::compose::yaml::Value;
use crate::model::{ContainerSettings, Quoted, Ulimit};
use std::collections::BTreeMap;
use std::net::IpAddr;

pub fn read(context: &Context<'_>, view: &View<'_>) -> ContainerSettings {
    // An empty text says nothing, as in Compose.
    let said = |key: &str| view.get(key).filter(|v| v.node.text() != Some(""));
    let text = |key: &str| said(key).and_then(|v| v.text());
    let flag = |key: &str| view.get(key).and_then(|v| v.bool());
    let texts = |key: &str| view.get(key).map(|v| v.texts()).unwrap_or_default();
    if let Some(attach) = view.get("attach") {
        attach.bool();
    }
    let host = |key: &str| said(key).and_then(|v| v.text().inspect(|name| names::check_host(&v, name)));
    let resources = deploy::resources(view);
    let (environment, unset_environment) = environment::read(context, view);
    ContainerSettings {
        command: view.get("command").and_then(|v| command(&v)),
        entrypoint: view.get("entrypoint").and_then(|v| command(&v)),
        environment,
        cpuset: said("cpuset").and_then(|v| deploy::cpuset(&v)),
        unset_environment,
        user: text("user"),
        working_dir: text("working_dir"),
        hostname: host("hostname"),
        domainname: host("domainname"),
        labels: environment::labels(context, view),
        annotations: view.get("annotations").map(|v| kernel::annotations(context, &v)).unwrap_or_default(),
        container_name: view.get("container_name").and_then(|v| container_name(context, &v)),
        expose: view.get("expose").map(|v| ports::exposed(&v, context.loader.spent())).unwrap_or_default(),
        ports: view.get("ports").map(|v| ports::published(&v)).unwrap_or_default(),
        mounts: mounts::read(context, view),
        network_mode: namespaces::network_mode(context, view),
        networks: networks::read(context, view),
        links: texts("links"),
        extra_hosts: view.get("extra_hosts").map(|v| extra_hosts(&v)).unwrap_or_default(),
        dns: view.get("dns").map(|v| addresses(&v)).unwrap_or_default(),
        dns_search: texts("dns_search"),
        dns_opt: texts("dns_opt"),
        cap_add: view.get("cap_add").map(|v| security::capabilities(context, &v)).unwrap_or_default(),
        cap_drop: texts("cap_drop"),
        privileged: security::privileged(context, view),
        read_only: flag("read_only").unwrap_or(false),
        init: flag("init"),
        tty: flag("tty").unwrap_or(false),
        stdin_open: flag("stdin_open").unwrap_or(false),
        stop_signal: text("stop_signal"),
        stop_grace_period: view.get("stop_grace_period").and_then(|v| v.duration()),
        healthcheck: view.get("healthcheck").and_then(|v| health::read(&v)),
        restart: restart::read(view),
        resources,
        ulimits: view.get("ulimits").map(|v| kernel::ulimits(context, &v)).unwrap_or_default(),
        shm_size_bytes: view.get("shm_size").and_then(|v| v.bytes()).filter(|bytes| *bytes > 0),
        sysctls: view.get("sysctls").map(|v| kernel::sysctls(context, &v)).unwrap_or_default(),
        security_opt: view.get("security_opt").map(|v| security::options(context, &v)).unwrap_or_default(),
        group_add: view.get("group_add").map(|v| groups(&v)).unwrap_or_default(),
        devices: view.get("devices").map(|v| security::devices(context, &v)).unwrap_or_default(),
        pid: namespaces::read(context, view, "pid"),
        ipc: namespaces::read(context, view, "ipc"),
        uts: namespaces::read(context, view, "uts"),
        userns_mode: namespaces::read(context, view, "userns_mode"),
        cgroup_parent: security::cgroup_parent(context, view),
        runtime: kernel::runtime(context, view),
        platform: text("platform"),
        mac_address: said("mac_address").and_then(|v| networks::mac_address(&v)),
        oom_score_adj: kernel::oom_score_adj(context, view),
        oom_kill_disable: kernel::oom_kill_disable(context, view, resources.memory_limit_bytes.is_some()),
        logging: view.get("logging").and_then(|v| logging::read(context, &v)),
    }
}

/// A command as one text, split without a shell, or as a list of words. An empty one takes the image's away.
pub fn command(view: &View<'_>) -> Option<Vec<String>> {
    if matches!(view.node.value, Value::List(_)) {
        return Some(view.texts());
    }
    match command_line::split(&view.text()?) {
        Ok(command_line::Words { words, cut }) => {
            if let Some(cut) = cut {
                view.warning(format!(
                    "no shell reads this: it ends before {cut:?}, as in Compose; write [\"sh\", \"-c\", \"...\"]",
                    cut = Quoted(&cut)
                ));
            }
            Some(words)
        }
        Err(why) => {
            view.error(format!("cannot be split into words: {why}; a list of words needs no quoting"));
            None
        }
    }
}

fn container_name(context: &Context<'_>, view: &View<'_>) -> Option<String> {
    let name = view.text()?;
    let mut chars = name.chars();
    let starts_well = chars.next().is_some_and(|c| c.is_ascii_alphanumeric());
    if !starts_well || !chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')) || name.len() < 2 {
        view.error(format!(
            "{name:?} is not a container name: letters, digits, '_', '.' and '-', starting with a letter or digit",
            name = Quoted(&name)
        ));
    } else {
        names::check(view, Named::Container, &name, &context.request.compose_project);
    }
    Some(name)
}

/// Groups by name or number.
fn groups(view: &View<'_>) -> Vec<String> {
    let group = |item: &View<'_>| match item.node.scalar().map(|scalar| scalar.kind) {
        Some(Kind::Int) => item.scalar(),
        _ => item.text(),
    };
    view.items().iter().filter_map(group).collect()
}

fn addresses(view: &View<'_>) -> Vec<String> {
    for item in view.items() {
        if item.node.text().is_some_and(|text| text.parse::<IpAddr>().is_err()) {
            item.error(format!("{:?} is not an IP address", item.node.text().unwrap_or_default()));
        }
    }
    view.texts()
}

/// `name:address`, as the engine takes them.
pub fn extra_hosts(view: &View<'_>) -> Vec<String> {
    let read = |item: &View<'_>| {
        let text = item.text()?;
        match text.split_once(['=', ':']) {
            Some((host, address)) if !host.is_empty() && !address.is_empty() => Some(format!("{host}:{address}")),
            _ => {
                item.error(format!(
                    "{text:?} is not a host with its address, such as \"db=10.0.0.5\"",
                    text = Quoted(&text)
                ));
                None
            }
        }
    };
    view.items().iter().filter_map(read).collect()
}

pub fn ulimits(view: &View<'_>) -> BTreeMap<String, Ulimit> {
    let mut ulimits = BTreeMap::new();
    for (name, limit) in view.entries() {
        let wanted = "a whole number (-1 for unlimited)";
        let both = match limit.node.entries() {
            None => limit.number(wanted).map(|n| Ulimit { soft: n, hard: n }),
            Some(_) => {
                limit.only(&["soft", "hard"]);
                let part = |key: &str| {
                    let value = limit.get(key);
                    if value.is_none() {
                        limit.error(format!("needs `{key}:` too"));
                    }
                    value.and_then(|v| v.number(wanted))
                };
                part("soft").zip(part("hard")).map(|(soft, hard)| Ulimit { soft, hard })
            }
        };
        ulimits.extend(both.map(|limit| (name.to_string(), limit)));
    }
    ulimits
}

/// Labels of the service itself, without those of label files.
pub(super) fn own_labels(view: &View<'_>) -> BTreeMap<String, String> {
    labels(view)
}
