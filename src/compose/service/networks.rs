//! `networks` of a service.

use super::component::Context;
use crate::compose::networks::check_declared;
use crate::compose::view::View;
use crate::model::NetworkAttachment;
use std::collections::BTreeMap;

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
    let text = |key: &str| view.get(key).and_then(|v| v.text());
    NetworkAttachment {
        aliases: view.get("aliases").map(|v| v.texts()).unwrap_or_default(),
        ipv4_address: text("ipv4_address"),
        ipv6_address: text("ipv6_address"),
        mac_address: text("mac_address"),
        priority: view.get("priority").and_then(|v| v.number("a whole number")),
        driver_opts: view.get("driver_opts").map(|v| v.text_map()).unwrap_or_default(),
    }
}
