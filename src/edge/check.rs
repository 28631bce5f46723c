//! Whether a component's routes can be served: what is wrong with them alone, and who has already what they ask for.

use crate::model::{ComponentRoutes, EdgeAddress, Listen, RouteKey, Sticky};
use std::collections::BTreeSet;

/// Why routes are not taken. The table stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// They make no sense, whatever else is served.
    #[error("{0}")]
    Wrong(String),
    /// Somebody else has what they ask for.
    #[error("{0}")]
    Taken(String),
    /// Another edge has to be asked, which is yet to come.
    #[error("the edge ends; it changes nothing any more")]
    Ending,
    /// The edge could not keep them.
    #[error("{0}")]
    Failed(String),
}

/// What is wrong with the routes, whatever else is served.
/// `inside`: it is a front that is to serve them.
pub fn check(routes: &ComponentRoutes, inside: bool) -> Result<(), Refusal> {
    problem(routes, inside).map_or(Ok(()), |message| Err(Refusal::Wrong(message)))
}

fn problem(routes: &ComponentRoutes, inside: bool) -> Option<String> {
    let total: u32 = routes.releases.iter().map(|release| u32::from(release.weight)).sum();
    if !routes.releases.is_empty() && total != 100 {
        return Some(format!("the weights of the releases add up to {total} and not to 100"));
    }
    let (mut releases, mut replicas) = (BTreeSet::new(), BTreeSet::new());
    for release in &routes.releases {
        if !releases.insert(release.release) {
            return Some(format!("release {} is there twice", release.release));
        }
        for replica in &release.replicas {
            if replica.address.is_none() && !inside {
                return Some(format!("the replica {} has no address", replica.id));
            }
            if replica.id.is_empty() {
                return Some(format!("a replica of release {} has no id", release.release));
            }
            if !replicas.insert(&replica.id) {
                return Some(format!("the replica {} is there twice", replica.id));
            }
        }
    }
    let name = match &routes.sticky {
        Some(Sticky::Cookie(name) | Sticky::Header(name)) => name,
        None => "ok",
    };
    if http::HeaderName::try_from(name).is_err() {
        return Some(format!("{name:?} cannot be the name of a cookie or header"));
    }
    let mut addresses: Vec<EdgeAddress> = Vec::new();
    let mut shared = BTreeSet::new();
    for entry in &routes.entries {
        if entry.target == 0 {
            return Some("an entry leads to port 0".into());
        }
        match &entry.listen {
            Listen::Shared { host, path } => {
                if let Some(host) = host.as_deref().filter(|host| !is_host(host)) {
                    return Some(format!("{host:?} is not a host name in lower case and without a port"));
                }
                if let Some(path) = path.as_deref().filter(|path| !path.starts_with('/') || path.contains(['?', '#'])) {
                    return Some(format!("the path {path:?} does not begin with a slash, or has more than a path"));
                }
                if !shared.insert((host.as_deref(), Listen::prefix(path.as_deref()))) {
                    return Some(format!("{} is there twice", named(host.as_deref(), path.as_deref())));
                }
            }
            Listen::Port { host_ip, port, .. } => {
                let address = EdgeAddress { host_ip: *host_ip, port: *port };
                if *port == 0 {
                    return Some("an entry asks for port 0".into());
                }
                if let Some(other) = addresses.iter().find(|other| other.overlaps(&address)) {
                    return Some(format!("the addresses {other} and {address} are one port"));
                }
                addresses.push(address);
            }
            Listen::Inside { .. } => return Some("only a front owns names, and is told its ports".into()),
        }
    }
    None
}

/// Who has already what `key` asks for: another component, or the edge itself, which listens on `own`.
pub fn check_free<'a>(
    key: &RouteKey,
    routes: &ComponentRoutes,
    others: impl Iterator<Item = (&'a RouteKey, &'a ComponentRoutes)>,
    own: &[EdgeAddress],
) -> Result<(), Refusal> {
    let taken = |message: String| Err(Refusal::Taken(message));
    for address in routes.entries.iter().filter_map(|entry| entry.listen.address()) {
        if let Some(mine) = own.iter().find(|mine| mine.overlaps(&address)) {
            return taken(format!(
                "{address} is the edge's own: it listens on {mine} (`edge.listen` in launchway.toml)"
            ));
        }
    }
    for (other, theirs) in others.filter(|(other, _)| *other != key) {
        for entry in &theirs.entries {
            for mine in &routes.entries {
                if !entry.listen.collides(&mine.listen) {
                    continue;
                }
                return taken(match (&mine.listen, entry.listen.address()) {
                    (Listen::Port { port, .. }, Some(has)) => format!("{other} has the port {port} already ({has})"),
                    (Listen::Shared { host, path }, _) => {
                        format!("{} leads to {other} already", named(host.as_deref(), path.as_deref()))
                    }
                    (Listen::Port { port, .. } | Listen::Inside { port, .. }, _) => {
                        format!("{other} has the port {port} already")
                    }
                });
            }
        }
    }
    Ok(())
}

fn named(host: Option<&str>, path: Option<&str>) -> String {
    format!("{}{}", host.unwrap_or("every host, "), path.unwrap_or("/"))
}

fn is_host(text: &str) -> bool {
    // All below it.
    let text = text.strip_prefix("*.").unwrap_or(text);
    let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    let port = |text: &str| text.contains(':') && !text.starts_with('[');
    (1..=253).contains(&text.len()) && text.chars().all(ok) && !port(text) && !text.ends_with('.')
}

#[cfg(test)]
mod tests;
