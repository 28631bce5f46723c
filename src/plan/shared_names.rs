//! Names by which components are called on networks that their environment did not make. Whoever else is there asks the same
//! name service: a name that somebody else has would take calls that are meant for them.

use super::container::{container_name, front_name, link_aliases};
use crate::model::{Component, Network, Permissions, Problem, Release};
use std::collections::BTreeSet;

/// Names on others' networks that are not the release's to have, unless `allow.external` says `names = true` of the network.
/// `others` are the releases that other environments have or are about to have.
pub fn refused(release: &Release, others: &[Release], allow: &Permissions) -> Vec<Problem> {
    let mut problems = Vec::new();
    let is_allowed = |network: &Network| allow.external(&network.name).is_some_and(|grant| grant.names);
    let shared = release.stack.networks.iter().filter(|(_, network)| network.external && !is_allowed(network));
    for (key, network) in shared {
        let taken: Vec<(&Release, BTreeSet<String>)> =
            others.iter().filter(|other| is_there(other, network)).map(|other| (other, all_names(other))).collect();
        for component in release.stack.components.values().filter(|one| one.container.networks.contains_key(key)) {
            let why = called(release, component, key).into_iter().find_map(|name| {
                let other = taken.iter().find(|(_, names)| names.contains(&name)).map(|(other, _)| other);
                match other {
                    Some(other) => Some(format!(
                        "{name} is a name of {}/{} too, which is on the network {}: calls that are meant for it could come here, so it is refused. Another name of the service or alias needs no permission;",
                        other.project, other.environment, network.name
                    )),
                    None if name.contains('.') => Some(format!(
                        "{name} on the network {} of others could be anybody's host, so it is refused. A name without a dot needs no permission;",
                        network.name
                    )),
                    None => None,
                }
            });
            if let Some(why) = why {
                let key = format!("services.{}.networks.{key}", component.name);
                let write =
                    if allow.external(&network.name).is_some_and(|grant| grant.write) { ", write = true" } else { "" };
                let line = format!("external = [{{ name = {:?}, names = true{write} }}]", network.name);
                problems.push(Problem::refusal(Some(component.place.clone()), key, &why, line));
            }
        }
    }
    problems
}

/// A component of the release hangs on the network, whoever made it.
fn is_there(release: &Release, network: &Network) -> bool {
    let keys = release.stack.networks.iter().filter(|(_, held)| held.name == network.name).map(|(key, _)| key);
    keys.into_iter().any(|key| release.stack.components.values().any(|one| one.container.networks.contains_key(key)))
}

/// What a component is called on a network by this release, in lower case, as name services compare. Its container's own
/// name is looked at where the file gives it.
fn called(release: &Release, component: &Component, network: &str) -> Vec<String> {
    let aliases = component.container.networks.get(network).into_iter().flat_map(|attached| attached.aliases.clone());
    let links = link_aliases(&release.stack.components, &component.name);
    let own = [component.name.to_string()].into_iter().chain(component.container.container_name.clone());
    own.chain(aliases).chain(links).map(|name| name.to_ascii_lowercase()).collect()
}

/// Every name that a component of the release calls another by, on any of its networks: whoever is on two of them asks both.
fn all_names(release: &Release) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for component in release.stack.components.values() {
        let containers = (1..=component.replicas).map(|replica| container_name(release, component, replica));
        names.extend(containers.chain([front_name(release, component)]));
        names.extend(component.container.networks.keys().flat_map(|network| called(release, component, network)));
    }
    names.into_iter().map(|name| name.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ExternalGrant, NetworkAttachment, ProjectName};
    use crate::plan::sample::{component, stack_of};

    /// A release of a project: its components, of which those in `shared` are on the network `proxy` of others, too.
    fn release(project: &str, components: &[&str], shared: &[(&str, &[&str])]) -> Release {
        let mut all: Vec<_> = components.iter().map(|name| component(name)).collect();
        for one in &mut all {
            let on = shared.iter().find(|(name, _)| *name == one.0.name.as_str());
            if let Some((_, aliases)) = on {
                let aliases = aliases.iter().map(ToString::to_string).collect();
                one.0.container.networks.insert("p".into(), NetworkAttachment { aliases, ..Default::default() });
            }
        }
        let mut stack = stack_of(all);
        stack.compose_project = format!("{project}-production");
        stack.networks.insert("p".into(), Network { name: "proxy".into(), external: true, ..Default::default() });
        let base = crate::plan::converge::tests::release(1, stack);
        Release { project: ProjectName::new(project).unwrap(), ..base }
    }

    fn told(release: &Release, other: &Release, names: bool) -> Vec<String> {
        let external = vec![ExternalGrant { name: "proxy".into(), write: false, names }];
        let allow = Permissions { external, ..Default::default() };
        refused(release, std::slice::from_ref(other), &allow).into_iter().map(|problem| problem.message).collect()
    }

    #[test]
    fn nobody_answers_to_a_neighbours_name_on_a_network_that_both_are_on() {
        let bank = release("bank", &["api", "db"], &[("api", &[])]);
        for (name, aliases) in [
            ("db", &[][..]),
            ("api", &[]),
            ("x", &["DB"]),
            ("x", &["bank-production-api-1"]),
            ("x", &["bank-production-db-front"]),
            ("x", &["api.stripe.com"]),
            ("x", &["db.bank-production_default"]),
        ] {
            let evil = release("evil", &[name], &[(name, aliases)]);
            assert_eq!(told(&evil, &bank, false).len(), 1, "{name} {aliases:?}");
            assert_eq!(told(&evil, &bank, true), Vec::<String>::new());
        }
        let fine = release("evil", &["web", "db"], &[("web", &["shop-web"])]);
        assert_eq!(told(&fine, &bank, false), Vec::<String>::new(), "what is not there has names of its own");
    }

    #[test]
    fn who_is_not_on_the_network_is_not_called_there() {
        let bank = release("bank", &["api", "db"], &[]);
        assert_eq!(told(&release("evil", &["db"], &[("db", &[])]), &bank, false), Vec::<String>::new());
    }
}
