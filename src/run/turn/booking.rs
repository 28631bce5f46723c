//! Who was let in and has not started all of it yet, and how the host looks to whoever wants in next. It is kept in memory
//! only: after a crash a deployment that had begun plans again from what runs, and books what is left of it before
//! anybody else is let in.

use crate::engine::{ContainerUse, HostLoad};
use crate::model::{DeploymentId, DeploymentState, ProjectName, Release, ReleaseId, label};
use crate::plan::admission::line::Waits;
use crate::plan::admission::{Amount, Host, Taken};
use crate::run::ground::admissions::{Booked, Standing};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::place::Place;
use crate::store::Deployment;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What is held for a deployment until it is dropped.
pub(in crate::run) struct Booking {
    deployer: Arc<Deployer>,
    id: DeploymentId,
}

impl Drop for Booking {
    fn drop(&mut self) {
        self.deployer.admissions.booked().remove(&self.id);
        self.deployer.admissions.something_ended();
    }
}

/// A place in that line, until it is dropped.
pub(in crate::run) struct PlaceInLine {
    deployer: Arc<Deployer>,
    id: DeploymentId,
    /// Somebody behind it found room for both of them.
    pub nudged: Arc<Notify>,
}

impl PlaceInLine {
    /// A place behind those that have waited longer.
    pub fn new(deployer: &Arc<Deployer>, deployment: &Deployment, since: Instant) -> Self {
        let (priority, nudged) = (deployer.priority_of(deployment), Arc::<Notify>::default());
        let (project, wants, nudge) = (deployment.project.clone(), Amount::default(), nudged.clone());
        let standing = Standing { project, priority, since, of: "", wants, nudge };
        deployer.admissions.line().insert(deployment.id, standing);
        Self { deployer: deployer.clone(), id: deployment.id, nudged }
    }

    /// It looked, and has to wait on for that.
    pub fn waits_for(&self, of: &'static str, wants: Amount) {
        if let Some(standing) = self.deployer.admissions.line().get_mut(&self.id) {
            (standing.of, standing.wants) = (of, wants);
        }
    }
}

impl Drop for PlaceInLine {
    fn drop(&mut self) {
        self.deployer.admissions.line().remove(&self.id);
        self.deployer.admissions.something_ended();
    }
}

/// A slot of `limits.deployments` that somebody who waits does not need meanwhile: what ends its waiting may be in want
/// of one.
pub(in crate::run) struct LentSlot {
    deployer: Arc<Deployer>,
    is_back: bool,
}

impl LentSlot {
    /// Lends a slot: one more deployment may begin until it is taken back.
    pub fn new(deployer: &Arc<Deployer>) -> Self {
        deployer.deployment_slots.add_permits(1);
        deployer.bells.to_begin.notify_one();
        Self { deployer: deployer.clone(), is_back: false }
    }

    /// Waits until one is free again; whether it was before the cancellation.
    pub async fn take_back(mut self, cancel: &CancellationToken) -> bool {
        tokio::select! {
            () = cancel.cancelled() => false,
            slot = self.deployer.deployment_slots.acquire() => {
                slot.map(|slot| slot.forget()).ok();
                self.is_back = true;
                true
            }
        }
    }
}

impl Drop for LentSlot {
    fn drop(&mut self) {
        if self.is_back {
            return;
        }
        // Whoever lent it has ended, and gives back the slot that it had itself.
        let deployer = self.deployer.clone();
        self.deployer.tasks.spawn(async move {
            tokio::select! {
                () = deployer.stop.cancelled() => {}
                slot = deployer.deployment_slots.acquire() => { slot.map(|slot| slot.forget()).ok(); }
            }
        });
    }
}

impl Deployer {
    pub(in crate::run) fn book(self: &Arc<Self>, deployment: &Deployment, amount: Amount) -> Booking {
        let (id, project) = (deployment.id, deployment.project.clone());
        self.admissions.booked().insert(id, Booked { project, amount });
        Booking { deployer: self.clone(), id }
    }

    /// The projects of those that were let in and have not ended, but for this one.
    pub(in crate::run) fn others_that_go_on(&self, id: DeploymentId) -> BTreeSet<ProjectName> {
        let booked = self.admissions.booked();
        booked.iter().filter(|(other, _)| **other != id).map(|(_, booked)| booked.project.clone()).collect()
    }

    /// Those that wait for room.
    pub(in crate::run) fn in_line(&self) -> Vec<Waits> {
        let waits = |(id, standing): (&DeploymentId, &Standing)| Waits {
            id: *id,
            project: standing.project.clone(),
            priority: standing.priority,
            waited: standing.since.elapsed(),
            of: standing.of,
            wants: standing.wants,
        };
        self.admissions.line().iter().map(waits).collect()
    }

    /// The host as `id` finds it: what runs, and what others were promised and have not started. `cpus` is what
    /// containers reserve, by id.
    pub(in crate::run) fn host(&self, load: &HostLoad, id: DeploymentId, cpus: &HashMap<String, i64>) -> Host {
        let booked = self.admissions.booked().clone();
        let in_flight = booked.into_iter().filter(|(other, _)| *other != id).map(|(other, Booked { amount, .. })| {
            let is_its = |c: &&ContainerUse| c.labels.get(label::DEPLOYMENT).is_some_and(|by| *by == other.to_string());
            let started = load.containers.iter().filter(is_its);
            started.fold(amount, |left, container| left.left_after(taken(container, cpus).amount()))
        });
        Host {
            memory_bytes: load.memory_bytes,
            cpu_millis: i64::from(load.cpus) * 1000,
            available_bytes: load.available_bytes,
            in_flight: in_flight.fold(Amount::default(), Amount::plus),
            running: load.containers.iter().map(|container| taken(container, cpus)).collect(),
        }
    }

    /// CPU that containers of ours reserve, by id, in thousandths of a core: an engine has no such setting, so their
    /// releases say it.
    pub(in crate::run) async fn reserved_cpus(&self, containers: &[ContainerUse]) -> HashMap<String, i64> {
        let mut releases: HashMap<ReleaseId, Option<Release>> = HashMap::new();
        let mut reserved = HashMap::new();
        for container in containers {
            let Some((.., component)) = crate::run::turn::usage::whose(container) else { continue };
            let id = container.labels.get(label::RELEASE).and_then(|id| id.parse().ok()).map(ReleaseId);
            let Some(id) = id else { continue };
            if let Entry::Vacant(unread) = releases.entry(id) {
                unread.insert(self.store.release(id).await.ok().flatten());
            }
            let release = releases.get(&id).and_then(Option::as_ref);
            let found = release.and_then(|release| release.stack.components.get(&component));
            let millis = found.and_then(|component| component.container.resources.cpu_reservation_millis);
            if let Some(millis) = millis.and_then(|millis| i64::try_from(millis).ok()) {
                reserved.insert(container.id.clone(), millis);
            }
        }
        reserved
    }

    /// What the containers of an environment count for.
    pub(in crate::run) fn own(load: &HostLoad, place: &Place, cpus: &HashMap<String, i64>) -> Amount {
        let is_own = |container: &&ContainerUse| {
            crate::run::turn::usage::whose(container)
                .is_some_and(|(project, environment, _)| (&project, &environment) == (&place.0, &place.1))
        };
        let own = load.containers.iter().filter(is_own);
        own.map(|container| taken(container, cpus).amount()).fold(Amount::default(), Amount::plus)
    }

    /// What the containers of a project count for, in all of its environments.
    pub(in crate::run) fn of_project(load: &HostLoad, project: &ProjectName, cpus: &HashMap<String, i64>) -> Amount {
        let is_its = |container: &&ContainerUse| {
            crate::run::turn::usage::whose(container).is_some_and(|(of, _, _)| of == *project)
        };
        let its = load.containers.iter().filter(is_its);
        its.map(|container| taken(container, cpus).amount()).fold(Amount::default(), Amount::plus)
    }

    /// A deployment that had begun before a restart, and has not booked again what is left of it.
    pub(in crate::run) async fn goes_on_unbooked(&self, but: DeploymentId) -> Option<DeploymentId> {
        let open = self.store.open_deployments().await.ok()?;
        let booked = self.admissions.booked().clone();
        let goes_on = |other: &&Deployment| {
            let is_in_the_middle = matches!(
                other.state,
                DeploymentState::Preparing | DeploymentState::Building | DeploymentState::Deploying
            );
            other.id != but && other.touched && is_in_the_middle && !booked.contains_key(&other.id)
        };
        open.iter().find(|other| goes_on(other) && self.occupancy.running(other.id).is_some()).map(|other| other.id)
    }
}

/// What a running container counts for.
pub(in crate::run) fn taken(container: &ContainerUse, cpus: &HashMap<String, i64>) -> Taken {
    Taken {
        reserved_bytes: container.memory_reservation_bytes,
        used_bytes: container.memory_used_bytes,
        cpu_millis: cpus.get(&container.id).copied().unwrap_or(0),
    }
}
