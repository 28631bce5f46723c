//! How many networks a project has on the engine, over all of its environments. An engine gives out addresses for about thirty
//! (`default-address-pools`); once they are used up nobody gets another, whoever he is.

use super::grants::Grants;
use super::routing::EDGE_NETWORK;
use crate::model::{Network, Observed, ObservedNetwork, Problem, Release, label};
use std::collections::BTreeSet;

/// Without `allow.networks`.
pub const MOST_NETWORKS: usize = 10;

/// The network with which the project would have more than it may. `others` are the releases that other environments have or
/// are about to have, `observed` is the engine as it is: what a release no longer names is there until that is live.
pub fn refused(release: &Release, others: &[Release], observed: &Observed, grants: &Grants) -> Option<Problem> {
    let most = grants.allow.networks.map_or(MOST_NETWORKS, |networks| networks as usize);
    let others = || others.iter().filter(|other| other.project == release.project);
    let chosen: BTreeSet<&String> = others()
        .chain([release])
        .flat_map(made)
        .filter(|(_, network)| has_own(network))
        .map(|(_, n)| &n.name)
        .collect();
    let own: BTreeSet<&String> = made(release).map(|(_, network)| &network.name).collect();
    let there = observed.networks.iter().filter(|(_, network)| is_of(network, release)).map(|(name, _)| name);
    let elsewhere = others().flat_map(made).map(|(_, network)| &network.name);
    let all: BTreeSet<&String> =
        own.iter().copied().chain(there).chain(elsewhere).filter(|name| !chosen.contains(name)).collect();
    if all.len() <= most {
        return None;
    }
    let counts = |(_, network): &(&String, &Network)| !chosen.contains(&network.name);
    let is_new = |(_, network): &(&String, &Network)| !observed.networks.contains_key(&network.name);
    let (key, network) = made(release).filter(counts).find(is_new).or_else(|| made(release).filter(counts).last())?;
    let beside = match all.iter().filter(|name| !own.contains(*name)).count() {
        0 => String::new(),
        count => format!(" ({count} of them in its other environments, or there from before)"),
    };
    let why = format!(
        "{} networks of project {}{beside} are more than the {most} that it may have: an engine has addresses for about thirty, of all projects together, so it is refused;",
        all.len(),
        release.project
    );
    let line = format!("networks = {}", all.len());
    Some(Problem::refusal(network.place.clone(), format!("networks.{key}"), &why, line))
}

/// Networks that are made for a release; not the edge's, whose addresses are not the engine's choice.
fn made(release: &Release) -> impl Iterator<Item = (&String, &Network)> {
    release.stack.networks.iter().filter(|(key, network)| !network.external && *key != EDGE_NETWORK)
}

/// Whether its addresses are those that launchway.toml allows the project to choose.
fn has_own(network: &Network) -> bool {
    network.ipam.iter().any(|pool| pool.subnet.is_some())
}

fn is_of(network: &ObservedNetwork, release: &Release) -> bool {
    let is = |key: &str, value: &str| network.labels.get(key).is_some_and(|found| found == value);
    is(label::PROJECT, release.project.as_str()) && !is(label::COMPOSE_NETWORK, EDGE_NETWORK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EnvironmentName, NetworkAttachment, Permissions, ProjectName, Subnet};
    use crate::plan::sample::{component, stack};
    use std::collections::BTreeMap;

    fn release(project: &str, environment: &str, networks: usize) -> Release {
        let mut web = component("web");
        let keys: Vec<String> = (0..networks).map(|number| format!("n{number:02}")).collect();
        web.0.container.networks = keys.iter().map(|key| (key.clone(), NetworkAttachment::default())).collect();
        let mut stack = stack([web]);
        let named = |key: String| {
            let name = format!("{project}-{environment}_{key}");
            (key, Network { name, ..Network::default() })
        };
        stack.networks = keys.into_iter().map(named).collect();
        let base = crate::plan::converge::tests::release(1, stack);
        let (project, environment) = (ProjectName::new(project).unwrap(), EnvironmentName::new(environment).unwrap());
        Release { project, environment, ..base }
    }

    fn told(release: &Release, others: &[Release], networks: Option<u32>) -> Vec<String> {
        told_beside(release, others, &Observed::default(), networks)
    }

    fn told_beside(release: &Release, others: &[Release], observed: &Observed, networks: Option<u32>) -> Vec<String> {
        let grants = Grants { allow: Permissions { networks, ..Default::default() }, ..Default::default() };
        let line = |problem: &Problem| format!("{problem} | {}", problem.allow.as_deref().unwrap_or_default());
        refused(release, others, observed, &grants).iter().map(line).collect()
    }

    #[test]
    fn one_project_does_not_use_up_the_addresses_of_all() {
        assert_eq!(told(&release("evil", "production", 10), &[], None), Vec::<String>::new());
        insta::assert_snapshot!(told(&release("evil", "production", 31), &[], None).join("\n"), @"networks.n00: 31 networks of project evil are more than the 10 that it may have: an engine has addresses for about thirty, of all projects together, so it is refused; `allow.networks = 31` of the project in launchway.toml allows it | networks = 31");
        assert_eq!(told(&release("evil", "production", 31), &[], Some(31)), Vec::<String>::new());
        assert_eq!(told(&release("evil", "production", 2), &[], Some(1)).len(), 1, "and fewer, where it says so");
    }

    #[test]
    fn all_environments_of_a_project_count_and_nobody_elses() {
        let others = [release("evil", "staging", 6), release("shop", "production", 9)];
        assert_eq!(told(&release("evil", "production", 4), &others, None), Vec::<String>::new());
        insta::assert_snapshot!(told(&release("evil", "production", 5), &others, None).join("\n"), @"networks.n00: 11 networks of project evil (6 of them in its other environments, or there from before) are more than the 10 that it may have: an engine has addresses for about thirty, of all projects together, so it is refused; `allow.networks = 11` of the project in launchway.toml allows it | networks = 11");
    }

    #[test]
    fn what_the_last_release_left_counts_until_it_is_gone() {
        let networks = |names: &[String], key: &str| {
            let labels = [(label::PROJECT, "evil"), (label::COMPOSE_NETWORK, key)];
            let labels: BTreeMap<String, String> =
                labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
            let network = ObservedNetwork { labels, ..Default::default() };
            Observed {
                networks: names.iter().map(|name| (name.clone(), network.clone())).collect(),
                ..Default::default()
            }
        };
        let before: Vec<String> = (0..10).map(|number| format!("evil-production_before{number}")).collect();
        let renamed = release("evil", "production", 1);
        assert_eq!(told_beside(&renamed, &[], &networks(&before[..9], "x"), None), Vec::<String>::new());
        let refused = told_beside(&renamed, &[], &networks(&before, "x"), None);
        assert!(refused[0].starts_with("networks.n00: 11 networks of project evil (10 of them"), "{refused:?}");
        assert_eq!(told_beside(&renamed, &[], &networks(&before, EDGE_NETWORK), None), Vec::<String>::new());
        // What is the same is there once.
        let same = release("evil", "production", 10);
        let there: Vec<String> = same.stack.networks.values().map(|network| network.name.clone()).collect();
        assert_eq!(told_beside(&same, &[], &networks(&there, "x"), None), Vec::<String>::new());
    }

    #[test]
    fn what_takes_no_addresses_of_the_engines_does_not_count() {
        let mut release = release("shop", "production", 30);
        for (number, network) in release.stack.networks.values_mut().enumerate() {
            match number % 2 {
                0 => network.external = true,
                _ => network.ipam = vec![Subnet { subnet: Some("172.28.0.0/24".into()), ..Subnet::default() }],
            }
        }
        assert_eq!(told(&release, &[], None), Vec::<String>::new());
    }
}
