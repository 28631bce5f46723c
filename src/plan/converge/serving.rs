//! What the edge is to serve: shares of releases, requests that wait, what is drained, who lets a way in go.

use super::{Planner, existing, is_up};
use crate::model::{
    Component, ComponentName, ComponentRoutes, EdgeAddress, Method, Network, Observed, ObservedContainer, ObservedEdge,
    ObservedNetwork, Problem, Protocol, Release, ReleaseId, ReplicaAddress, RouteEntry, Sticky, label,
};
use crate::plan::method;
use crate::plan::neighbours::overlap;
use crate::plan::routing::{EDGE_NETWORK, free_address};
use crate::plan::slots::Matching;
use crate::plan::{Action, ContainerSpec, EngineNetworkMode, Phase, RouteChange, Share, Target};
use ipnet::{Ipv4Net, Ipv6Net};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

/// How long a replica may take to finish what it has, where nothing is set.
const DRAIN: Duration = Duration::from_secs(30);
/// The same while requests wait for the component. An open WebSocket never finishes by itself: with the whole 30 s, whoever
/// came first would have waited as long as the edge lets anybody wait, before the stop and the start have even begun.
const DRAIN_HELD: Duration = Duration::from_secs(10);

/// A replica of the release in the making.
#[derive(Debug, Clone)]
pub(super) struct Fresh {
    pub replica: u32,
    pub target: Target,
    pub address: Option<ReplicaAddress>,
    pub must_start: bool,
    /// It runs, but is not ready.
    pub must_wait: bool,
    /// It gets requests.
    pub serves: bool,
}

/// Addresses on the environment's edge network.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    pub subnet: Option<Ipv4Net>,
    /// Where the environment's own networks have IPv6.
    pub subnet_6: Option<Ipv6Net>,
    taken: BTreeSet<Ipv4Addr>,
}

impl Planner<'_> {
    pub(super) fn edge(&self) -> Option<&ObservedEdge> {
        self.observed.edge.as_ref()
    }

    pub(super) fn routes(&self, name: &ComponentName) -> Option<&ComponentRoutes> {
        self.served.get(name)
    }

    /// How the component goes from what runs to what is wanted.
    pub(super) fn method(&self, component: &Component) -> Method {
        let chosen = method::choose_in(&self.relations, component).method;
        let is_moved = self.routes(&component.name).is_some_and(|routes| {
            let moved = |entry: &RouteEntry| {
                routes.entries.iter().any(|now| now.listen == entry.listen && now.target != entry.target)
            };
            component.entries.iter().any(moved)
        });
        // An unnamed volume is handed on while the old container is still there: both would write to it. Which paths an image
        // keeps in volumes may be known only once it has run.
        let hands_on = |container: &ObservedContainer| {
            let mut paths = container.anonymous_volumes.keys();
            container.component == component.name
                && is_up(container)
                && paths.any(|path| self.wanted.unnamed.is_declared(component, path))
        };
        match chosen {
            _ if self.observed.containers.iter().any(hands_on) => Method::Recreate,
            // Both cannot be reached at one port of theirs.
            _ if is_moved => Method::Recreate,
            // What was good before is not tried out again.
            Method::Canary if self.wanted.goal == super::Goal::PutBack => Method::BlueGreen,
            Method::Auto => Method::Recreate,
            method => method,
        }
    }

    /// Where the environment's edge network lies: where it is, else the first free part of the edge's range.
    pub(super) fn find_addresses(&mut self) {
        let Some(network) = self.release.stack.networks.get(EDGE_NETWORK) else { return };
        let Some(edge) = &self.observed.edge else { return };
        let there = self.observed.networks.get(&network.name);
        self.addresses.subnet = there.and_then(|there| nets(there).next()).or_else(|| {
            let mut held: Vec<Ipv4Net> = self.observed.networks.values().flat_map(nets).collect();
            // The engine takes any subnet that it is given, and the host would no longer reach what was there.
            held.extend(edge.host_routes.iter().map(|route| route.net));
            let range = edge.range?;
            let subnets: Vec<Ipv4Net> = range.subnets(24.max(range.prefix_len())).ok()?.collect();
            // Two environments that begin at the same time do not choose the same.
            let first = network.name.bytes().fold(7usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
            let in_turn = subnets.iter().cycle().skip(first % subnets.len().max(1)).take(subnets.len());
            in_turn.copied().find(|subnet| {
                !held.iter().any(|held| overlap(&(*held).into(), &(*subnet).into()))
                    && !edge.addresses.iter().any(|address| matches!(address, IpAddr::V4(ip) if subnet.contains(ip)))
            })
        });
        let six = self.addresses.subnet.map(|subnet| unique_local(&network.name, subnet));
        self.addresses.subnet_6 = six.filter(|_| match there {
            // An engine may have chosen one of its own, in which it gives out the addresses itself.
            Some(there) => has_ours(there, &network.name),
            None => self.observed.filters_ipv6 && has_ipv6(self.release, self.observed),
        });
        let held = self.observed.containers.iter().filter_map(|container| container.edge_address);
        self.addresses.taken = held.map(|address| address.v4).collect();
        let routed = edge.addresses.iter().filter_map(|address| match address {
            IpAddr::V4(ip) => Some(*ip),
            IpAddr::V6(_) => None,
        });
        self.addresses.taken.extend(routed);
    }

    /// The edge's addresses are used up by what is to be created.
    pub(super) fn lacks_addresses(&self, matchings: &BTreeMap<&ComponentName, Matching>) -> Option<Problem> {
        self.edge()?;
        let components = self.release.stack.components.values();
        let components = components.filter(|component| component.edge_entries().next().is_some());
        let missing = components.filter_map(|component| matchings.get(&component.name));
        let needed: usize = missing.map(|matching| matching.missing().count()).sum();
        if let (true, None, Some(range)) = (needed > 0, self.addresses.subnet, self.edge()?.range) {
            return Some(self.lacks_a_network(range));
        }
        let free = self.addresses.subnet.map_or(0, |subnet| {
            subnet.hosts().skip(1).filter(|address| !self.addresses.taken.contains(address)).take(needed).count()
        });
        (free < needed).then(|| {
            let message = format!(
                "the edge's network has no {needed} addresses left ({free} are free). `edge.addresses` in launchway.toml sets the range that the environments' networks are cut from, and each has room for 253 containers."
            );
            Problem::error(None, "edge.addresses", message)
        })
    }

    /// Of the range that the environments' networks are cut from, nothing is free.
    fn lacks_a_network(&self, range: Ipv4Net) -> Problem {
        let routes = self.edge().map(|edge| edge.host_routes.as_slice()).unwrap_or_default();
        let why = match routes.iter().find(|route| route.net.contains(&range)) {
            Some(route) => format!("the host leads {} to {}, and that is all of it", route.net, route.device),
            None => {
                "networks of the engine and routes of the host take all of it (`docker network ls`, `ip route`)".into()
            }
        };
        let message = format!(
            "there is no place in {range} for a network between the edge and this environment: {why}. Set `addresses` of `[edge]` in launchway.toml to another range, such as 172.30.0.0/16"
        );
        Problem::error(None, "edge.addresses", message)
    }

    /// Gives a container that is to be created its place on the edge's network.
    pub(super) fn give_address(&mut self, spec: &mut ContainerSpec) -> Option<ReplicaAddress> {
        let name = &self.release.stack.networks.get(EDGE_NETWORK)?.name;
        let EngineNetworkMode::Networks(networks) = &mut spec.network else { return None };
        let attached = networks.iter_mut().find(|network| network.name == *name)?;
        // Nobody is to find it there by a name.
        attached.aliases.clear();
        let subnet = self.addresses.subnet?;
        let v4 = free_address(subnet, &self.addresses.taken)?;
        self.addresses.taken.insert(v4);
        attached.ipv4_address = Some(v4.to_string());
        spec.labels.insert(label::EDGE_ADDRESS.to_string(), v4.to_string());
        let v6 = self.addresses.subnet_6.map(|six| beside(v4, subnet, six));
        if let Some(v6) = v6 {
            attached.ipv6_address = Some(v6.to_string());
            spec.labels.insert(label::EDGE_ADDRESS_6.to_string(), v6.to_string());
        }
        Some(ReplicaAddress { v4, v6 })
    }

    /// The shares as the edge has them now.
    pub(super) fn shares_now(&self, routes: &ComponentRoutes) -> Vec<Share> {
        let known = |id: &str| self.observed.containers.iter().find(|c| c.id == id).and_then(|c| c.edge_address);
        let replica = |replica: &crate::model::Replica| match replica.address {
            Some(IpAddr::V4(v4)) => Some((self.target_of(&replica.id), Some(ReplicaAddress { v4, v6: replica.also }))),
            Some(IpAddr::V6(_)) => None,
            None => Some((self.target_of(&replica.id), known(&replica.id))),
        };
        let shares = routes.releases.iter().map(|release| Share {
            release: release.release,
            weight: release.weight,
            replicas: release.replicas.iter().filter_map(replica).collect(),
        });
        shares.collect()
    }

    fn target_of(&self, id: &str) -> Target {
        let found = self.observed.containers.iter().find(|container| container.id == id);
        let name = found.map_or_else(|| id.get(..12).unwrap_or(id).to_string(), |container| container.name.clone());
        Target::Existing { id: id.to_string(), name }
    }

    /// Which release a container serves for.
    pub(super) fn release_of(&self, container: &ObservedContainer) -> ReleaseId {
        let routed = self.routes(&container.component).and_then(|routes| {
            let of =
                |release: &&crate::model::WeightedRelease| release.replicas.iter().any(|one| one.id == container.id);
            routes.releases.iter().find(of).map(|release| release.release)
        });
        routed.or(container.release).unwrap_or(ReleaseId(0))
    }

    /// The shares of the new release's replicas and of the old ones. `weight` is the new release's; where it is not
    /// given, each replica has the same share.
    pub(super) fn shares(&self, new: &[Fresh], old: &[&ObservedContainer], weight: Option<u8>) -> Vec<Share> {
        let mut groups: BTreeMap<ReleaseId, Vec<(Target, Option<ReplicaAddress>)>> = BTreeMap::new();
        for container in old {
            let is_inside = self.fronts.contains_key(&container.component);
            if is_inside || container.edge_address.is_some() {
                let replica = (existing(container), container.edge_address);
                groups.entry(self.release_of(container)).or_default().push(replica);
            }
        }
        let own = groups.entry(self.release.id).or_default();
        own.extend(new.iter().map(|fresh| (fresh.target.clone(), fresh.address)));
        groups.retain(|_, replicas| !replicas.is_empty());
        let total: usize = groups.values().map(Vec::len).sum();
        let others = total - groups.get(&self.release.id).map_or(0, Vec::len);
        let exact = |release: &ReleaseId, count: usize| match weight {
            Some(weight) if others > 0 && *release == self.release.id => f64::from(weight),
            Some(weight) if others > 0 => f64::from(100 - weight) * count as f64 / others as f64,
            _ => 100.0 * count as f64 / total as f64,
        };
        let mut shares: Vec<Share> = groups
            .into_iter()
            .map(|(release, replicas)| {
                let weight = (exact(&release, replicas.len()).floor() as u8).max(1);
                Share { release, weight, replicas }
            })
            .collect();
        // What rounding leaves, or takes, is the largest's.
        let sum: i32 = shares.iter().map(|share| i32::from(share.weight)).sum();
        if let Some(largest) = shares.iter_mut().max_by_key(|share| share.weight) {
            largest.weight = (i32::from(largest.weight) + 100 - sum) as u8;
        }
        shares
    }

    /// Whether the edge serves exactly these, each replica to all.
    pub(super) fn is_served(&self, component: &Component, new: &[Fresh]) -> bool {
        let Some(routes) = self.routes(&component.name) else { return component.entries.is_empty() };
        let wanted: BTreeSet<Option<&str>> = new.iter().map(|fresh| fresh.target.existing()).collect();
        let served: BTreeSet<Option<&str>> = routes.serving().map(|replica| Some(replica.id.as_str())).collect();
        !routes.held
            && routes.entries == component.entries
            && routes.sticky == sticky(component)
            && routes.releases.len() == 1
            && wanted == served
    }

    /// Has the edge serve these shares. Nothing is added where it does already, or where nothing leads to the component.
    pub(super) fn lead(
        &mut self,
        component: &Component,
        shares: Vec<Share>,
        cause: &str,
        waits: Vec<u32>,
    ) -> Option<u32> {
        if !self.can_lead(component) {
            return None;
        }
        let name = &component.name;
        let mut entries = component.entries.clone();
        // Ways in that another component gets later lead here until then.
        let kept = self.planned(name).into_iter().flat_map(|planned| self.kept_for_others(component, &planned));
        // Where nothing listens any more, whoever came would stand in the way of all others.
        entries.extend(kept.filter(|kept| component.entries.iter().any(|own| own.target == kept.target)));
        let change = RouteChange {
            component: name.clone(),
            entries,
            shares,
            held: false,
            sticky: sticky(component),
            others: Vec::new(),
        };
        if let Some((led, step)) = self.led.get(name)
            && (RouteChange { others: Vec::new(), ..led.clone() }) == change
        {
            return Some(*step);
        }
        Some(self.change_routes(change, cause, waits))
    }

    /// Adds the step, which takes its ways in from whoever has them after the plan so far.
    fn change_routes(&mut self, mut change: RouteChange, cause: &str, mut waits: Vec<u32>) -> u32 {
        let name = change.component.clone();
        waits.extend(self.led.get(&name).map(|(_, step)| *step));
        for theirs in
            self.planned_of_others(&name, |entry| change.entries.iter().any(|mine| mine.listen.collides(&entry.listen)))
        {
            let is_taken = |entry: &RouteEntry| change.entries.iter().any(|mine| mine.listen.collides(&entry.listen));
            waits.extend(self.led.get(&theirs.component).map(|(_, step)| *step));
            let rest = theirs.entries.iter().filter(|entry| !is_taken(entry)).cloned().collect();
            change.others.push(RouteChange { entries: rest, ..theirs });
        }
        let subject = subject_of(&change);
        let action = Action::Route(Box::new(change.clone()));
        let step = self.draft.add(Some(&name), &subject, action, cause, Phase::Deploy, waits);
        for other in &change.others {
            self.led.insert(other.component.clone(), (other.clone(), step));
        }
        self.led.insert(name, (change, step));
        step
    }

    /// What the edge serves of a component after the plan so far.
    fn planned(&self, name: &ComponentName) -> Option<RouteChange> {
        if let Some((led, _)) = self.led.get(name) {
            return Some(RouteChange { others: Vec::new(), ..led.clone() });
        }
        let routes = self.routes(name)?;
        Some(RouteChange {
            component: name.clone(),
            entries: routes.entries.clone(),
            shares: self.shares_now(routes),
            held: routes.held,
            sticky: routes.sticky.clone(),
            others: Vec::new(),
        })
    }

    /// The same of all components but this one that have such a way in.
    fn planned_of_others(&self, name: &ComponentName, such: impl Fn(&RouteEntry) -> bool) -> Vec<RouteChange> {
        let served = self.served.iter().filter(|(other, _)| !self.led.contains_key(*other));
        let served = served.map(|(other, routes)| (other, &routes.entries));
        let led = self.led.iter().map(|(other, (led, _))| (other, &led.entries));
        let others = served.chain(led).filter(|(other, entries)| *other != name && entries.iter().any(&such));
        let others: BTreeSet<&ComponentName> = others.map(|(other, _)| other).collect();
        others.into_iter().filter_map(|other| self.planned(other)).collect()
    }

    /// Ways in that lead to the component still, and that another component of the release is to have. It takes them once
    /// it is ready; until then nobody is sent away.
    fn kept_for_others(&self, component: &Component, planned: &RouteChange) -> Vec<RouteEntry> {
        let others = self.release.stack.components.values();
        let others = others.filter(|other| other.name != component.name && other.replicas > 0);
        let own = |entry: &RouteEntry| component.entries.iter().any(|mine| mine.listen.collides(&entry.listen));
        let is_wanted = |entry: &RouteEntry| {
            let mut wanted = others.clone().flat_map(|other| &other.entries);
            wanted.any(|other| other.listen.collides(&entry.listen))
        };
        planned.entries.iter().filter(|entry| !own(entry) && is_wanted(entry)).cloned().collect()
    }

    /// Before anything of the component is stopped that gets requests: they wait from now on. What nobody opens any more
    /// is let go. Returns the steps.
    pub(super) fn hold_requests(&mut self, component: &Component, waits: &[u32]) -> Vec<u32> {
        let name = &component.name;
        let Some(planned) = self.planned(name).filter(|planned| !planned.entries.is_empty()) else { return Vec::new() };
        let published = engine_ports(component);
        let (entries, cause) = match component.entries.is_empty() {
            true => {
                let mut kept = self.kept_for_others(component, &planned);
                // A front that goes has its callers wait until they are told to look elsewhere.
                kept.extend(planned.entries.iter().filter(|entry| entry.listen.is_inside()).cloned());
                (kept, "another owns its ways in from now on")
            }
            // Ways in that are new are opened once something can answer there.
            false => {
                let open = planned.entries.iter().filter(|entry| !opens_one_of(entry, &published)).cloned();
                (open.collect(), "it is stopped and started again")
            }
        };
        if entries.is_empty() {
            let cause = "the engine publishes its ports again, or nothing does";
            return vec![self.unroute(planned, cause, waits.to_vec())];
        }
        let nobody = planned.shares.iter().all(|share| share.weight == 0 || share.replicas.is_empty());
        if entries == planned.entries && (planned.held || nobody) {
            return Vec::new();
        }
        let change = RouteChange { entries, held: true, ..planned };
        vec![self.change_routes(change, cause, waits.to_vec())]
    }

    /// A port that the engine is to publish, and that the edge opens for another component, is let go first.
    pub(super) fn let_ports_go(&mut self, component: &Component, waits: &[u32]) -> Vec<u32> {
        let published = engine_ports(component);
        let mut steps = Vec::new();
        for mut planned in self.planned_of_others(&component.name, |entry| opens_one_of(entry, &published)) {
            planned.entries.retain(|entry| !opens_one_of(entry, &published));
            let cause = format!("the engine publishes its port for {} from now on", component.name);
            steps.push(match planned.entries.is_empty() {
                true => self.unroute(planned, &cause, waits.to_vec()),
                false => self.change_routes(planned, &cause, waits.to_vec()),
            });
        }
        self.let_go.entry(component.name.clone()).or_default().extend(steps);
        self.let_go[&component.name].clone()
    }

    fn unroute(&mut self, planned: RouteChange, cause: &str, mut waits: Vec<u32>) -> u32 {
        let name = planned.component.clone();
        waits.extend(self.led.get(&name).map(|(_, step)| *step));
        let action = Action::Unroute(name.clone());
        let step = self.draft.add(Some(&name), &edge_subject(&name), action, cause, Phase::Deploy, waits);
        self.led.insert(name, (RouteChange { entries: Vec::new(), ..planned }, step));
        step
    }

    /// Before a container is stopped out of its component's turn: where it serves, requests wait until that turn comes.
    pub(super) fn hold_before_stop(&mut self, container: &ObservedContainer, waits: &[u32]) -> Vec<u32> {
        let name = &container.component;
        let is_held = self.is_held(name);
        let Some(planned) = self.planned(name).filter(|_| !is_held) else { return Vec::new() };
        if !self.gets_requests(name, &container.id) {
            return Vec::new();
        }
        let change = RouteChange { held: true, ..planned };
        vec![self.change_routes(change, "another component needs what it holds", waits.to_vec())]
    }

    /// Whether requests wait for it, by what was planned last, or by what is.
    pub(super) fn is_held(&self, name: &ComponentName) -> bool {
        match self.led.get(name) {
            Some((change, _)) => change.held,
            None => self.routes(name).is_some_and(|routes| routes.held),
        }
    }

    /// Waits until a container that gets nothing new has finished what it has; nothing where the edge never led to it.
    pub(super) fn drain(&mut self, container: &ObservedContainer, phase: Phase, waits: &[u32]) -> Vec<u32> {
        let in_flight = self.edge().and_then(|edge| edge.in_flight.get(&container.id));
        let is_known = self.gets_requests(&container.component, &container.id)
            || in_flight.is_some_and(|flight| !flight.is_idle())
            // A front is asked what a replica still has only when it is to end.
            || self.may_have_calls(container);
        if !is_known {
            return Vec::new();
        }
        let settings = self.release.stack.components.get(&container.component).map(|component| &component.settings);
        let usual = if self.is_held(&container.component) { DRAIN_HELD } else { DRAIN };
        let limit = settings.and_then(|settings| settings.drain).unwrap_or(usual);
        let action = Action::Drain { component: container.component.clone(), target: existing(container), limit };
        let cause = "it gets nothing new";
        vec![self.draft.add(Some(&container.component), &container.name, action, cause, phase, waits.to_vec())]
    }

    /// In phase clean: takes away a container that may still run, once it has finished what it has.
    pub(super) fn retire(&mut self, container: &ObservedContainer, cause: &str, waits: &[u32]) -> u32 {
        let mut waits = waits.to_vec();
        if is_up(container) && !self.stops.contains_key(&container.id) {
            waits.extend(self.drain(container, Phase::Clean, &waits.clone()));
            let action = Action::StopContainer { target: existing(container), grace: None };
            waits =
                vec![self.draft.add(Some(&container.component), &container.name, action, cause, Phase::Clean, waits)];
        }
        let action = Action::RemoveContainer(existing(container));
        self.draft.add(Some(&container.component), &container.name, action, cause, Phase::Clean, waits)
    }

    /// In phase clean: ways in to components that the release no longer has. Returns the steps by component.
    pub(super) fn unroute_dropped(&mut self) -> BTreeMap<ComponentName, u32> {
        let Some(edge) = &self.observed.edge else { return BTreeMap::new() };
        let dropped = edge.routes.keys().filter(|name| !self.release.stack.components.contains_key(*name));
        let dropped: Vec<ComponentName> = dropped.cloned().collect();
        let mut steps = BTreeMap::new();
        for name in dropped {
            if let Some(step) = self.unrouted.get(&name) {
                steps.insert(name, *step);
                continue;
            }
            let action = Action::Unroute(name.clone());
            let cause = "the Compose file no longer has it";
            let step = self.draft.add(Some(&name), &edge_subject(&name), action, cause, Phase::Clean, []);
            steps.insert(name, step);
        }
        steps
    }
}

/// Whether a network of the environment's own has IPv6. Where none has, no container knows of it, and none is to learn of
/// it from us.
fn has_ipv6(release: &Release, observed: &Observed) -> bool {
    let has = |network: &Network| {
        let there = observed.networks.get(&network.name);
        there.map_or(network.enable_ipv6 == Some(true), |there| there.ipv6)
    };
    let own = release.stack.networks.iter().filter(|(key, _)| *key != EDGE_NETWORK);
    own.map(|(_, network)| network).any(has)
}

/// Why what listens on IPv6 alone is not reached by the edge, although a network of the environment has IPv6.
pub fn without_ipv6(release: &Release, observed: &Observed) -> Option<String> {
    let network = release.stack.networks.get(EDGE_NETWORK).filter(|_| has_ipv6(release, observed))?;
    let name = &network.name;
    let why = match observed.networks.get(name) {
        Some(there) if has_ours(there, name) => return None,
        _ if !observed.filters_ipv6 => "Docker Engine keeps containers apart by IPv6 from 27 on only".into(),
        Some(_) => format!(
            "{name} was made without it. `launchway give-back`, `launchway resume` and another deployment make it anew, with a gap for visitors"
        ),
        None => return None,
    };
    Some(format!("the edge leads to its replicas by IPv4 alone: {why}"))
}

/// Whether a network has the subnet that we choose for IPv6, and no pool of the engine's own.
fn has_ours(network: &ObservedNetwork, name: &str) -> bool {
    let ours = nets(network).next().map(|four: Ipv4Net| unique_local(name, four));
    nets(network).any(|six: Ipv6Net| Some(six) == ours)
}

fn nets<T: FromStr>(network: &ObservedNetwork) -> impl Iterator<Item = T> {
    network.ipam.iter().filter_map(|pool| pool.subnet.as_deref()?.parse().ok())
}

/// A subnet for IPv6 that nobody else has: the 40 bits after `fd` are as good as random (RFC 4193, 3.2). They come of the
/// network's name and of its subnet for IPv4, which nobody else on this host has.
fn unique_local(name: &str, subnet: Ipv4Net) -> Ipv6Net {
    let digest = Sha256::digest(format!("{name} {subnet}"));
    let mut bytes = [0; 16];
    bytes[0] = 0xfd;
    bytes[1..6].copy_from_slice(&digest[..5]);
    Ipv6Net::new_assert(bytes.into(), 64)
}

/// The address for IPv6 has the same place in its subnet as the one for IPv4, so that the two are given out together.
fn beside(v4: Ipv4Addr, subnet: Ipv4Net, six: Ipv6Net) -> Ipv6Addr {
    let place = u32::from(v4) - u32::from(subnet.network());
    Ipv6Addr::from(u128::from(six.network()) + u128::from(place))
}

pub(super) fn sticky(component: &Component) -> Option<Sticky> {
    component.settings.canary.as_ref().and_then(|canary| canary.sticky.clone())
}

/// TCP ports of the host that the engine is to publish for it.
fn engine_ports(component: &Component) -> Vec<EdgeAddress> {
    let ports = component.container.ports.iter().filter(|port| port.protocol == Protocol::Tcp);
    let addresses = ports.filter_map(|port| {
        let host_ip = port.host_ip.as_deref().and_then(|text| text.parse().ok());
        Some(EdgeAddress { host_ip, port: port.published? })
    });
    addresses.collect()
}

/// The edge could not have the way in open while one of these is.
fn opens_one_of(entry: &RouteEntry, addresses: &[EdgeAddress]) -> bool {
    entry.listen.address().is_some_and(|open| addresses.iter().any(|address| address.overlaps(&open)))
}

/// Who is told: the edge, the component's front, or both.
fn subject_of(change: &RouteChange) -> String {
    let inside = change.entries.iter().filter(|entry| entry.listen.is_inside()).count();
    match inside {
        0 => edge_subject(&change.component),
        inside if inside == change.entries.len() => super::fronts::subject(&change.component),
        _ => format!("edge to and {}", super::fronts::subject(&change.component)),
    }
}

pub(super) fn edge_subject(name: &ComponentName) -> String {
    format!("edge to {name}")
}
