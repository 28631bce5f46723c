//! At which ports a component that is about to be replaced takes connections now: its callers rely on them, so what replaces
//! it has to take them there too (`plan::Reach`). Kept in the release, as what runs is stopped before the new one is ready.

use crate::config::{Environment, Project};
use crate::edge::Knocked;
use crate::engine::EngineError;
use crate::model::{
    Component, ComponentName, Observed, ObservedContainer, Release, ReleasePart, Replica, RouteKey, Stack,
};
use crate::plan::fingerprint::same;
use crate::run::ground::deployer::Deployer;
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The containers of this machine answer in microseconds.
const CONNECTS_WITHIN: Duration = Duration::from_secs(1);

impl Deployer {
    /// Notes in a release that is being made what was answered before: of components that change and have a front it is asked,
    /// of the others it stays as it was.
    pub async fn note_answered(
        &self,
        (project, environment): (&Project, &Environment),
        live: Option<&Release>,
        stack: &mut Stack,
        parts: &BTreeMap<ComponentName, ReleasePart>,
    ) -> Result<(), EngineError> {
        let before = |name: &ComponentName| live.and_then(|live| live.stack.components.get(name));
        let fronted = stack.components.values().filter(|component| component.is_fronted());
        let mut ports: BTreeMap<ComponentName, BTreeSet<u16>> =
            fronted.map(|component| (component.name.clone(), inside_ports(component))).collect();
        let same = live.map(|live| same(live, stack, parts)).unwrap_or_default();
        let changes = ports.keys().any(|name| !same.contains(name));
        let observed = match changes {
            true => Some(self.observe_engine(project, environment).await?),
            false => None,
        };
        for (name, ports) in &mut ports {
            let runs = observed.as_ref().filter(|_| !same.contains(name));
            let runs = runs.and_then(|observed| predecessor(observed, live, name));
            let answered = match runs {
                Some(container) => {
                    let key = self.edge_of(&project.name, &environment.name).key(name);
                    self.takes_connections(&key, &container.id, ports).await?
                }
                None => before(name).map(|before| before.answered.clone()).unwrap_or_default(),
            };
            ports.retain(|port| answered.contains(port));
        }
        for (name, ports) in ports {
            if let Some(component) = stack.components.get_mut(&name) {
                component.answered = ports;
            }
        }
        Ok(())
    }

    /// By its front's word; where none runs that knows the question, by what is reached from here.
    async fn takes_connections(
        &self,
        key: &RouteKey,
        container: &str,
        ports: &BTreeSet<u16>,
    ) -> Result<BTreeSet<u16>, EngineError> {
        for front in self.fronts.clients(key) {
            let asked: Vec<u16> = ports.iter().copied().collect();
            let replica = Replica::at(container.to_string(), None);
            let Ok(knocked) = front.knock(replica, asked.clone()).await else { continue };
            return Ok(Knocked::accepting(&asked, &knocked).into_iter().collect());
        }
        let addresses = self.engine.addresses(container).await?;
        let taken = join_all(ports.iter().map(async |port| (*port, takes(&addresses, *port).await))).await;
        Ok(taken.into_iter().filter(|(_, takes)| *takes).map(|(port, _)| port).collect())
    }
}

fn inside_ports(component: &Component) -> BTreeSet<u16> {
    component.entries.iter().filter(|entry| entry.listen.is_inside()).map(|entry| entry.target).collect()
}

/// A container of what is live, or of what is taken over; not one of a try that never went live.
fn predecessor<'o>(
    observed: &'o Observed,
    live: Option<&Release>,
    name: &ComponentName,
) -> Option<&'o ObservedContainer> {
    let part = live.and_then(|live| live.parts.get(name));
    let mut running = observed.containers.iter().filter(|one| one.component == *name && one.is_running());
    running.find(|container| match (&container.fingerprint, part) {
        (Some(fingerprint), Some(part)) => part.fingerprint == *fingerprint || part.also.contains(fingerprint),
        (None, _) => true,
        (Some(_), None) => false,
    })
}

async fn takes(addresses: &[IpAddr], port: u16) -> bool {
    for address in addresses {
        let connecting = TcpStream::connect(SocketAddr::new(*address, port));
        if matches!(timeout(CONNECTS_WITHIN, connecting).await, Ok(Ok(_))) {
            return true;
        }
    }
    false
}
