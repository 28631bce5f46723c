//! A build as BuildKit's Dockerfile frontend wants it described
//! (https://github.com/moby/buildkit/blob/master/frontend/dockerfile/docs/reference.md and `builder/build.go` there).

use super::BuildError;
use super::host_gateway::HOST_GATEWAY;
use super::request::BuildRequest;
use super::source_policy::policy;
use crate::model::{AdditionalContext, BuildSpec, CACHE_NAMESPACE, ProjectName, short_image_name};
use bollard::grpc::export::moby::buildkit::v1::{CacheOptions, CacheOptionsEntry, SolveRequest};
use std::collections::HashMap;
use std::net::IpAddr;

/// The names under which the engine asks for the folders of a build.
pub(super) const CONTEXT: &str = "context";
pub(super) const DOCKERFILE: &str = "dockerfile";

pub(super) fn additional(name: &str) -> String {
    format!("context-{name}")
}

/// `dockerfile` is the name under which the session offers the Dockerfile; `gateway` the address that `host-gateway` stands for,
/// where [`needs_gateway`] says so.
pub(super) fn solve_request(
    request: &BuildRequest,
    dockerfile: &str,
    build: &str,
    session: &str,
    gateway: Option<IpAddr>,
) -> Result<SolveRequest, BuildError> {
    let spec = &request.spec;
    let mut attributes: HashMap<String, String> = HashMap::new();
    let mut set = |name: &str, value: String| attributes.insert(name.to_string(), value);
    set("filename", dockerfile.to_string());
    let pulls = (spec.pull || request.pull) && !request.pulled;
    set("image-resolve-mode", if pulls { "pull" } else { "default" }.to_string());
    if let Some(target) = &spec.target {
        set("target", target.clone());
    }
    if let Some(platform) = &spec.platform {
        set("platform", platform.clone());
    }
    if spec.no_cache || request.no_cache {
        set("no-cache", String::new());
    }
    for (name, value) in spec.args.iter().filter(|(name, _)| *name != CACHE_NAMESPACE) {
        if request.declared.apply(value) != *value {
            return Err(BuildError::SecretArgument(name.clone()));
        }
        set(&format!("build-arg:{name}"), value.clone());
    }
    set(&format!("build-arg:{CACHE_NAMESPACE}"), format!("launchway-{}", request.project));
    for (name, value) in spec.labels.iter().chain(&request.labels) {
        set(&format!("label:{name}"), value.clone());
    }
    let hosts: Result<Vec<String>, BuildError> =
        spec.extra_hosts.iter().map(|host| extra_host(host, gateway)).collect();
    let hosts: Vec<String> = std::iter::once(own_steps(&request.project)).chain(hosts?).collect();
    set("add-hosts", hosts.join(","));
    if let Some(bytes) = spec.shm_size_bytes {
        set("shm-size", bytes.to_string());
    }
    if let Some(parent) = request.limits.as_ref().and_then(|limits| limits.parent.clone()) {
        set("cgroup-parent", parent);
    }
    if !spec.ulimits.is_empty() {
        let limits = spec.ulimits.iter().map(|(name, limit)| format!("{name}={}:{}", limit.soft, limit.hard));
        set("ulimit", limits.collect::<Vec<_>>().join(","));
    }
    let mut entitlements = Vec::new();
    match spec.network.as_deref() {
        None | Some("" | "default") => {}
        Some("none") => drop(set("force-network-mode", "none".to_string())),
        Some("host") => {
            set("force-network-mode", "host".to_string());
            entitlements.push("network.host".to_string());
        }
        Some(other) => {
            return Err(BuildError::Unsupported {
                what: format!("build.network: {other}"),
                why: "BuildKit builds in the networks default, none and host".to_string(),
            });
        }
    }
    if !spec.additional_contexts.is_empty() || !request.instead.is_empty() {
        // An engine whose frontend is too old for it then says so, instead of looking for an image of that name.
        set("frontend.caps", "moby.buildkit.frontend.contexts".to_string());
    }
    for (name, image) in &request.instead {
        set(&format!("context:{}", short_image_name(name)), format!("docker-image://{image}"));
    }
    for (name, context) in &spec.additional_contexts {
        let value = match context {
            AdditionalContext::Folder(_) => format!("local:{}", additional(name)),
            AdditionalContext::Reference(reference) => {
                let image = reference.strip_prefix("docker-image://").and_then(|image| request.instead.get(image));
                image.map_or_else(|| reference.clone(), |image| format!("docker-image://{image}"))
            }
            AdditionalContext::Component(component) => match request.images.get(component) {
                Some(image) => format!("docker-image://{image}"),
                None => {
                    return Err(BuildError::Unsupported {
                        what: format!("the additional context {name}: service:{component}"),
                        why: "there is no component of this name that has an image".to_string(),
                    });
                }
            },
        };
        set(&format!("context:{}", short_image_name(name)), value);
    }
    let imports = spec.cache_from.iter().map(|text| cache_import(text)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&str> = std::iter::once(&request.tag).chain(&spec.tags).map(String::as_str).collect();
    // With the classic image store this exporter makes an image of the engine, with containerd's too.
    let exporter = HashMap::from([("name".to_string(), names.join(","))]);
    Ok(SolveRequest {
        r#ref: build.to_string(),
        exporter_deprecated: "moby".to_string(),
        exporter_attrs_deprecated: exporter,
        session: session.to_string(),
        frontend: "dockerfile.v0".to_string(),
        frontend_attrs: attributes,
        cache: Some(CacheOptions { imports, ..CacheOptions::default() }),
        entitlements,
        source_policy: request.sources.as_ref().map(policy),
        ..SolveRequest::default()
    })
}

/// A host that nobody looks for. It belongs to what a `RUN` can see, and so makes what it left behind the project's own:
/// BuildKit takes a step for the same, whoever asks for it, also where secrets, proxies or what it fetched differ.
fn own_steps(project: &ProjectName) -> String {
    format!("{project}.launchway.invalid=192.0.2.1")
}

/// Whether a host of the build is the engine's own.
pub(super) fn needs_gateway(spec: &BuildSpec) -> bool {
    spec.extra_hosts.iter().any(|text| name_and_address(text).is_some_and(|(_, address)| address == HOST_GATEWAY))
}

/// `name:address` or `name=address`, as Compose has it, to `name=address`.
fn extra_host(text: &str, gateway: Option<IpAddr>) -> Result<String, BuildError> {
    let unsupported =
        |why: &str| BuildError::Unsupported { what: format!("build.extra_hosts: {text}"), why: why.into() };
    let (name, address) = name_and_address(text).ok_or_else(|| unsupported("no address"))?;
    let address = match gateway {
        Some(gateway) if address == HOST_GATEWAY => gateway,
        _ => address.parse().map_err(|_| unsupported("what follows the name is no IP address"))?,
    };
    Ok(format!("{name}={address}"))
}

fn name_and_address(text: &str) -> Option<(&str, &str)> {
    let (name, address) = text.split_once('=').or_else(|| text.split_once(':'))?;
    Some((name, address.trim_start_matches('[').trim_end_matches(']')))
}

/// An image's name, or `type=registry,ref=NAME`.
fn cache_import(text: &str) -> Result<CacheOptionsEntry, BuildError> {
    let mut attributes = HashMap::new();
    let mut kind = "registry".to_string();
    if text.contains('=') {
        for (name, value) in text.split(',').filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "type" => kind = value.trim().to_string(),
                name => drop(attributes.insert(name.to_string(), value.trim().to_string())),
            }
        }
    } else {
        attributes.insert("ref".to_string(), text.to_string());
    }
    if kind != "registry" {
        return Err(BuildError::Unsupported {
            what: format!("build.cache_from: {text}"),
            why: "the engine's own builder imports caches of type registry only".to_string(),
        });
    }
    Ok(CacheOptionsEntry { r#type: kind, attrs: attributes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_has_the_shortest_name_of_its_image() {
        for (name, short) in [
            ("docker.io/library/node:latest", "node"),
            ("node", "node"),
            ("acme/base:1", "acme/base:1"),
            ("docker.io/acme/base:latest", "acme/base"),
            ("127.0.0.1:5000/app:1", "127.0.0.1:5000/app:1"),
        ] {
            assert_eq!(short_image_name(name), short);
        }
    }
}
