//! `host-gateway` in `build.extra_hosts`: the address at which containers reach their host. For a container the engine puts it
//! in; for a build whoever asks for it has to (buildx does so in `build/utils.go`, `toBuildkitExtraHosts`).

use crate::model::Quoted;
use bollard::grpc::export::moby::buildkit::v1::ListWorkersRequest;
use bollard::grpc::export::moby::buildkit::v1::control_client::ControlClient;
use bollard::models::IpamConfig;
use ipnet::IpNet;
use std::net::IpAddr;
use tonic::transport::Channel;

/// What stands in the address's place.
pub(super) const HOST_GATEWAY: &str = "host-gateway";

/// By this label the engine's own BuildKit says the address, from Docker 23 on.
const LABEL: &str = "org.mobyproject.buildkit.worker.moby.host-gateway-ip";

/// The address, as the engine says it; else the one that its default network has on the host, which is what the engine takes
/// where its settings say nothing.
///
/// # Errors
/// Why nobody knows it, to be read after what was asked for.
pub(super) async fn host_gateway(
    docker: &bollard::Docker,
    control: &mut ControlClient<Channel>,
) -> Result<IpAddr, String> {
    let workers = control.list_workers(ListWorkersRequest::default()).await;
    let workers = workers.map(|answer| answer.into_inner().record).unwrap_or_default();
    let said = workers.iter().filter_map(|worker| worker.labels.get(LABEL)).find_map(|text| address(text));
    if let Some(address) = said {
        return Ok(address);
    }
    let unknown =
        |why: String| format!("at which address builds reach the host is not known ({why}); name the address");
    let bridge = docker.inspect_network("bridge", None).await.map_err(|error| unknown(Quoted(error).to_string()))?;
    let subnets = bridge.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let mut gateways: Vec<IpAddr> = subnets.iter().filter_map(gateway_of).collect();
    gateways.sort();
    // Of an IPv4 and an IPv6 address the first one, as the engine has it.
    gateways.into_iter().next().ok_or_else(|| unknown("the engine's default network has no gateway".to_string()))
}

/// The host's address in a subnet of the engine's default network. An engine that has just made that network gives itself the
/// subnet's first address, and says so only from its next start on (seen on 20.10).
fn gateway_of(subnet: &IpamConfig) -> Option<IpAddr> {
    match subnet.gateway.as_deref() {
        Some(gateway) => address(gateway),
        None => subnet.subnet.as_deref()?.parse::<IpNet>().ok()?.hosts().next(),
    }
}

fn address(text: &str) -> Option<IpAddr> {
    text.split('/').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_names_no_gateway_has_the_first_address() {
        let of = |subnet: &str, gateway: Option<&str>| {
            let config = IpamConfig {
                subnet: Some(subnet.into()),
                gateway: gateway.map(str::to_string),
                ..IpamConfig::default()
            };
            gateway_of(&config).map(|address| address.to_string())
        };
        assert_eq!(of("172.17.0.0/16", Some("172.17.0.9")).as_deref(), Some("172.17.0.9"));
        assert_eq!(of("172.17.0.0/16", None).as_deref(), Some("172.17.0.1"));
        assert_eq!(of("nonsense", None), None);
    }
}
