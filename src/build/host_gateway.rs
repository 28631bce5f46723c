//! `host-gateway` in `build.extra_hosts`: the address at which containers reach their host. For a container the engine puts it
//! in; for a build whoever asks for it has to (buildx does so in `build/utils.go`, `toBuildkitExtraHosts`).

use crate::model::Quoted;
use bollard::grpc::export::moby::buildkit::v1::ListWorkersRequest;
use bollard::grpc::export::moby::buildkit::v1::control_client::ControlClient;
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
    let mut gateways: Vec<IpAddr> = subnets.iter().filter_map(|subnet| address(subnet.gateway.as_deref()?)).collect();
    gateways.sort();
    // Of an IPv4 and an IPv6 address the first one, as the engine has it.
    gateways.into_iter().next().ok_or_else(|| unknown("the engine's default network has no gateway".to_string()))
}

fn address(text: &str) -> Option<IpAddr> {
    text.split('/').next()?.trim().parse().ok()
}
