//! `depends_on`, and what other keys imply: `links`, and a shared network.

use super::component::Context;
use crate::compose::suggest;
use crate::compose::view::View;
use crate::model::{ComponentName, Condition, Dependency, Quoted};
use std::collections::BTreeMap;

pub fn read(context: &Context<'_>, name: &ComponentName, view: &View<'_>) -> BTreeMap<ComponentName, Dependency> {
    let mut dependencies = BTreeMap::new();
    for (other, entry) in view.get("depends_on").map(|v| v.entries()).unwrap_or_default() {
        let Some(dependency) = dependency(&entry) else { continue };
        if let Some(other) = target(context, &entry, other, dependency.required) {
            dependencies.insert(other, dependency);
        }
    }
    let implied = Dependency { condition: Condition::ServiceStarted, required: true, restart: true };
    for link in view.get("links").map(|v| v.items()).unwrap_or_default() {
        let Some(text) = link.text() else { continue };
        let other = text.split(':').next().unwrap_or_default();
        if let Some(other) = target(context, &link, other, true) {
            dependencies.entry(other).or_insert_with(|| implied.clone());
        }
    }
    for shared in ["network_mode", "pid"].iter().filter_map(|key| view.get(key)?.node.text()) {
        let shared = shared.strip_prefix("service:").filter(|other| context.active.contains(other));
        if let Some(other) = shared.and_then(|other| ComponentName::new(other).ok()) {
            dependencies.entry(other).or_insert_with(|| implied.clone());
        }
    }
    for other in super::volumes_from::services(context, view) {
        dependencies.entry(other).or_insert_with(|| Dependency { restart: false, ..implied.clone() });
    }
    if dependencies.contains_key(name) {
        view.get("depends_on").unwrap_or(view.clone()).error("a component cannot wait for itself");
        dependencies.remove(name);
    }
    dependencies
}

fn dependency(view: &View<'_>) -> Option<Dependency> {
    if !view.only(&["condition", "required", "restart"]) {
        return None;
    }
    let Some(condition) = view.get("condition") else {
        view.error("needs `condition:`: service_started, service_healthy or service_completed_successfully");
        return None;
    };
    let words = ["service_started", "service_healthy", "service_completed_successfully"];
    let condition = match condition.word(&words)?.as_str() {
        "service_started" => Condition::ServiceStarted,
        "service_healthy" => Condition::ServiceHealthy,
        _ => Condition::ServiceCompletedSuccessfully,
    };
    let flag = |key: &str| view.get(key).and_then(|v| v.bool());
    Some(Dependency {
        condition,
        required: flag("required").unwrap_or(true),
        restart: flag("restart").unwrap_or(false),
    })
}

/// The component that is waited for; nothing where it is left out and need not be there.
fn target(context: &Context<'_>, view: &View<'_>, name: &str, required: bool) -> Option<ComponentName> {
    if context.active.contains(name) {
        return ComponentName::new(name).ok();
    }
    if context.inactive.contains(name) {
        let why = format!("service {name:?} is left out, because none of its profiles is wanted", name = Quoted(&name));
        if required {
            view.error(format!(
                "{why}; add a profile to the environment's `profiles` in launchway.toml, or write `required: false`"
            ));
        } else {
            view.note(format!("{why}; it is not waited for (`required: false`)"));
        }
        return None;
    }
    let hint = suggest::hint(name, context.active.iter().chain(context.inactive.iter()).copied());
    view.error(format!("there is no service {name:?}{hint}", name = Quoted(&name)));
    None
}
