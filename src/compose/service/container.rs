//! The keys of a service that go to the engine's create call more or less as they are written.

use super::component::Context;
use super::{deploy, environment, health, labels, mounts, namespaces, networks, ports, restart, security};
use crate::compose::command_line;
use crate::compose::scalar::Kind;
use crate::compose::view::View;
use crate::compose::yaml::Value;
use crate::model::{ContainerSettings, Logging, Ulimit};
use std::collections::BTreeMap;

pub fn read(context: &Context<'_>, view: &View<'_>) -> ContainerSettings {
    let text = |key: &str| view.get(key).and_then(|v| v.text());
    let flag = |key: &str| view.get(key).and_then(|v| v.bool());
    let texts = |key: &str| view.get(key).map(|v| v.texts()).unwrap_or_default();
    let scalars = |key: &str| view.get(key).map(|v| v.scalars()).unwrap_or_default();
    let map = |key: &str| view.get(key).map(|v| v.text_map()).unwrap_or_default();
    if let Some(attach) = view.get("attach") {
        attach.bool();
    }
    ContainerSettings {
        command: view.get("command").and_then(|v| command(&v)),
        entrypoint: view.get("entrypoint").and_then(|v| command(&v)),
        environment: environment::read(context, view),
        user: text("user"),
        working_dir: text("working_dir"),
        hostname: text("hostname"),
        domainname: text("domainname"),
        labels: environment::labels(context, view),
        annotations: map("annotations"),
        container_name: view.get("container_name").and_then(|v| container_name(&v)),
        expose: view.get("expose").map(|v| ports::exposed(&v, context.loader.spent())).unwrap_or_default(),
        ports: view.get("ports").map(|v| ports::published(&v)).unwrap_or_default(),
        mounts: mounts::read(context, view),
        network_mode: namespaces::network_mode(context, view),
        networks: networks::read(context, view),
        links: texts("links"),
        extra_hosts: view.get("extra_hosts").map(|v| extra_hosts(&v)).unwrap_or_default(),
        dns: texts("dns"),
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
        resources: deploy::resources(view),
        ulimits: view.get("ulimits").map(|v| ulimits(&v)).unwrap_or_default(),
        shm_size_bytes: view.get("shm_size").and_then(|v| v.bytes()),
        sysctls: map("sysctls"),
        security_opt: view.get("security_opt").map(|v| security::options(context, &v)).unwrap_or_default(),
        group_add: scalars("group_add"),
        devices: view.get("devices").map(|v| security::devices(context, &v)).unwrap_or_default(),
        pid: namespaces::read(context, view, "pid"),
        ipc: namespaces::read(context, view, "ipc"),
        uts: namespaces::read(context, view, "uts"),
        userns_mode: namespaces::read(context, view, "userns_mode"),
        cgroup_parent: security::cgroup_parent(context, view),
        runtime: text("runtime"),
        platform: text("platform"),
        mac_address: text("mac_address"),
        oom_score_adj: view.get("oom_score_adj").and_then(|v| v.number("a whole number from -1000 to 1000")),
        oom_kill_disable: flag("oom_kill_disable"),
        logging: view.get("logging").and_then(|v| logging(&v)),
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
                    "no shell reads this: it ends before {cut:?}, as in Compose; write [\"sh\", \"-c\", \"...\"]"
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

fn container_name(view: &View<'_>) -> Option<String> {
    let name = view.text()?;
    let mut chars = name.chars();
    let starts_well = chars.next().is_some_and(|c| c.is_ascii_alphanumeric());
    if !starts_well || !chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')) || name.len() < 2 {
        view.error(format!(
            "{name:?} is not a container name: letters, digits, '_', '.' and '-', starting with a letter or digit"
        ));
    }
    Some(name)
}

/// `name:address`, as the engine takes them.
pub fn extra_hosts(view: &View<'_>) -> Vec<String> {
    let read = |item: &View<'_>| {
        let text = item.text()?;
        match text.split_once(['=', ':']) {
            Some((host, address)) if !host.is_empty() && !address.is_empty() => Some(format!("{host}:{address}")),
            _ => {
                item.error(format!("{text:?} is not a host with its address, such as \"db=10.0.0.5\""));
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

fn logging(view: &View<'_>) -> Option<Logging> {
    view.only(&["driver", "options"]).then(|| Logging {
        driver: view.get("driver").and_then(|v| v.text()),
        options: view.get("options").map(|options| log_options(&options)).unwrap_or_default(),
    })
}

fn log_options(view: &View<'_>) -> BTreeMap<String, String> {
    for (key, value) in view.entries() {
        if value.node.scalar().is_some_and(|scalar| scalar.kind == Kind::Bool) {
            value.error(format!("`{key}` must be a text or a number (put it in quotes)"));
        }
    }
    view.text_map()
}

/// Labels of the service itself, without those of label files.
pub(super) fn own_labels(view: &View<'_>) -> BTreeMap<String, String> {
    labels::labels(view)
}
