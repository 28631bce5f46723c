//! Which component may reach another one by its name.

use super::edge_network::EDGE_NETWORK;
use crate::model::{Component, MountSource};
use std::collections::BTreeSet;

/// Why `other` may reach the component by its name, or by another one of `names` under which it is reached.
pub(super) fn calls(other: &Component, component: &Component, names: &BTreeSet<String>) -> Option<String> {
    let (name, container) = (component.name.as_str(), &other.container);
    if other.name == component.name {
        return None;
    }
    let links = container.links.iter().any(|link| link.split(':').next() == Some(name));
    if links || other.depends_on.contains_key(&component.name) {
        return Some(format!("{} depends on it", other.name));
    }
    let named_in = |text: &str| names.iter().find(|name| has_word(text, name));
    if let Some(called) = texts(other).find_map(|text| named_in(text)) {
        let by = if called == name { String::new() } else { format!(" as {called}") };
        return Some(format!("{} names it{by}", other.name));
    }
    if other.image_calls.contains(&component.name) {
        return Some(format!("the image of {} names it", other.name));
    }
    let shares_a_network =
        container.networks.keys().any(|key| key != EDGE_NETWORK && component.container.networks.contains_key(key));
    let files = container.mounts.iter().any(|mount| match &mount.source {
        MountSource::Text { text, .. } => named_in(text.expose()).is_some(),
        MountSource::Repository { .. } => true,
        _ => false,
    });
    (files && shares_a_network).then(|| format!("{} mounts files that may name it", other.name))
}

/// The values and commands of a component, in which another may be named.
pub(super) fn texts(component: &Component) -> impl Iterator<Item = &String> {
    let container = &component.container;
    let commands = container.command.iter().chain(&container.entrypoint).flatten();
    container.environment.values().chain(commands)
}

/// `http://api:8080` has the word `api`, `rapid` has not.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    text.match_indices(word).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(is_part)
            && !text[at + word.len()..].chars().next().is_some_and(is_part)
    })
}
