//! Top-level `networks`, as far as components use them.

use super::names::{self, Named};
use super::network_driver;
use super::read::ReadRequest;
use super::service::labels;
use super::suggest;
use super::view::View;
use crate::model::{Component, ComponentName, Network, Quoted, Subnet};
use std::collections::{BTreeMap, BTreeSet};

const KEYS: &[&str] = &[
    "name",
    "driver",
    "driver_opts",
    "ipam",
    "external",
    "internal",
    "enable_ipv4",
    "enable_ipv6",
    "attachable",
    "labels",
];

/// The networks by key; one that no component uses is left out, as Compose leaves it out.
pub fn read(
    request: &ReadRequest<'_>,
    file: &View<'_>,
    components: &BTreeMap<ComponentName, Component>,
) -> BTreeMap<String, Network> {
    let used: BTreeSet<&str> =
        components.values().flat_map(|component| component.container.networks.keys()).map(String::as_str).collect();
    let mut networks = BTreeMap::new();
    if let Some(section) = file.get("networks") {
        for (key, view) in section.entries() {
            let network = network(request, key, &view);
            if used.contains(key) {
                networks.insert(key.to_string(), network);
            }
        }
    }
    if used.contains("default") && !networks.contains_key("default") {
        networks.insert("default".into(), implicit_default(&request.compose_project));
    }
    networks
}

/// The network of components that name none.
pub fn implicit_default(compose_project: &str) -> Network {
    Network { name: format!("{compose_project}_default"), ..empty() }
}

/// Reports a network that no section declares.
pub fn check_declared(file: &View<'_>, key: &str, at: &View<'_>) {
    let section = file.get("networks");
    let declared: Vec<&str> =
        section.iter().filter_map(|s| s.node.entries()).flatten().map(|entry| entry.key.as_str()).collect();
    if key != "default" && !declared.contains(&key) {
        let hint = suggest::hint(key, declared.iter().copied());
        at.error(format!(
            "there is no network {key:?}; declare it under top-level `networks`{hint}",
            key = Quoted(&key)
        ));
    }
}

fn empty() -> Network {
    Network {
        name: String::new(),
        external: false,
        driver: None,
        driver_opts: BTreeMap::new(),
        internal: false,
        attachable: false,
        enable_ipv6: None,
        ipam_driver: None,
        ipam: Vec::new(),
        labels: BTreeMap::new(),
        place: None,
    }
}

fn network(request: &ReadRequest<'_>, key: &str, view: &View<'_>) -> Network {
    let place = Some(view.key_place());
    if view.node.is_null() {
        let name = format!("{}_{key}", request.compose_project);
        names::check(view, Named::Network, &name, &request.compose_project);
        return Network { name, place, ..empty() };
    }
    if !view.only(KEYS) {
        return empty();
    }
    let (external, external_name) = external(view);
    if external {
        for (other, value) in view.entries() {
            if !["name", "external"].contains(&other) && !other.starts_with("x-") {
                value.error("has no effect: the network is external, so somebody else made it");
            }
        }
    }
    let written = view.get("name").and_then(|v| v.text()).filter(|name| !name.is_empty()).or(external_name);
    let default_name = if external { key.to_string() } else { format!("{}_{key}", request.compose_project) };
    if view.get("enable_ipv4").and_then(|v| v.bool()) == Some(false) {
        view.error("`enable_ipv4: false` is not supported");
    }
    let ipam = view.get("ipam").filter(|ipam| ipam.only(&["driver", "config", "options"]));
    if let Some(options) = ipam.as_ref().and_then(|ipam| ipam.get("options")) {
        options.error("IPAM options are not supported");
    }
    let network = Network {
        name: written.unwrap_or(default_name),
        external,
        driver: view.get("driver").and_then(|v| v.text()).inspect(|driver| {
            if driver == "host" && !request.allowed.host_namespaces {
                view.refuse("the host's network is refused;", "host-namespaces = true");
            }
        }),
        driver_opts: view.get("driver_opts").map(|v| v.text_map()).unwrap_or_default(),
        internal: view.get("internal").and_then(|v| v.bool()).unwrap_or(false),
        attachable: view.get("attachable").and_then(|v| v.bool()).unwrap_or(false),
        enable_ipv6: view.get("enable_ipv6").and_then(|v| v.bool()),
        ipam_driver: ipam.as_ref().and_then(|ipam| ipam.get("driver")).and_then(|v| v.text()),
        ipam: ipam.and_then(|ipam| ipam.get("config")).map(|config| subnets(&config)).unwrap_or_default(),
        labels: labels(view),
        place,
    };
    let at = view.get("name").unwrap_or(view.clone());
    names::check(&at, Named::Network, &network.name, &request.compose_project);
    network_driver::check(request, view, &network);
    network
}

fn subnets(config: &View<'_>) -> Vec<Subnet> {
    let read = |item: View<'_>| {
        if !item.only(&["subnet", "ip_range", "gateway", "aux_addresses"]) {
            return None;
        }
        if let Some(addresses) = item.get("aux_addresses") {
            addresses.error("`aux_addresses` is not supported");
        }
        let text = |key: &str| item.get(key).and_then(|v| v.text());
        Some(Subnet { subnet: text("subnet"), ip_range: text("ip_range"), gateway: text("gateway") })
    };
    config.items().into_iter().filter_map(read).collect()
}

/// `external: true`, or the old `external: {name: x}`; with the name of the latter.
pub fn external(view: &View<'_>) -> (bool, Option<String>) {
    match view.get("external") {
        None => (false, None),
        Some(value) if value.node.entries().is_some() => {
            value.only(&["name"]);
            (true, value.get("name").and_then(|v| v.text()))
        }
        Some(value) => (value.bool().unwrap_or(false), None),
    }
}
