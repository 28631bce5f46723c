//! Hosts and ports of this machine that a release takes: whose they are.

use super::grants::{Grantee, Grants};
use super::neighbours::ports_of_the_host;
use crate::model::{Component, EdgeAddress, HostPattern, Listen, Problem, Protocol, Release};

/// More of one project, in all of its environments together, are refused where launchway.toml lists none.
const MOST_PORTS: usize = 200;

/// The service with which the project would publish more ports than it may.
fn too_many_ports(release: &Release, others: &[Release]) -> Option<Problem> {
    let published = |component: &Component| -> Vec<u16> {
        ports_of_the_host(component).iter().filter_map(|port| port.published).collect()
    };
    let elsewhere = others
        .iter()
        .filter(|other| other.project == release.project && other.environment != release.environment)
        .flat_map(|other| other.stack.components.values())
        .map(|component| published(component).len())
        .sum::<usize>();
    let all: Vec<(&Component, u16)> = release
        .stack
        .components
        .values()
        .flat_map(|component| published(component).into_iter().map(move |port| (component, port)))
        .collect();
    // What is there elsewhere is refused there.
    let (component, _) = all.get(MOST_PORTS.saturating_sub(elsewhere))?;
    let ports = || all.iter().map(|(_, port)| port);
    let (first, last) = (ports().min()?, ports().max()?);
    let why = format!(
        "{} ports of the host are more than the {MOST_PORTS} that a project may publish in all of its environments, so it is refused: the engine runs a process for each, and nobody else has them;",
        elsewhere + all.len()
    );
    let key = format!("services.{}.ports", component.name);
    Some(Problem::refusal(Some(component.place.clone()), key, &why, format!("ports = [\"{first}-{last}\"]")))
}

/// Hosts and ports that this release takes and may not. `others` are the releases that other environments have or are about
/// to have.
pub fn refused(release: &Release, others: &[Release], grants: &Grants) -> Vec<Problem> {
    let mut problems = Vec::new();
    let is_this = |other: &&Grantee| (&other.project, &other.environment) == (&release.project, &release.environment);
    let own = grants.all.iter().find(is_this);
    if grants.allow.ports.is_empty() {
        problems.extend(too_many_ports(release, others));
    }
    for component in release.stack.components.values() {
        for entry in &component.entries {
            let Listen::Shared { host, .. } = &entry.listen else { continue };
            let key = format!("services.{}.x-launchway.route.host", component.name);
            problems.extend(host_refused(release, others, grants, own, host.as_deref()).map(|refusal| {
                let place = Some(component.place.clone());
                match refusal {
                    Refused::ByList { why, hosts } => Problem {
                        allow: own.map(|own| format!("{}\nhosts = [{hosts}]", own.table())),
                        ..Problem::error(place, key.clone(), why)
                    },
                    Refused::Never(why) => Problem::error(place, key.clone(), why),
                }
            }));
        }
        let key = format!("services.{}.ports", component.name);
        let allowed = &grants.allow.ports;
        for port in ports_of_the_host(component) {
            let Some(published) = port.published else { continue };
            let place = Some(component.place.clone());
            let host_ip = port.host_ip.as_deref().and_then(|ip| ip.parse().ok());
            let wanted = EdgeAddress { host_ip, port: published };
            let held = grants.own_ports.iter().find(|own| port.protocol == Protocol::Tcp && own.overlaps(&wanted));
            if let Some(own) = held {
                let message =
                    format!("port {published} is Launchway's own: it listens on {own}. Publish another port.");
                problems.push(Problem::error(place, key.clone(), message));
            } else if !allowed.is_empty() && !allowed.iter().any(|range| range.contains(published)) {
                let why = format!(
                    "port {published} of the host is none of those that launchway.toml allows, so it is refused;"
                );
                problems.push(Problem::refusal(place, key.clone(), &why, format!("ports = [{published}]")));
            }
        }
    }
    problems
}

enum Refused {
    /// With what `hosts` of the environment would list.
    ByList {
        why: String,
        hosts: String,
    },
    Never(String),
}

fn host_refused(
    release: &Release,
    others: &[Release],
    grants: &Grants,
    own: Option<&Grantee>,
    host: Option<&str>,
) -> Option<Refused> {
    let closeness = own.and_then(|own| own.closeness(host));
    if let (Some(host), true) = (host, host == grants.own_host.as_deref()) {
        return Some(Refused::Never(format!(
            "{host} is where Launchway itself is reached (`public-url` in launchway.toml): no route may have it"
        )));
    }
    let Some(host) = host else {
        let why = "a route without `host:` takes every host that nobody else has, so it is refused; `hosts = [\"*\"]` of the environment in launchway.toml allows it. Or add `host:` to the route.";
        return closeness.is_none().then(|| Refused::ByList { why: why.into(), hosts: "\"*\"".into() });
    };
    let other = grants.all.iter().filter(|other| Some(*other) != own);
    let closer = other.filter(|other| other.closeness(Some(host)) > closeness);
    if let Some(other) = closer.max_by_key(|other| other.closeness(Some(host))) {
        return Some(Refused::Never(format!(
            "{host} belongs to {}/{}: `hosts` of {} in launchway.toml names it",
            other.project,
            other.environment,
            other.table()
        )));
    }
    if let Some((other, theirs)) = part_of_others(grants, own, host).filter(|_| closeness.is_none()) {
        let why = format!(
            "{host} would take {theirs}, too, which `hosts` of {} in launchway.toml gives to {}/{}; `hosts` of this environment allows it",
            other.table(),
            other.project,
            other.environment
        );
        return Some(Refused::ByList { why, hosts: format!("{host:?}") });
    }
    if closeness.is_none() && own.is_some_and(|own| !own.hosts.is_empty()) {
        let why = format!(
            "{host} is none of the hosts that launchway.toml gives to {}/{}, so it is refused; `hosts` of the environment allows it",
            release.project, release.environment
        );
        return Some(Refused::ByList { why, hosts: format!("{host:?}") });
    }
    // Who had it first keeps it, unless launchway.toml names this environment.
    if closeness.is_some() {
        return None;
    }
    let holder = others.iter().find(|other| {
        let entries = other.stack.components.values().flat_map(|component| &component.entries);
        (&other.project, &other.environment) != (&release.project, &release.environment)
            && entries
                .into_iter()
                .any(|entry| matches!(&entry.listen, Listen::Shared { host: Some(held), .. } if overlap(held, host)))
    })?;
    let why = format!(
        "{host} is taken: {}/{} had it first, whatever the path. `hosts = [{host:?}]` of this environment in launchway.toml gives it to this one",
        holder.project, holder.environment
    );
    Some(Refused::ByList { why, hosts: format!("{host:?}") })
}

/// Hosts below this one (`*.example.com`) that launchway.toml gives to somebody else.
fn part_of_others<'a>(grants: &'a Grants, own: Option<&Grantee>, host: &str) -> Option<(&'a Grantee, &'a HostPattern)> {
    let pattern = HostPattern::parse(host).ok().filter(|pattern| matches!(pattern, HostPattern::Below(_)))?;
    let others = grants.all.iter().filter(|other| Some(*other) != own);
    let mut theirs = others.flat_map(|other| other.hosts.iter().map(move |theirs| (other, theirs)));
    theirs.find(|(_, theirs)| pattern.covers(&theirs.to_string()))
}

/// Whether some host is meant by both: one of them may be all below another (`*.example.com`).
fn overlap(one: &str, other: &str) -> bool {
    let covers = |pattern: &str, host: &str| HostPattern::parse(pattern).is_ok_and(|pattern| pattern.covers(host));
    one == other || covers(one, other) || covers(other, one)
}

#[cfg(test)]
mod tests;
