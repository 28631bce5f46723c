//! The grammar of names: what a Compose file may call its parts, and what these may be called on the engine.

use super::view::View;
use crate::model::{Quoted, own_names};

/// Networks that every engine has, or that a Swarm makes: by these names it means its own, whoever asks.
const PREDEFINED: [&str; 6] = ["host", "none", "bridge", "default", "ingress", "docker_gwbridge"];
const GRAMMAR: &str = "letters, digits, '_', '.' and '-', starting with a letter or digit";
/// From how many hex digits on a name is taken for an id: what `docker ps` shows of one.
const SHORT_ID: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    Network,
    Volume,
    Container,
}

impl Named {
    fn word(self) -> &'static str {
        match self {
            Named::Network => "network",
            Named::Volume => "volume",
            Named::Container => "container",
        }
    }
}

/// Reports keys of top-level sections that Compose's own grammar does not have. No key of ours (`launchway:edge`) can be
/// among those that are left. Services have the same grammar in [`crate::model::ComponentName`].
pub fn check_keys(file: &View<'_>) {
    for section in ["networks", "volumes", "secrets", "configs"] {
        for (key, view) in file.get(section).map(|section| section.entries()).unwrap_or_default() {
            if key.is_empty() || !key.chars().all(is_plain) {
                view.error(format!("{key:?} is not a key here: letters, digits, '-', '_' and '.'", key = Quoted(&key)));
            }
        }
    }
}

/// Reports a name on the engine that means more than itself there: the engine's own, Launchway's, an id, or
/// `container:NAME` in a network's place. `compose_project`: what begins the environment's own names.
pub fn check(view: &View<'_>, kind: Named, name: &str, compose_project: &str) {
    let word = kind.word();
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts_well || !name.chars().all(is_plain) || name.len() > 255 || name.len() < 2 && kind != Named::Network {
        view.error(format!("{name:?} is not a {word} name: {GRAMMAR}", name = Quoted(&name)));
    } else if kind == Named::Network && PREDEFINED.contains(&name) {
        let way_out = match name {
            "host" | "none" | "bridge" => format!("; `network_mode: {name}` of a service says so openly"),
            _ => String::new(),
        };
        view.error(format!("the network {name} is the engine's own and cannot be used by its name{way_out}"));
    } else if own_names::is_own(name) && !is_default(name, kind, compose_project) {
        view.error(format!(
            "the {word} name {name} is Launchway's own: names that begin with {} or end in {} are; use another one",
            own_names::PREFIX,
            own_names::EDGE_NETWORK
        ));
    } else if name.len() >= SHORT_ID && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        view.error(format!("the engine would take {name} for the id of another {word}; use another name"));
    }
}

/// Whether it only begins or ends so because the environment, or a volume's key, is called so.
fn is_default(name: &str, kind: Named, compose_project: &str) -> bool {
    let own = name.strip_prefix(compose_project).is_some_and(|rest| rest.starts_with('_'));
    let is_edge = kind == Named::Network && name.ends_with(own_names::EDGE_NETWORK);
    !is_edge && (own || !name.starts_with(own_names::PREFIX))
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Reports a name by which others look a container up (`hostname`, an alias), where no name service could have it.
pub fn check_host(view: &View<'_>, name: &str) {
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if !is_name || !name.chars().all(is_plain) || name.len() > 253 {
        view.error(format!(
            "{name:?} is not a name of a host: letters, digits, '-', '_' and '.'",
            name = Quoted(&name)
        ));
    }
}
