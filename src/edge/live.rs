//! The routes as they are served: built from the table whenever it changes, and swapped in as a whole.

use super::counts::ReleaseCounts;
use super::hold::Hold;
use super::replica::LiveReplica;
use super::router::Router;
use super::standing::Standing;
use crate::model::{ComponentRoutes, EdgeAddress, EntryProtocol, Listen, ReleaseId, RouteEntry, RouteKey, Sticky};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What a port that was asked (`EntryProtocol::Probe`) turned out to speak.
pub type Probed = BTreeMap<EdgeAddress, EntryProtocol>;

pub struct Live {
    shared: Router<Target>,
    ports: HashMap<EdgeAddress, Target>,
    components: BTreeMap<RouteKey, Arc<Component>>,
}

/// What an entry leads to.
#[derive(Clone)]
pub struct Target {
    pub component: Arc<Component>,
    pub listen: Arc<Listen>,
    /// Those who wait at it.
    pub hold: Arc<Hold>,
    /// Port in the container.
    pub port: u16,
    /// As it is served: `Probe` while it is not known yet.
    pub protocol: EntryProtocol,
}

pub struct Component {
    pub key: RouteKey,
    pub held: bool,
    pub sticky: Option<Sticky>,
    pub releases: Vec<LiveRelease>,
    entries: Vec<Entry>,
}

/// A way in.
struct Entry {
    listen: Arc<Listen>,
    hold: Arc<Hold>,
    port: u16,
}

impl Entry {
    fn target(&self, component: &Arc<Component>, protocol: EntryProtocol) -> Target {
        let (listen, hold) = (self.listen.clone(), self.hold.clone());
        Target { component: component.clone(), listen, hold, port: self.port, protocol }
    }
}

pub struct LiveRelease {
    pub id: ReleaseId,
    pub weight: u8,
    pub replicas: Vec<Arc<LiveReplica>>,
    pub counts: Arc<ReleaseCounts>,
}

impl Live {
    pub fn new<'a>(
        table: impl IntoIterator<Item = (&'a RouteKey, &'a ComponentRoutes)>,
        probed: &Probed,
        standing: impl Fn(&RouteKey) -> Arc<Standing>,
    ) -> Self {
        let (mut shared, mut ports, mut components) = (Vec::new(), HashMap::new(), BTreeMap::new());
        for (key, routes) in table {
            let component = Arc::new(Component::new(key, routes, &standing(key)));
            for entry in &component.entries {
                let target = |protocol| entry.target(&component, protocol);
                match &*entry.listen {
                    Listen::Shared { host, path } => {
                        shared.push((host.clone(), path.clone(), target(EntryProtocol::Http)));
                    }
                    // Refused by `check`.
                    Listen::Inside { .. } => {}
                    Listen::Port { protocol, .. } => {
                        let Some(address) = entry.listen.address() else { continue };
                        let protocol = match protocol {
                            EntryProtocol::Probe => probed.get(&address).copied().unwrap_or(EntryProtocol::Probe),
                            known => *known,
                        };
                        ports.insert(address, target(protocol));
                    }
                }
            }
            components.insert(key.clone(), component);
        }
        Self { shared: Router::new(shared), ports, components }
    }

    pub fn shared(&self, host: Option<&str>, path: &str) -> Option<&Target> {
        self.shared.find(host, path)
    }

    pub fn port(&self, address: &EdgeAddress) -> Option<&Target> {
        self.ports.get(address)
    }

    pub fn component(&self, key: &RouteKey) -> Option<&Arc<Component>> {
        self.components.get(key)
    }

    /// Ports of which it is not known yet what they speak.
    pub fn unknown(&self) -> impl Iterator<Item = (&EdgeAddress, &Target)> {
        self.ports.iter().filter(|(_, target)| target.protocol == EntryProtocol::Probe)
    }

    /// The same way in, as it is now: another component may have taken it over.
    pub fn again(&self, before: &Target) -> Option<Target> {
        let same = |component: &'_ Arc<Component>| {
            let found = component.entries.iter().find(|entry| entry.listen == before.listen);
            found.map(|entry| entry.target(component, before.protocol))
        };
        let own = self.components.get(&before.component.key).and_then(same);
        own.or_else(|| self.components.values().find_map(same))
    }
}

impl Component {
    /// `standing`: what outlives a change of the routes.
    fn new(key: &RouteKey, routes: &ComponentRoutes, standing: &Standing) -> Self {
        let releases = routes
            .releases
            .iter()
            .map(|release| LiveRelease {
                id: release.release,
                weight: release.weight,
                replicas: release.replicas.iter().map(|replica| standing.replica(replica)).collect(),
                counts: standing.counts(release.release),
            })
            .collect();
        let entry = |entry: &RouteEntry| Entry {
            hold: standing.hold(&entry.listen),
            listen: Arc::new(entry.listen.clone()),
            port: entry.target,
        };
        Self {
            key: key.clone(),
            held: routes.held,
            sticky: routes.sticky.clone(),
            releases,
            entries: routes.entries.iter().map(entry).collect(),
        }
    }
}
