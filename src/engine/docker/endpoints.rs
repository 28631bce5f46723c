//! How a container hangs on its networks.

use super::connect::ApiVersion;
use crate::plan::{ContainerSpec, EngineNetwork, EngineNetworkMode, Target};
use bollard::models::{EndpointIpamConfig, EndpointSettings};

#[derive(Debug)]
pub(super) struct Connected {
    /// `NetworkMode` of the create call.
    pub mode: String,
    pub networks: Vec<(String, EndpointSettings)>,
}

pub(super) fn connected(spec: &ContainerSpec, api: ApiVersion) -> Result<Connected, String> {
    let plain = |mode: &str| Ok(Connected { mode: mode.into(), networks: Vec::new() });
    match &spec.network {
        EngineNetworkMode::None => plain("none"),
        EngineNetworkMode::Host => plain("host"),
        EngineNetworkMode::Bridge => plain("bridge"),
        EngineNetworkMode::Container(Target::Existing { id, .. }) => plain(&format!("container:{id}")),
        EngineNetworkMode::Container(Target::Created { step }) => {
            Err(format!("it shares the network of what step {step} creates, whose id was not filled in"))
        }
        EngineNetworkMode::ForeignContainer(name) => plain(&format!("container:{name}")),
        EngineNetworkMode::Networks(networks) => {
            // Without a network the engine would choose its default bridge, which nobody asked for.
            let Some(first) = networks.first() else { return plain("none") };
            let mut all = Vec::new();
            for (index, network) in networks.iter().enumerate() {
                all.push((network.name.clone(), endpoint(spec, network, index == 0, api)?));
            }
            Ok(Connected { mode: first.name.clone(), networks: all })
        }
    }
}

fn endpoint(
    spec: &ContainerSpec,
    network: &EngineNetwork,
    is_first: bool,
    api: ApiVersion,
) -> Result<EndpointSettings, String> {
    let mac_address = network.mac_address.clone().or_else(|| spec.settings.mac_address.clone().filter(|_| is_first));
    if mac_address.is_some() && api < ApiVersion::NETWORKS_AT_CREATE {
        return Err(format!(
            "`mac_address` needs Docker Engine 25 (API {}); this engine speaks API {api}. Remove the key, or upgrade the engine",
            ApiVersion::NETWORKS_AT_CREATE
        ));
    }
    let ipam = EndpointIpamConfig {
        ipv4_address: network.ipv4_address.clone(),
        ipv6_address: network.ipv6_address.clone(),
        link_local_ips: None,
    };
    // The engine wants `name:alias`; the name may be any that its DNS knows on this network, such as a component's.
    let link = |link: &String| if link.contains(':') { link.clone() } else { format!("{link}:{link}") };
    let links: Vec<String> = spec.settings.links.iter().map(link).collect();
    Ok(EndpointSettings {
        ipam_config: (ipam != EndpointIpamConfig::default()).then_some(ipam),
        links: (!links.is_empty()).then_some(links),
        mac_address,
        aliases: (!network.aliases.is_empty()).then(|| network.aliases.clone()),
        driver_opts: (!network.driver_opts.is_empty()).then(|| network.driver_opts.clone().into_iter().collect()),
        ..Default::default()
    })
}
