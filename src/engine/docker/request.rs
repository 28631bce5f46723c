//! A `ContainerSpec` as the engine's create call.

use super::connect::ApiVersion;
use super::{endpoints, mounts, settings};
use crate::engine::EngineError;
use crate::plan::ContainerSpec;
use bollard::models::{ContainerCreateBody, EndpointSettings};
use std::collections::BTreeMap;

/// The call, and what must follow before the container may start.
#[derive(Debug)]
pub(super) struct CreateRequest {
    pub body: ContainerCreateBody,
    pub platform: Option<String>,
    /// Every network that the container must hang on, by name; an old engine takes only the first at create.
    pub networks: Vec<(String, EndpointSettings)>,
    /// Sentences on what was asked for and this engine does not know, where doing without is harmless.
    pub notes: Vec<String>,
}

/// `mountpoints`: where the engine keeps the volumes whose single file is mounted, by volume; only needed below
/// [`ApiVersion::VOLUME_SUBPATH`].
pub(super) fn create_request(
    spec: &ContainerSpec,
    api: ApiVersion,
    mountpoints: &BTreeMap<String, String>,
) -> Result<CreateRequest, EngineError> {
    let attempted = || format!("create container {}", spec.name);
    let refused = |why: String| EngineError::Refused { attempted: attempted(), why };
    let mounted = mounts::mounted(&spec.mounts, api, mountpoints).map_err(refused)?;
    let connected = endpoints::connected(spec, api).map_err(refused)?;
    let mut notes = Vec::new();
    if !spec.settings.annotations.is_empty() && api < ApiVersion::ANNOTATIONS {
        notes.push(format!("this engine (API {api}) ignores `annotations`; they need API {}", ApiVersion::ANNOTATIONS));
    }
    let mut host = settings::host_config(spec, api).map_err(refused)?;
    host.mounts = (!mounted.mounts.is_empty()).then_some(mounted.mounts);
    host.binds = (!mounted.binds.is_empty()).then_some(mounted.binds);
    host.tmpfs = (!mounted.tmpfs.is_empty()).then_some(mounted.tmpfs);
    host.network_mode = Some(connected.mode);
    let mut body = settings::container_config(spec, api);
    body.host_config = Some(host);
    let at_create = if api >= ApiVersion::NETWORKS_AT_CREATE { connected.networks.len() } else { 1 };
    let first = connected.networks.iter().take(at_create).cloned().collect();
    body.networking_config = Some(bollard::models::NetworkingConfig { endpoints_config: Some(first) });
    Ok(CreateRequest { body, platform: spec.settings.platform.clone(), networks: connected.networks, notes })
}
