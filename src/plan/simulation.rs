//! An engine made of data, on which plans are tried out step by step.

use super::{Action, EngineMount, Phase, Plan, Target};
use crate::model::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default)]
pub struct Simulation {
    pub observed: Observed,
    clock: u32,
    created: BTreeMap<u32, String>,
    /// The largest number of containers of a component that ran at once.
    pub most: BTreeMap<ComponentName, usize>,
    /// The smallest number of replicas that served a component since something led to it, held requests apart.
    pub least: BTreeMap<ComponentName, usize>,
    /// Components share volumes on purpose, and ranges of ports.
    pub shares: bool,
}

impl Simulation {
    /// Carries out the steps of the given phases, at most `limit` of them, in their order.
    pub fn carry_out(&mut self, plan: &Plan, phases: &[Phase], limit: usize) -> usize {
        let mut done = 0;
        for phase in [Phase::Prepare, Phase::Deploy, Phase::Clean].iter().filter(|p| phases.contains(p)) {
            for step in plan.steps.iter().filter(|step| step.phase == *phase) {
                if done == limit {
                    return done;
                }
                self.act(step.id, &step.action);
                done += 1;
            }
        }
        done
    }

    fn find(&mut self, target: &Target) -> &mut ObservedContainer {
        let id = match target {
            Target::Existing { id, .. } => id.clone(),
            Target::Created { step } => self.created[step].clone(),
        };
        let fronts = self.observed.fronts.iter_mut().map(|front| &mut front.container);
        let all = self.observed.containers.iter_mut().chain(&mut self.observed.release_commands).chain(fronts);
        all.into_iter().find(|c| c.id == id).expect("a container that is there")
    }

    /// What the edge leads to runs, is ready, and is nobody else's.
    fn replica(&mut self, target: &Target, address: Option<ReplicaAddress>) -> Replica {
        let container = self.find(target).clone();
        let is_well = container.is_running() && container.health == Health::Healthy;
        assert!(is_well, "{} is led to and is not ready", container.name);
        assert_eq!(container.edge_address, address, "{}", container.name);
        if let Some(address) = address {
            let twins = self.observed.containers.iter().filter(|c| c.edge_address == Some(address));
            assert_eq!(twins.count(), 1, "{address:?} is somebody else's too");
        }
        Replica::at(container.id, address)
    }

    fn act(&mut self, step: u32, action: &Action) {
        match action {
            Action::CreateNetwork(spec) => {
                let network = ObservedNetwork {
                    labels: spec.labels.clone(),
                    driver: spec.network.driver.clone().unwrap_or_default(),
                    internal: spec.network.internal,
                    options: spec.network.driver_opts.clone(),
                    ipam: spec.network.ipam.clone(),
                    ipv6: spec.network.enable_ipv6 == Some(true),
                    ipam_driver: spec.network.ipam_driver.clone().unwrap_or_default(),
                    ..Default::default()
                };
                self.observed.networks.insert(spec.network.name.clone(), network);
            }
            Action::CreateVolume(spec) => {
                let volume = ObservedVolume {
                    labels: spec.labels.clone(),
                    driver: spec.volume.driver.clone().unwrap_or_default(),
                    options: spec.volume.driver_opts.clone(),
                    another: None,
                };
                self.observed.volumes.insert(spec.volume.name.clone(), volume);
            }
            Action::FillVolume(spec) => {
                let volume = ObservedVolume { labels: spec.labels.clone(), ..Default::default() };
                self.observed.volumes.insert(spec.name.clone(), volume);
            }
            Action::CreateContainer(spec) | Action::CreateFront(spec) => {
                let fronts = self.observed.fronts.iter().map(|front| &front.container);
                let mut all = self.observed.containers.iter().chain(fronts);
                assert!(all.all(|c| c.name != spec.name), "name {} is taken", spec.name);
                self.clock += 1;
                let id = format!("{:08}id", self.clock);
                self.created.insert(step, id.clone());
                let get = |key: &str| spec.labels.get(key).cloned();
                let number = |key: &str| get(key).and_then(|text| text.parse().ok());
                let volumes = spec.mounts.iter().filter_map(|mount| match mount {
                    EngineMount::Volume { name, target, .. } | EngineMount::Below { volume: name, target, .. } => {
                        Some((name.clone(), target.clone()))
                    }
                    EngineMount::Anonymous { target, .. } => Some((unnamed(&id, target), target.clone())),
                    _ => None,
                });
                let volumes: BTreeMap<String, String> = volumes.collect();
                let container = ObservedContainer {
                    id: id.clone(),
                    name: spec.name.clone(),
                    component: ComponentName::new(get(label::COMPONENT).unwrap()).unwrap(),
                    replica: number(label::COMPOSE_NUMBER).unwrap() as u32,
                    fingerprint: get(label::FINGERPRINT).map(Fingerprint),
                    project: get(label::PROJECT).and_then(|p| ProjectName::new(p).ok()),
                    environment: get(label::ENVIRONMENT).and_then(|p| EnvironmentName::new(p).ok()),
                    release: number(label::RELEASE).map(ReleaseId),
                    deployment: number(label::DEPLOYMENT).map(DeploymentId),
                    state: ContainerState::Created,
                    health: Health::None,
                    image_id: spec.image.clone(),
                    created_at: jiff::Timestamp::from_second(self.clock.into()).unwrap().to_string(),
                    restart_count: 0,
                    oom_killed: false,
                    ended_ms: None,
                    started_ms: None,
                    anonymous_volumes: volumes
                        .iter()
                        .filter(|(name, _)| is_unnamed_volume(name))
                        .map(|(name, target)| (target.clone(), name.clone()))
                        .collect(),
                    mounts: spec.mounts.iter().map(|mount| mounted(mount, &id)).collect(),
                    image: spec.image.clone(),
                    volumes,
                    networks: match &spec.network {
                        super::EngineNetworkMode::Networks(all) => {
                            all.iter().map(|network| (network.name.clone(), String::new())).collect()
                        }
                        _ => BTreeMap::new(),
                    },
                    published: vec![],
                    edge_address: edge_address(&spec.network),
                    fronted: get(label::FRONTED).is_some(),
                };
                let ports = spec.settings.ports.iter().filter_map(|port| {
                    let port = PublishedPort { host_ip: String::new(), port: port.published?, protocol: port.protocol };
                    Some(port)
                });
                let container = ObservedContainer { published: ports.collect(), ..container };
                match get(label::ROLE).as_deref() {
                    Some(label::RELEASE_COMMAND) => self.observed.release_commands.push(container),
                    Some(label::FRONT) => {
                        self.observed.fronts.push(ObservedFront {
                            container,
                            routes: None,
                            program: None,
                            moved_ms: None,
                        });
                    }
                    _ => self.observed.containers.push(container),
                }
            }
            Action::StartFront { target, change } => {
                self.started(target);
                let program = self.observed.front_program.clone();
                self.front(target).program = program;
                // Ways in that are not the front's own are the edge's.
                assert!(change.entries.iter().all(|entry| entry.listen.is_inside()), "{change:?}");
                self.route(change);
            }
            Action::RenewFront(target) => {
                let program = self.observed.front_program.clone();
                self.front(target).program = program;
            }
            Action::StartContainer(target) => {
                let id = self.find(target).id.clone();
                let container = self.find(target).clone();
                // A release command works on what its component uses while that runs.
                let is_command = self.observed.release_commands.iter().any(|c| c.id == id);
                let others = self.observed.containers.iter().filter(|c| c.id != id && c.is_running() && !is_command);
                for other in others.filter(|_| !self.shares) {
                    let clash = other.published.iter().any(|p| container.published.contains(p));
                    assert!(!clash, "{} and {} publish the same port", other.name, container.name);
                    let writes = |c: &ObservedContainer| c.volumes.keys().cloned().collect::<Vec<_>>();
                    let both = writes(other).into_iter().any(|v| writes(&container).contains(&v));
                    assert!(!both, "{} and {} write to the same volume", other.name, container.name);
                }
                self.started(target);
                let component = container.component;
                let running = self.observed.containers.iter().filter(|c| c.component == component && c.is_running());
                let running = running.count();
                let most = self.most.entry(component).or_default();
                *most = running.max(*most);
            }
            Action::StopContainer { target, .. } => {
                let container = self.find(target).clone();
                let leads = self.observed.edge.iter().filter_map(|edge| edge.routes.get(&container.component));
                let running =
                    self.observed.fronts.iter().filter(|front| front.container.component == container.component);
                let running = running.filter(|front| front.container.is_running());
                for routes in leads.chain(running.filter_map(|front| front.routes.as_ref())) {
                    let serves = !routes.held && routes.serving().any(|replica| replica.id == container.id);
                    assert!(!serves, "{} is stopped while it serves", container.name);
                }
                self.clock += 1;
                let ended_ms = Some(i64::from(self.clock) * 1000);
                let stopped = self.find(target);
                (stopped.state, stopped.ended_ms) = (ContainerState::Exited { code: 143 }, ended_ms);
            }
            Action::RenameContainer { target, name } => {
                assert!(self.observed.containers.iter().all(|c| c.name != *name), "name {name} is taken");
                self.find(target).name = name.clone();
            }
            Action::RemoveContainer(target) => {
                assert!(!self.find(target).is_running(), "a running container is removed");
                let id = self.find(target).id.clone();
                self.observed.containers.retain(|c| c.id != id);
                self.observed.release_commands.retain(|c| c.id != id);
                self.observed.fronts.retain(|front| front.container.id != id);
            }
            Action::WaitReady { target, readiness } => {
                let container = self.find(target);
                assert!(container.is_running(), "{} is not running", container.name);
                match readiness.goal {
                    super::ReadyGoal::Completed => container.state = ContainerState::Exited { code: 0 },
                    super::ReadyGoal::Ready => container.health = Health::Healthy,
                }
            }
            Action::Route(change) => {
                // All in one moment: first who gives a way in, then who takes it.
                for change in change.others.iter().chain([change.as_ref()]) {
                    self.route(change);
                }
            }
            Action::Unroute(component) => {
                self.observed.edge.as_mut().expect("an edge").routes.remove(component);
            }
            Action::Drain { target, .. } => drop(self.find(target)),
            Action::Pause(_) | Action::Hold(_) => {}
        }
    }

    fn started(&mut self, target: &Target) {
        self.clock += 1;
        let started_ms = Some(i64::from(self.clock) * 1000);
        let container = self.find(target);
        (container.state, container.started_ms) = (ContainerState::Running, started_ms);
    }

    fn front(&mut self, target: &Target) -> &mut ObservedFront {
        let id = self.find(target).id.clone();
        self.observed.fronts.iter_mut().find(|front| front.container.id == id).expect("a front")
    }

    /// Each is told its own part: the edge, and the component's front.
    fn route(&mut self, change: &super::RouteChange) {
        let part = |is_inside: bool| {
            let entries = change.entries.iter().filter(|entry| entry.listen.is_inside() == is_inside);
            super::RouteChange { entries: entries.cloned().collect(), ..change.clone() }
        };
        let inside = part(true);
        if !inside.entries.is_empty() {
            let routes = self.routes_of(&inside);
            let fronts = self.observed.fronts.iter_mut().filter(|front| front.container.component == change.component);
            for front in fronts.filter(|front| front.container.is_running()) {
                front.routes = Some(routes.clone());
            }
        }
        if self.observed.edge.is_some() {
            self.route_at_edge(&part(false));
        }
    }

    fn routes_of(&mut self, change: &super::RouteChange) -> ComponentRoutes {
        let releases = change.shares.iter().map(|share| WeightedRelease {
            release: share.release,
            weight: share.weight,
            replicas: share.replicas.iter().map(|(target, address)| self.replica(target, *address)).collect(),
        });
        ComponentRoutes {
            releases: releases.collect(),
            entries: change.entries.clone(),
            held: change.held,
            sticky: change.sticky.clone(),
        }
    }

    fn route_at_edge(&mut self, change: &super::RouteChange) {
        if change.entries.is_empty() {
            self.observed.edge.as_mut().expect("an edge").routes.remove(&change.component);
            return;
        }
        let total: u32 = change.shares.iter().map(|share| u32::from(share.weight)).sum();
        assert!(total == 100 || (change.held && change.shares.is_empty()), "{change:?}");
        let routes = self.routes_of(change);
        let edge = self.observed.edge.as_mut().expect("an edge");
        for (other, has) in edge.routes.iter().filter(|(other, _)| **other != change.component) {
            let taken = |mine: &RouteEntry| has.entries.iter().any(|entry| entry.listen.collides(&mine.listen));
            let one = routes.entries.iter().find(|mine| taken(mine));
            assert!(one.is_none(), "{other} and {} have the same way in", change.component);
        }
        let open = routes.entries.iter().filter_map(|entry| entry.listen.address());
        for address in open {
            let held = |c: &&ObservedContainer| c.is_running() && c.published.iter().any(|p| p.port == address.port);
            let holder = self.observed.containers.iter().find(held);
            assert!(holder.is_none(), "{} publishes {address}", holder.unwrap().name);
        }
        if !change.held {
            let serving = routes.serving().count();
            let least = self.least.entry(change.component.clone()).or_insert(serving);
            *least = serving.min(*least);
        }
        edge.routes.insert(change.component.clone(), routes);
        edge.addresses = edge.routes.values().flat_map(|r| r.serving()).filter_map(|replica| replica.address).collect();
    }

    /// `web-1 running release 2`, sorted by name.
    pub fn picture(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .observed
            .containers
            .iter()
            .map(|c| format!("{} {:?} release {}", c.name, c.state, c.release.map_or(0, |r| r.0)))
            .collect();
        lines.sort();
        lines
    }
}

/// As the engine keeps it: what was asked for on the edge's network.
fn edge_address(network: &super::EngineNetworkMode) -> Option<ReplicaAddress> {
    let super::EngineNetworkMode::Networks(all) = network else { return None };
    let edge = all.iter().find(|network| network.name.ends_with("_launchway"))?;
    let v4 = edge.ipv4_address.as_ref()?.parse().ok()?;
    Some(ReplicaAddress { v4, v6: edge.ipv6_address.as_ref().and_then(|text| text.parse().ok()) })
}

/// What the engine calls a volume that it makes for a path of a container.
fn unnamed(container: &str, target: &str) -> String {
    let text = hex::encode(format!("{container}{target}"));
    format!("{text:a<64}")[..64].to_string()
}

fn mounted(mount: &EngineMount, container: &str) -> Mounted {
    let (target, storage, read_only) = match mount {
        EngineMount::Volume { name, target, read_only, subpath, .. } => {
            (target, Storage::Volume { name: name.clone(), subpath: subpath.clone() }, *read_only)
        }
        EngineMount::Below { volume, target, read_only, subpath, .. } => {
            (target, Storage::Volume { name: volume.clone(), subpath: Some(subpath.clone()) }, *read_only)
        }
        EngineMount::Anonymous { target, read_only } => {
            (target, Storage::volume(unnamed(container, target)), *read_only)
        }
        EngineMount::ContentFile { volume, target } => (target, Storage::volume(volume), true),
        EngineMount::Host { path, target, read_only, .. } => (target, Storage::Host { path: path.clone() }, *read_only),
        EngineMount::Tmpfs { target, read_only, .. } => (target, Storage::Tmpfs, *read_only),
    };
    Mounted { target: target.clone(), storage, writable: !read_only }
}
