//! A network's driver, its options and its addresses: what of them would join the host.

use super::read::ReadRequest;
use super::view::View;
use crate::model::{Network, Quoted};
use ipnet::IpNet;
use std::net::IpAddr;

type IsHarmless = fn(&str) -> bool;

/// Options of the bridge driver that concern the network alone, and what they may be.
const OF_BRIDGE: &[(&str, IsHarmless)] = &[
    ("com.docker.network.bridge.enable_icc", is_flag),
    ("com.docker.network.bridge.enable_ip_masquerade", is_flag),
    ("com.docker.network.bridge.host_binding_ipv4", is_address),
    ("com.docker.network.bridge.gateway_mode_ipv4", keeps_inside),
    ("com.docker.network.bridge.gateway_mode_ipv6", keeps_inside),
    ("com.docker.network.container_iface_prefix", is_word),
    ("com.docker.network.driver.mtu", is_number),
];
/// Options whose value is an interface of the host.
const INTERFACES: &[&str] = &["parent", "com.docker.network.bridge.name"];

pub fn check(request: &ReadRequest<'_>, view: &View<'_>, network: &Network) {
    let allowed = &request.allowed;
    let driver = network.driver.as_deref().unwrap_or_default();
    // `host` has its own sentence.
    let is_usual = ["", "bridge", "default", "host"].contains(&driver);
    let lists = |driver: &str| allowed.network_drivers.iter().any(|one| one == "*" || one == driver);
    if !is_usual && !lists(driver) {
        let at = view.get("driver").unwrap_or(view.clone());
        let why = match driver {
            "macvlan" | "ipvlan" => format!("a network by {driver} joins an interface of the host, so it is refused;"),
            _ => format!("network driver {driver} is refused;"),
        };
        at.refuse(&why, format!("network-drivers = [{driver:?}]"));
    }
    for (key, value) in view.get("driver_opts").map(|options| options.entries()).unwrap_or_default() {
        let text = network.driver_opts.get(key).map(String::as_str).unwrap_or_default();
        if INTERFACES.contains(&key) {
            if !allowed.interfaces.iter().any(|one| one == "*" || one == text) {
                let why = format!("{text} would be an interface of the host, so it is refused;");
                value.refuse(&why, format!("interfaces = [{text:?}]"));
            }
            continue;
        }
        if !is_usual || lists("bridge") {
            continue;
        }
        match OF_BRIDGE.iter().find(|(known, _)| *known == key) {
            Some((_, is_right)) if is_right(text) => {}
            Some(_) => value.refuse(
                &format!("{text:?} for {key} is refused;", text = Quoted(&text)),
                "network-drivers = [\"bridge\"]",
            ),
            None => {
                let why = format!("{key} is not known to concern the network alone, so it is refused;");
                value.refuse(&why, "network-drivers = [\"bridge\"]");
            }
        }
    }
    if let Some(driver) = network.ipam_driver.as_deref().filter(|driver| !["", "default"].contains(driver))
        && !lists(driver)
    {
        let at = view.get("ipam").and_then(|ipam| ipam.get("driver")).unwrap_or(view.clone());
        at.refuse(&format!("IPAM driver {driver} is refused;"), format!("network-drivers = [{driver:?}]"));
    }
    addresses(request, view);
}

/// Where a network has addresses of its file's choice, the host's own packets to them go there, too: to a name server, a
/// registry or a database of its network just as well.
fn addresses(request: &ReadRequest<'_>, view: &View<'_>) {
    let Some(pools) = view.get("ipam").and_then(|ipam| ipam.get("config")) else { return };
    let allowed: Vec<IpNet> = request.allowed.subnets.iter().filter_map(|range| range.parse().ok()).collect();
    for pool in pools.items() {
        let Some(subnet) = pool.get("subnet") else { continue };
        let Some(text) = subnet.node.text() else { continue };
        match text.parse::<IpNet>() {
            Ok(range) if allowed.iter().any(|allowed| allowed.contains(&range)) => {}
            Ok(range) => {
                let why = format!(
                    "packets of the host itself to {} would go to this network, so it is refused; leave `subnet` to the engine, or",
                    range.trunc()
                );
                subnet.refuse(&why, format!("subnets = [{:?}]", range.trunc().to_string()));
            }
            Err(_) => {
                subnet.error(format!("{text:?} is no range of addresses, such as 172.28.0.0/16", text = Quoted(&text)))
            }
        }
    }
}

fn is_flag(text: &str) -> bool {
    ["true", "false", "1", "0"].contains(&text)
}

fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

fn is_number(text: &str) -> bool {
    text.parse::<u32>().is_ok()
}

fn is_word(text: &str) -> bool {
    (1..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// `routed` and `nat-unprotected` let others reach ports that nobody published.
fn keeps_inside(text: &str) -> bool {
    ["nat", "isolated"].contains(&text)
}
