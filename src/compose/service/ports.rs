//! `ports` (in their long form) and `expose`.

use crate::compose::spent::Spent;
use crate::compose::view::View;
use crate::model::{Port, Protocol, Quoted};
use std::net::IpAddr;

const KEYS: &[&str] = &["name", "mode", "host_ip", "target", "published", "protocol", "app_protocol"];

pub fn published(view: &View<'_>) -> Vec<Port> {
    view.items().iter().filter(|item| !item.node.is_null()).filter_map(port).collect()
}

fn port(view: &View<'_>) -> Option<Port> {
    if view.node.entries().is_none() {
        view.error("is not a port; accepted: \"8080:80\", or a mapping with `target:` and `published:`");
        return None;
    }
    view.only(KEYS);
    let Some(target) = view.get("target") else {
        view.error("needs `target:`, the port in the container");
        return None;
    };
    if let Some(mode) = view.get("mode") {
        mode.word(&["ingress", "host"]);
    }
    if let Some(name) = view.get("name") {
        name.text();
    }
    Some(Port {
        target: target.number("a port from 1 to 65535").filter(|port| *port != 0).or_else(|| {
            target.error("must be a port from 1 to 65535");
            None
        })?,
        published: view.get("published").and_then(|v| published_port(&v)),
        host_ip: view.get("host_ip").and_then(|v| address(&v)),
        protocol: view.get("protocol").and_then(|v| protocol(&v)).unwrap_or(Protocol::Tcp),
        app_protocol: view.get("app_protocol").and_then(|v| v.text()),
    })
}

/// 0 and an empty text leave the choice to the engine.
fn published_port(view: &View<'_>) -> Option<u16> {
    let text = view.scalar()?;
    if text.contains('-') {
        view.error(format!(
            "{text:?}: one port out of a range is not supported; publish one port, or leave it to the engine with the \
             target alone",
            text = Quoted(&text)
        ));
        return None;
    }
    if text.is_empty() {
        return None;
    }
    view.number::<u16>("a port from 0 to 65535").filter(|port| *port != 0)
}

fn address(view: &View<'_>) -> Option<String> {
    let text = view.text()?;
    if text.parse::<IpAddr>().is_err() {
        view.error(format!("{text:?} is not an IP address", text = Quoted(&text)));
        return None;
    }
    Some(text)
}

fn protocol(view: &View<'_>) -> Option<Protocol> {
    match view.word(&["tcp", "udp", "sctp"])?.as_str() {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        _ => Some(Protocol::Sctp),
    }
}

/// `8080`, `8080/udp` or a range: always written with the protocol, a range as its ports.
pub fn exposed(view: &View<'_>, spent: &Spent) -> Vec<String> {
    view.items().iter().flat_map(|item| exposed_item(item, spent)).collect()
}

fn exposed_item(view: &View<'_>, spent: &Spent) -> Vec<String> {
    let Some(text) = view.scalar() else { return Vec::new() };
    let (ports, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) if first <= last && ["tcp", "udp", "sctp"].contains(&protocol) => {
            if spent.ports(0).is_err() {
                // It was said at the first port that was one too many.
                return Vec::new();
            }
            if let Err(error) = spent.ports(usize::from(last - first) + 1) {
                view.error(error.to_string());
                return Vec::new();
            }
            (first..=last).map(|port| format!("{port}/{protocol}")).collect()
        }
        _ => {
            view.error(format!("{text:?} is not a port, such as 8080 or \"8080/udp\"", text = Quoted(&text)));
            Vec::new()
        }
    }
}
