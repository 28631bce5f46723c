//! `network_mode`, `pid`, `ipc`, `uts`, `userns_mode` and `cgroup`: whose namespaces a container shares.

use super::component::Context;
use crate::compose::suggest;
use crate::compose::view::View;
use crate::model::{ComponentName, NetworkMode, Quoted};

pub fn network_mode(context: &Context<'_>, view: &View<'_>) -> NetworkMode {
    // Two keys that only ever name the host's: read here so that none is forgotten.
    let _ = read(context, view, "cgroup");
    let Some(mode) = view.get("network_mode") else { return NetworkMode::Networks };
    let Some(text) = mode.text() else { return NetworkMode::Networks };
    match text.split_once(':') {
        None => {
            match text.as_str() {
                "none" => NetworkMode::None,
                "bridge" => {
                    if context.request.allowed.external("bridge").is_none() {
                        let why = "on the engine's own bridge, containers of all projects and of others reach each other, so it is refused; leave `network_mode` out, or";
                        mode.refuse(why, "external = [\"bridge\"]");
                    }
                    if let Some(links) = view.get("links") {
                        links.error("on the engine's own bridge, a link goes to whichever container has the name; use `networks`");
                    }
                    NetworkMode::Bridge
                }
                "host" => {
                    if !context.request.allowed.host_namespaces {
                        refuse_host(&mode, "the host's network");
                    }
                    NetworkMode::Host
                }
                _ => {
                    mode.error(format!(
                        "{text:?} is not one of none, bridge, host, service:NAME, container:NAME",
                        text = Quoted(&text)
                    ));
                    NetworkMode::Networks
                }
            }
        }
        Some(("service", name)) => match service(context, &mode, name, "the network") {
            Some(name) => NetworkMode::Component(name),
            None => NetworkMode::Networks,
        },
        Some(("container", name)) => {
            if !context.request.allowed.host_namespaces {
                refuse_container(&mode, "the network");
            }
            NetworkMode::Container(name.to_string())
        }
        Some(_) => {
            mode.error(format!(
                "{text:?} is not one of none, bridge, host, service:NAME, container:NAME",
                text = Quoted(&text)
            ));
            NetworkMode::Networks
        }
    }
}

/// The other namespaces, as the engine takes them.
pub fn read(context: &Context<'_>, view: &View<'_>, key: &str) -> Option<String> {
    let value = view.get(key)?;
    let text = value.text()?;
    let allowed = context.request.allowed.host_namespaces;
    match text.split_once(':') {
        Some(("container", _)) if !allowed => refuse_container(&value, &format!("the {key} namespace")),
        Some(("service", name)) if key == "pid" => drop(service(context, &value, name, "the processes")),
        Some(("service", _)) => {
            value.error(format!("sharing the {key} namespace of another service is understood but not supported"));
        }
        _ if text == "host" && !allowed => refuse_host(&value, &format!("the host's {key} namespace")),
        _ => {}
    }
    let words: &[&str] = match key {
        "ipc" => &["host", "private", "shareable", "none", ""],
        "cgroup" => &["host", "private"],
        _ => &["host", ""],
    };
    let is_a_container = text.strip_prefix("container:").is_some_and(|name| !name.is_empty());
    if !is_a_container && !text.starts_with("service:") && !words.contains(&text.as_str()) {
        let service = ["service:NAME"].into_iter().filter(|_| key == "pid");
        let words: Vec<&str> = words.iter().filter(|word| !word.is_empty()).copied().chain(service).collect();
        value.error(format!("{text:?} is not one of {}, container:NAME", words.join(", "), text = Quoted(&text)));
    }
    if key == "cgroup" && text == "host" && allowed {
        value.error("`cgroup: host` is understood but not supported");
    }
    Some(text).filter(|text| !text.is_empty())
}

fn service(context: &Context<'_>, view: &View<'_>, name: &str, what: &str) -> Option<ComponentName> {
    if !context.active.contains(name) {
        let hint = suggest::hint(name, context.active.iter().copied());
        view.error(format!("there is no service {name:?} to share {what} with{hint}", name = Quoted(&name)));
        return None;
    }
    ComponentName::new(name).ok()
}

fn refuse_host(view: &View<'_>, what: &str) {
    view.refuse(&format!("{what} is refused;"), "host-namespaces = true");
}

fn refuse_container(view: &View<'_>, what: &str) {
    view.refuse(&format!("sharing {what} of a container of somebody else is refused;"), "host-namespaces = true");
}
