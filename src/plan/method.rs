//! Which method fits a component, and why, as a sentence.

use crate::model::{Component, ComponentName, Method, MountSource, NetworkMode, Stack};

/// The method that will be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodChoice {
    pub method: Method,
    /// Continues "recreate: ...": `it writes to volume db, and two writers would corrupt it`.
    pub reason: String,
}

/// Settles the method of a component. Only `recreate` can be carried out so far, so that is what every component gets;
/// the reason says whether the component would allow more.
pub fn choose(stack: &Stack, name: &ComponentName) -> MethodChoice {
    let Some(component) = stack.components.get(name) else {
        return MethodChoice { method: Method::Recreate, reason: "it is not in the Compose file".into() };
    };
    let reason = match (component.settings.method, two_are_impossible(stack, component)) {
        (_, Some(reason)) => reason,
        (Method::Recreate, None) => "its x-launchway says so".into(),
        (Method::Auto, None) => "the other methods need the edge, which this version does not have".into(),
        (asked, None) => {
            format!("its x-launchway asks for {asked}, which needs the edge; this version does not have it")
        }
    };
    MethodChoice { method: Method::Recreate, reason }
}

/// Why two containers of the component cannot run at once, if so.
fn two_are_impossible(stack: &Stack, component: &Component) -> Option<String> {
    let container = &component.container;
    if stack.is_job(&component.name) || component.settings.job {
        return Some("it is a job that runs once and ends".into());
    }
    if component.replicas == 0 {
        return Some("it has no replicas".into());
    }
    if let Some(name) = &container.container_name {
        return Some(format!("its container_name {name} can exist only once"));
    }
    match &container.network_mode {
        NetworkMode::Host => return Some("it uses the host's network, whose ports two cannot share".into()),
        NetworkMode::Component(other) => return Some(format!("it shares the network of {other}")),
        NetworkMode::Container(other) => return Some(format!("it shares the network of container {other}")),
        NetworkMode::Networks | NetworkMode::None | NetworkMode::Bridge => {}
    }
    for mount in container.mounts.iter().filter(|mount| mount.is_writable_storage()) {
        match &mount.source {
            MountSource::Volume { key, .. } if component.settings.shared_volumes.contains(key) => {}
            MountSource::Volume { key, .. } => {
                return Some(format!("it writes to volume {key}, and two writers would corrupt it"));
            }
            MountSource::Anonymous => {
                return Some(format!("it writes to an unnamed volume at {}, which is handed on", mount.target));
            }
            _ => return Some(format!("it writes to the host at {}, and two writers would corrupt it", mount.target)),
        }
    }
    if let Some(port) = container.ports.iter().find_map(|port| port.published) {
        return Some(format!("it publishes port {port}, which only one container can hold"));
    }
    if component.update.order.as_deref() == Some("stop-first") && component.replicas == 1 {
        return Some("its update_config says stop-first and it has one replica".into());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::{component, stack};

    fn reason(component: crate::plan::sample::Sample) -> String {
        let name = component.name();
        let choice = choose(&stack([component]), &name);
        format!("{}: {}", choice.method, choice.reason)
    }

    #[test]
    fn the_reason_names_what_forbids_two_at_once() {
        assert_eq!(
            reason(component("db").volume("data", "/var/lib/db")),
            "recreate: it writes to volume data, and two writers would corrupt it"
        );
        assert_eq!(
            reason(component("web").publishes(80, 8080)),
            "recreate: it publishes port 80, which only one container can hold"
        );
        assert_eq!(
            reason(component("web")),
            "recreate: the other methods need the edge, which this version does not have"
        );
    }
}
