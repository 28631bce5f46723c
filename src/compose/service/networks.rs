//! `networks` of a service.

use super::component::Context;
use crate::compose::names::check_host;
use crate::compose::networks::check_declared;
use crate::compose::view::View;
use crate::model::{NetworkAttachment, Quoted};
use std::collections::BTreeMap;
use std::net::IpAddr;

const KEYS: &[&str] = &[
    "aliases",
    "interface_name",
    "ipv4_address",
    "ipv6_address",
    "link_local_ips",
    "mac_address",
    "driver_opts",
    "priority",
    "gw_priority",
];

/// What concerns the container's own end of the network alone.
const ENDPOINT_OPTIONS: &[&str] = &["com.docker.network.endpoint.ifname", "com.docker.network.endpoint.sysctls"];

/// The networks by key; `default` where the service names none and has no `network_mode`.
pub fn read(context: &Context<'_>, view: &View<'_>) -> BTreeMap<String, NetworkAttachment> {
    let networks = view.get("networks");
    if view.get("network_mode").is_some() {
        if let Some(networks) = networks {
            networks.error("`networks` and `network_mode` exclude each other");
        }
        return BTreeMap::new();
    }
    let mut attachments = BTreeMap::new();
    for (key, attachment) in networks.map(|v| v.entries()).unwrap_or_default() {
        check_declared(context.file, key, &attachment);
        attachments.insert(key.to_string(), self::attachment(&attachment));
    }
    if attachments.is_empty() {
        attachments.insert("default".into(), NetworkAttachment::default());
    }
    attachments
}

fn attachment(view: &View<'_>) -> NetworkAttachment {
    if view.node.is_null() || !view.only(KEYS) {
        return NetworkAttachment::default();
    }
    for key in ["interface_name", "link_local_ips", "gw_priority"] {
        if let Some(value) = view.get(key) {
            value.error(format!("`{key}` is understood but not supported"));
        }
    }
    for alias in view.get("aliases").map(|v| v.items()).unwrap_or_default() {
        if let Some(text) = alias.node.text() {
            check_host(&alias, text);
        }
    }
    for (key, value) in view.get("driver_opts").map(|v| v.entries()).unwrap_or_default() {
        if !ENDPOINT_OPTIONS.contains(&key) {
            value.error(format!(
                "{key:?} is not supported here; accepted: {}",
                ENDPOINT_OPTIONS.join(", "),
                key = Quoted(&key)
            ));
        }
    }
    let address = |key: &str| {
        let at = view.get(key)?;
        let text = at.text()?;
        if text.parse::<IpAddr>().is_err() {
            at.error(format!("{text:?} is not an IP address", text = Quoted(&text)));
        }
        Some(text)
    };
    NetworkAttachment {
        aliases: view.get("aliases").map(|v| v.texts()).unwrap_or_default(),
        ipv4_address: address("ipv4_address"),
        ipv6_address: address("ipv6_address"),
        mac_address: view.get("mac_address").and_then(|v| mac_address(&v)),
        priority: view.get("priority").and_then(|v| v.number("a whole number")),
        driver_opts: view.get("driver_opts").map(|v| v.text_map()).unwrap_or_default(),
    }
}

/// `02:42:ac:11:00:02`, with colons or dashes.
pub fn mac_address(view: &View<'_>) -> Option<String> {
    let text = view.text()?;
    let is_pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
    if text.split([':', '-']).count() != 6 || !text.split([':', '-']).all(is_pair) {
        view.error(format!(
            "{text:?} is not the address of a network card, such as \"02:42:ac:11:00:02\"",
            text = Quoted(&text)
        ));
    }
    Some(text)
}
