//! All services: which are active, and how they hang together.

use super::component::{self, Context};
use super::volumes_from;
use crate::compose::circles::circles;
use crate::compose::load::{Loader, Variables};
use crate::compose::read::ReadRequest;
use crate::compose::suggest;
use crate::compose::texts;
use crate::compose::view::View;
use crate::model::{Component, ComponentName, Quoted};
use std::collections::{BTreeMap, BTreeSet};

pub struct Services<'a> {
    request: &'a ReadRequest<'a>,
    file: &'a View<'a>,
    loader: &'a Loader<'a>,
    profiles: &'a [String],
    variables: &'a Variables,
}

impl<'a> Services<'a> {
    pub fn new(
        request: &'a ReadRequest<'a>,
        file: &'a View<'a>,
        profiles: &'a [String],
        loader: &'a Loader<'a>,
        variables: &'a Variables,
    ) -> Self {
        Self { request, file, loader, profiles, variables }
    }

    /// The components of all active services.
    pub fn read(&self) -> BTreeMap<ComponentName, Component> {
        let mut components = BTreeMap::new();
        let Some(section) = self.file.get("services") else {
            self.file.error("a Compose file needs `services:` with at least one service");
            return components;
        };
        let entries = section.entries();
        let (mut active, mut inactive) = (BTreeSet::new(), BTreeSet::new());
        for (key, view) in &entries {
            if self.is_active(view) {
                active.insert(*key)
            } else {
                inactive.insert(*key)
            };
        }
        let context = Context {
            request: self.request,
            file: self.file,
            loader: self.loader,
            active: &active,
            inactive: &inactive,
            variables: self.variables,
        };
        for (key, view) in &entries {
            match ComponentName::new(*key) {
                Ok(name) if active.contains(key) => {
                    if let Some(component) = component::read(&context, name.clone(), view) {
                        components.insert(name, component);
                    }
                }
                // What is not active must be well-formed all the same: Compose refuses it too.
                Ok(_) => {
                    component::check_keys(view);
                }
                Err(error) => view.error(error.to_string()),
            }
        }
        if active.is_empty() && self.file.get("services").is_some_and(|s| s.node.entries().is_some()) {
            let message = match entries.is_empty() {
                true => "there is no service here".to_string(),
                false => format!(
                    "no service is active; profiles of this file: {} (`profiles` of the environment in launchway.toml)",
                    self.known_profiles().join(", ")
                ),
            };
            section.error(message);
        }
        volumes_from::add(&context, &section, &mut components);
        texts::check_unused(&context);
        self.report_unknown_profiles(&section);
        report_cycles(&section, &components);
        report_same_names(&section, &components);
        components
    }

    fn is_active(&self, service: &View<'_>) -> bool {
        let profiles = profiles_of(service);
        profiles.is_empty()
            || self.profiles.iter().any(|wanted| wanted == "*" || profiles.iter().any(|profile| profile == wanted))
    }

    fn known_profiles(&self) -> Vec<String> {
        let services = self.file.get("services").map(|s| s.entries()).unwrap_or_default();
        let known: BTreeSet<String> = services.iter().flat_map(|(_, view)| profiles_of(view)).collect();
        known.into_iter().collect()
    }

    fn report_unknown_profiles(&self, section: &View<'_>) {
        let known = self.known_profiles();
        for wanted in self.profiles.iter().filter(|wanted| *wanted != "*" && !known.contains(wanted)) {
            let hint = suggest::hint(wanted, known.iter().map(String::as_str));
            section.warning(format!("no service has profile {wanted:?}{hint}", wanted = Quoted(&wanted)));
        }
    }
}

fn profiles_of(service: &View<'_>) -> Vec<String> {
    let Some(profiles) = service.node.get("profiles") else { return Vec::new() };
    match &profiles.value {
        crate::compose::yaml::Value::List(items) => {
            items.iter().filter_map(|item| item.scalar().map(|scalar| scalar.text.clone())).collect()
        }
        _ => Vec::new(),
    }
}

/// Containers of two services by one name, of which the engine would take one.
fn report_same_names(section: &View<'_>, components: &BTreeMap<ComponentName, Component>) {
    let mut owners: BTreeMap<&str, &ComponentName> = BTreeMap::new();
    for (component, name) in components.values().filter_map(|c| Some((&c.name, c.container.container_name.as_deref()?)))
    {
        let Some(other) = owners.insert(name, component) else { continue };
        let at = section.get(component.as_str()).and_then(|service| service.get("container_name"));
        let message = format!("service {:?} has this container name, too", Quoted(other.as_str()));
        at.as_ref().unwrap_or(section).error(message);
    }
}

/// Components that wait for one another in a circle.
fn report_cycles(section: &View<'_>, components: &BTreeMap<ComponentName, Component>) {
    let waits = components.values().flat_map(|component| {
        component.depends_on.keys().map(|dependency| (component.name.as_str(), dependency.as_str()))
    });
    for (first, circle) in circles(waits) {
        let at = section.get(first).and_then(|service| service.get("depends_on"));
        at.as_ref().unwrap_or(section).error(format!("these components wait for one another in a circle: {circle}"));
    }
}
