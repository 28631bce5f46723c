//! Waiting for room on the host, before a build and before a deployment starts anything. What was admitted and has not
//! started its containers yet is booked in memory only: after a crash a deployment that was begun plans again from what
//! runs, and books what is left of it, before anybody else is let in.

use super::deploy::Convergence;
use super::deployer::{Deployer, Place};
use super::flow::{Failure, Flow};
use super::prepare::Prepared;
use super::setback::Setback;
use crate::engine::{ContainerUse, Room};
use crate::model::{Component, ComponentName, DeploymentId, DeploymentState, ImageIdentity, Release, ReleaseId, Stage, label};
use crate::plan::admission::{
    Admission, Amount, BUILD_BYTES, Host, Taken, admit, admit_build, most_beside, needs, never_fits,
};
use crate::report::texts::{Situation, WaitsFor};
use crate::store::Trigger;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How often somebody who waits looks again, if nothing ends before.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// What ends takes a moment to be gone.
const SETTLE: Duration = Duration::from_millis(300);

/// Who was admitted, and has not started all of it yet.
#[derive(Default)]
pub struct Admissions {
    booked: Mutex<BTreeMap<DeploymentId, Amount>>,
    /// One decides after the other: what one takes the next one sees.
    deciding: tokio::sync::Mutex<()>,
    /// Something ended.
    pub changed: Notify,
    told_that_it_is_blind: AtomicBool,
}

/// What is held for a deployment until it is dropped.
pub(super) struct Booking {
    deployer: Arc<Deployer>,
    id: DeploymentId,
}

impl Drop for Booking {
    fn drop(&mut self) {
        self.deployer.admissions.booked.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        self.deployer.admissions.changed.notify_waiters();
    }
}

/// What is to be admitted.
enum Wanted<'a> {
    Build,
    Start { convergence: &'a Convergence<'a>, components: &'a BTreeMap<ComponentName, Component> },
}

impl Flow {
    /// Says at once when the release can never fit the host. Going back has run before.
    pub(super) async fn refuse_what_never_fits(&self, prepared: &Prepared) -> Result<(), Failure> {
        let components = &prepared.release.stack.components;
        if self.never_waits() || components.values().all(|component| is_silent(component)) {
            return Ok(());
        }
        let Ok(info) = self.deployer.engine.info().await else { return Ok(()) };
        let host = Host {
            memory_bytes: info.memory_bytes,
            cpu_millis: i64::from(info.cpus) * 1000,
            ..Host::default()
        };
        for component in components.values() {
            let limit = component.container.resources.memory_limit_bytes.filter(|limit| *limit > host.memory_bytes);
            if limit.is_some() && host.memory_bytes > 0 {
                let line = "its memory limit is larger than the host's memory: it limits nothing";
                self.log.line(Some(&component.name), line);
            }
        }
        match never_fits(components.values(), &host) {
            Some((component, why)) => Err(at(Stage::Prepare, never(Some(component), why))),
            None => Ok(()),
        }
    }

    /// Waits until a build may begin; `None` where nothing is to be built.
    pub(super) async fn admit_build(&self, prepared: &Prepared) -> Result<Option<Booking>, Failure> {
        for part in prepared.release.parts.values() {
            let ImageIdentity::Built { tag, .. } = &part.image else { continue };
            if !matches!(self.deployer.engine.image(tag).await, Ok(Some(_))) {
                return self.wait_for_room(Stage::Prepare, &Wanted::Build).await.map(Some);
            }
        }
        Ok(None)
    }

    /// Waits until what the deployment starts beside what runs has room.
    pub(super) async fn admit(
        &self,
        convergence: &Convergence<'_>,
        prepared: &Prepared,
    ) -> Result<Option<Booking>, Failure> {
        let components = &prepared.release.stack.components;
        self.wait_for_room(Stage::Build, &Wanted::Start { convergence, components }).await.map(Some)
    }

    /// Going back never waits, nor does what had begun before a restart.
    fn never_waits(&self) -> bool {
        self.deployment.trigger == Trigger::Rollback || self.deployment.touched
    }

    async fn wait_for_room(&self, stage: Stage, wanted: &Wanted<'_>) -> Result<Booking, Failure> {
        let (start, most) = (Instant::now(), self.deployer.config().limits.wait);
        let mut told = None;
        loop {
            let changed = self.deployer.admissions.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let decided = tokio::select! {
                () = self.control.cancel.cancelled() => return Err(at(stage, Setback::Cancelled)),
                decided = self.decide(wanted) => decided,
            };
            let (of, why) = match decided {
                Ok(booking) => {
                    if told.is_some() {
                        let waited = start.elapsed().as_secs();
                        self.log.line(None, &format!("there is room now; it waited for {waited} s"));
                    }
                    return Ok(booking);
                }
                Err(Admission::Never { why }) => return Err(at(stage, never(None, why))),
                Err(Admission::Wait { of, why }) => (of, why),
                Err(Admission::Start) => continue,
            };
            // The free figure moves all the time; a status for each move would be noise.
            if told != Some(of) {
                self.log.line(None, &format!("waits for {why}"));
                self.say(&Situation::Waiting(WaitsFor::Room { of: &why })).await;
                told = Some(of);
            }
            if start.elapsed() >= most {
                let why = format!(
                    "it waited {} s for {why}. Make room on the host, or let it wait longer (limits.wait in launchway.toml)",
                    most.as_secs()
                );
                return Err(at(stage, Setback::Host { why }));
            }
            let left = most.saturating_sub(start.elapsed());
            tokio::select! {
                () = self.control.cancel.cancelled() => return Err(at(stage, Setback::Cancelled)),
                () = self.control.hurry.cancelled() => return Err(at(stage, Setback::Overtaken)),
                () = tokio::time::sleep(LOOK_AGAIN.min(left)) => {}
                () = changed => tokio::time::sleep(SETTLE).await,
            }
        }
    }

    /// Books what is wanted, or says why not yet. An engine that does not answer is waited for elsewhere.
    async fn decide(&self, wanted: &Wanted<'_>) -> Result<Booking, Admission> {
        let deployer = &self.deployer;
        let _alone = deployer.admissions.deciding.lock().await;
        let amount = match wanted {
            Wanted::Build => {
                let Ok(room) = deployer.engine.room().await else { return Ok(self.book(Amount::default())) };
                let limits = &deployer.config().limits;
                let bytes = limits.build_memory_bytes.unwrap_or(i64::MAX).min(BUILD_BYTES);
                let host = deployer.host(&room, self.deployment.id, &HashMap::new()).await;
                let amount = Amount { expected_bytes: bytes, ..Amount::default() };
                return match admit_build(bytes, &host) {
                    Admission::Start => Ok(self.book(amount)),
                    _ if self.never_waits() => Ok(self.book(amount)),
                    other => Err(other),
                };
            }
            Wanted::Start { convergence, components } => {
                let place: Place = (self.deployment.project.clone(), self.deployment.environment.clone());
                let past = deployer.store.past_use(&place.0, &place.1).await.unwrap_or_default();
                let new: BTreeMap<ComponentName, Amount> = components
                    .iter()
                    .map(|(name, component)| (name.clone(), needs(component, past.get(name).copied()).amount))
                    .collect();
                if new.values().all(Amount::is_nothing) {
                    return Ok(self.book(Amount::default()));
                }
                let (Ok(plan), Ok(room)) = (convergence.next().await, deployer.engine.room().await) else {
                    // Whatever is wrong there, the deploy stage says it.
                    return Ok(self.book(Amount::default()));
                };
                if room.containers.iter().all(|container| container.memory_used_bytes.is_none())
                    && !room.containers.is_empty()
                    && !deployer.admissions.told_that_it_is_blind.swap(true, Ordering::Relaxed)
                {
                    tracing::warn!("The engine does not say what containers use: only what they reserve is counted");
                }
                let reserved = deployer.reserved_cpus(&room.containers).await;
                let counted = |container: &ContainerUse| taken(container, &reserved).amount();
                let running = room.containers.iter().map(|c| (c.id.clone(), counted(c))).collect();
                let is_own = |container: &&ContainerUse| {
                    super::usage::whose(container)
                        .is_some_and(|(project, environment, _)| (project, environment) == place)
                };
                let own = room.containers.iter().filter(is_own).map(counted).fold(Amount::default(), Amount::plus);
                let amount = most_beside(&plan, &new, &running);
                if self.never_waits() {
                    return Ok(self.book(amount));
                }
                if !amount.is_nothing()
                    && let Some(id) = deployer.goes_on_unbooked(self.deployment.id).await
                {
                    let why = format!("memory: deployment {id}, which goes on after a restart, comes first");
                    return Err(Admission::Wait { of: "memory", why });
                }
                let host = deployer.host(&room, self.deployment.id, &reserved).await;
                match admit(amount, own, &host) {
                    Admission::Start => amount,
                    other => return Err(other),
                }
            }
        };
        Ok(self.book(amount))
    }

    fn book(&self, amount: Amount) -> Booking {
        let (deployer, id) = (self.deployer.clone(), self.deployment.id);
        deployer.admissions.booked.lock().unwrap_or_else(PoisonError::into_inner).insert(id, amount);
        Booking { deployer, id }
    }
}

impl Deployer {
    /// The host as `id` finds it: what runs, and what others were promised and have not started.
    async fn host(&self, room: &Room, id: DeploymentId, cpus: &HashMap<String, i64>) -> Host {
        let booked = self.admissions.booked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let in_flight = booked.into_iter().filter(|(other, _)| *other != id).map(|(other, amount)| {
            let started = room.containers.iter().filter(|container| {
                container.labels.get(label::DEPLOYMENT).is_some_and(|by| *by == other.to_string())
            });
            started.fold(amount, |left, container| left.left_after(taken(container, cpus).amount()))
        });
        Host {
            memory_bytes: room.memory_bytes,
            cpu_millis: i64::from(room.cpus) * 1000,
            available_bytes: room.available_bytes,
            disk_free_bytes: room.disk_free_bytes,
            in_flight: in_flight.fold(Amount::default(), Amount::plus),
            running: room.containers.iter().map(|container| taken(container, cpus)).collect(),
        }
    }

    /// CPU that containers of ours reserve, by id, in thousandths of a core: an engine has no such setting, so their
    /// releases say it.
    async fn reserved_cpus(&self, containers: &[ContainerUse]) -> HashMap<String, i64> {
        let mut releases: HashMap<ReleaseId, Option<Release>> = HashMap::new();
        let mut reserved = HashMap::new();
        for container in containers {
            let Some((.., component)) = super::usage::whose(container) else { continue };
            let id = container.labels.get(label::RELEASE).and_then(|id| id.parse().ok()).map(ReleaseId);
            let Some(id) = id else { continue };
            if let std::collections::hash_map::Entry::Vacant(unread) = releases.entry(id) {
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

    /// A deployment that had begun before a restart, and has not booked again what is left of it.
    async fn goes_on_unbooked(&self, but: DeploymentId) -> Option<DeploymentId> {
        let open = self.store.open_deployments().await.ok()?;
        let booked = self.admissions.booked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let goes_on = |other: &&crate::store::Deployment| {
            let is_in_the_middle = matches!(other.state, DeploymentState::Preparing | DeploymentState::Building)
                || other.state == DeploymentState::Deploying;
            other.id != but && other.touched && is_in_the_middle && !booked.contains_key(&other.id)
        };
        open.iter().find(|other| goes_on(other) && self.running(other.id).is_some()).map(|other| other.id)
    }
}

fn taken(container: &ContainerUse, cpus: &HashMap<String, i64>) -> Taken {
    Taken {
        reserved_bytes: container.memory_reservation_bytes,
        used_bytes: container.memory_used_bytes,
        cpu_millis: cpus.get(&container.id).copied().unwrap_or(0),
    }
}

/// Neither reserves anything nor has a limit: nothing of it can be too large.
fn is_silent(component: &Component) -> bool {
    let resources = &component.container.resources;
    resources.memory_reservation_bytes.is_none()
        && resources.memory_limit_bytes.is_none()
        && resources.cpu_reservation_millis.is_none()
        && resources.cpu_limit_millis.is_none()
}

fn never(component: Option<ComponentName>, why: String) -> Setback {
    Setback::Commit { component, why, last_lines: Vec::new() }
}

fn at(stage: Stage, setback: Setback) -> Failure {
    Failure { setback, stage }
}
