//! Waiting for room on the host, before a build and before a deployment starts anything.

use crate::model::{Component, ComponentName, ImageIdentity, Stage, WorkKind, WorkOutcome};
use crate::plan::admission::disk::{Disk, admit_to_disk};
use crate::plan::admission::line::{There, Waits, comes_before};
use crate::plan::admission::{
    Admission, Amount, BUILD_BYTES, Host, Need, admit, admit_build, beyond_its_share, most_beside, needs, never_fits,
};
use crate::report::texts::{Situation, WaitsFor};
use crate::run::flow::deploy::Convergence;
use crate::run::flow::prepare::Prepared;
use crate::run::flow::stages::{Failure, Flow};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::stage_error::StageError;
use crate::run::ground::work_record::Begun;
use crate::run::turn::booking::{Booking, LentSlot, PlaceInLine, taken};
use crate::run::turn::timing::Held;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tokio::time::Instant;

/// How often somebody who waits looks again, if nothing ends before.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// What ends takes a moment to be gone.
const SETTLE: Duration = Duration::from_millis(300);

/// What is to be admitted.
enum Wanted<'a> {
    /// `adds`: what each build is expected to add to the engine's disk, in bytes, where that is known.
    Build {
        adds: BTreeMap<ComponentName, u64>,
    },
    Start {
        convergence: &'a Convergence<'a>,
        components: &'a BTreeMap<ComponentName, Component>,
    },
}

impl Flow {
    /// Says at once when the release can never fit the host.
    pub(in crate::run) async fn refuse_what_never_fits(&self, prepared: &Prepared) -> Result<(), Failure> {
        let components = &prepared.release.stack.components;
        // Going back has run before.
        if self.never_waits() || components.values().all(is_silent) {
            return Ok(());
        }
        let Ok(info) = self.deployer.engine.info().await else { return Ok(()) };
        let cpu_millis = i64::from(info.cpus) * 1000;
        let host = Host { memory_bytes: info.memory_bytes, cpu_millis, ..Host::default() };
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
    pub(in crate::run) async fn admit_build(&self, prepared: &Prepared) -> Result<Option<Booking>, Failure> {
        let mut missing = BTreeSet::new();
        for (name, part) in &prepared.release.parts {
            let ImageIdentity::Built { tag, .. } = &part.image else { continue };
            let is_anothers = prepared.release.stack.uses_anothers_build(name);
            if !is_anothers && !matches!(self.deployer.engine.image(tag).await, Ok(Some(_))) {
                missing.insert(name);
            }
        }
        if missing.is_empty() {
            return Ok(None);
        }
        let mut adds = self.deployer.added_before(&self.deployment, WorkKind::Build).await;
        adds.retain(|name, bytes| missing.contains(name) && *bytes > 0);
        if !self.never_waits() {
            let room = self.deployer.make_room(adds.values().sum(), &self.log).await;
            room.map_err(|setback| at(Stage::Prepare, setback))?;
        }
        self.wait_for_room(Stage::Prepare, &Wanted::Build { adds }).await.map(Some)
    }

    /// Waits until what the deployment starts beside what runs has room.
    pub(in crate::run) async fn admit(
        &self,
        convergence: &Convergence<'_>,
        prepared: &Prepared,
    ) -> Result<Booking, Failure> {
        let components = &prepared.release.stack.components;
        self.wait_for_room(Stage::Build, &Wanted::Start { convergence, components }).await
    }

    /// Going back never waits, nor does what had begun before a restart.
    fn never_waits(&self) -> bool {
        self.deployment.trigger.goes_back() || self.deployment.touched
    }

    async fn wait_for_room(&self, stage: Stage, wanted: &Wanted<'_>) -> Result<Booking, Failure> {
        let (mut start, most) = (Instant::now(), self.deployer.config().limits.wait);
        let mut told = None;
        let mut waits: Option<Begun> = None;
        let mut lent = None;
        let mut line: Option<PlaceInLine> = None;
        loop {
            let changed = self.deployer.admissions.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let decided = tokio::select! {
                () = self.control.cancel.cancelled() => return Err(at(stage, StageError::Cancelled)),
                decided = self.decide(wanted, start, told.is_none()) => decided,
            };
            let (of, why, wants) = match decided {
                Ok(booking) => {
                    if lent.is_none() && !self.is_taken_up {
                        return Ok(booking);
                    }
                    // The window may have closed meanwhile.
                    if let Some(held) = self.held_again().await {
                        drop(booking);
                        line = None;
                        lent.get_or_insert_with(|| LentSlot::new(&self.deployer));
                        let held_since = Instant::now();
                        self.wait_while_held(stage, held).await?;
                        start += held_since.elapsed();
                        told = None;
                        continue;
                    }
                    let Some(lent) = lent.take() else { return Ok(booking) };
                    // What it asked for is booked, and stands in nobody's way a second time.
                    drop(line.take());
                    if let Some(waits) = waits.take() {
                        waits.ended(WorkOutcome::Done);
                    }
                    self.log.line(None, &format!("there is room now; it waited for {} s", start.elapsed().as_secs()));
                    return match LentSlot::take_back(lent, &self.control.cancel).await {
                        true => Ok(booking),
                        false => Err(at(stage, StageError::Cancelled)),
                    };
                }
                Err((Admission::Never { why }, _)) => return Err(at(stage, never(None, why))),
                Err((Admission::Wait { of, why }, wants)) => (of, why, wants),
                Err((Admission::Start, _)) => continue,
            };
            lent.get_or_insert_with(|| LentSlot::new(&self.deployer));
            let place = line.get_or_insert_with(|| PlaceInLine::new(&self.deployer, &self.deployment, start));
            place.waits_for(of, wants);
            let nudged = place.nudged.clone();
            let works = &self.deployer.works;
            waits.get_or_insert_with(|| works.begin(self.deployment.id, None, WorkKind::Wait, &format!("room: {of}")));
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
                return Err(at(stage, StageError::Host { why }));
            }
            let left = most.saturating_sub(start.elapsed());
            tokio::select! {
                () = self.control.cancel.cancelled() => return Err(at(stage, StageError::Cancelled)),
                () = self.control.hurry.cancelled() => return Err(at(stage, StageError::Overtaken)),
                () = tokio::time::sleep(LOOK_AGAIN.min(left)) => {}
                () = changed => tokio::time::sleep(SETTLE).await,
                () = nudged.notified() => {}
            }
        }
    }

    /// What holds it back now, where it has touched nothing: as if it had not begun.
    async fn held_again(&self) -> Option<Held> {
        if self.never_waits() {
            return None;
        }
        // Where the store cannot tell, it goes on: it had been allowed.
        self.deployer.held_deployment(&self.deployment).await.ok().flatten()
    }

    /// Until the next moment at which it may go on; somebody else gets the room meanwhile.
    async fn wait_while_held(&self, stage: Stage, held: Held) -> Result<(), Failure> {
        match self.deployer.tell_held(&self.deployment, &held).await {
            Ok(sentence) => self.log.line(None, &format!("nothing else is in the way, but: {sentence}")),
            Err(error) => {
                let id = self.deployment.id;
                tracing::warn!(deployment.id = %id, error = %error, "Why a deployment waits cannot be noted");
            }
        }
        loop {
            tokio::select! {
                () = self.control.cancel.cancelled() => return Err(at(stage, StageError::Cancelled)),
                () = self.control.hurry.cancelled() => return Err(at(stage, StageError::Overtaken)),
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
            if self.held_again().await.is_none() {
                return Ok(());
            }
        }
    }

    /// Books what is wanted, or says why not yet and what that is. An engine that does not answer is waited for elsewhere.
    async fn decide(
        &self,
        wanted: &Wanted<'_>,
        since: Instant,
        is_first: bool,
    ) -> Result<Booking, (Admission, Amount)> {
        let (deployer, id) = (&self.deployer, self.deployment.id);
        let _alone = deployer.admissions.deciding.lock().await;
        let asked = match wanted {
            Wanted::Build { adds } => self.decide_on_build(adds).await,
            Wanted::Start { convergence, components } => self.decide_on_start(convergence, components, is_first).await,
        };
        let Asked { wants, admission, host, disk } = asked;
        if self.never_waits() {
            return Ok(deployer.book(&self.deployment, wants));
        }
        if admission != Admission::Start {
            return Err((admission, wants));
        }
        let priority = deployer.priority_of(&self.deployment);
        let project = self.deployment.project.clone();
        let asks = Waits { id, project, priority, waited: since.elapsed(), of: "", wants };
        let there = There { host: &host, disk: disk.as_ref(), go_on: &deployer.others_that_go_on(id) };
        if let Some(first) = comes_before(&deployer.in_line(), &asks, there) {
            let why = format!("{}: deployment {}, which waits for it too, comes first", first.of, first.id);
            deployer.admissions.nudge(first.id);
            return Err((Admission::Wait { of: first.of, why }, wants));
        }
        Ok(deployer.book(&self.deployment, wants))
    }

    async fn decide_on_build(&self, adds: &BTreeMap<ComponentName, u64>) -> Asked {
        let deployer = &self.deployer;
        let Ok(load) = deployer.engine.host_load().await else { return Asked::default() };
        let set = deployer.config().limits.build_memory_bytes.and_then(|bytes| i64::try_from(bytes).ok());
        let expected_bytes = set.unwrap_or(BUILD_BYTES).min(BUILD_BYTES);
        let disk_bytes = adds.values().fold(0, |sum: i64, bytes| sum.saturating_add_unsigned(*bytes));
        let wants = Amount { expected_bytes, disk_bytes, ..Amount::default() };
        let host = deployer.host(&load, self.deployment.id, &HashMap::new());
        // Elsewhere nobody can see how full it is.
        let room = if adds.is_empty() { None } else { deployer.engine_room().await };
        let disk = room.map(|room| Disk {
            free_bytes: room.free_bytes,
            total_bytes: room.total_bytes,
            least_bytes: room.least_bytes(),
            in_flight_bytes: u64::try_from(host.in_flight.disk_bytes).unwrap_or(0),
        });
        let admission = match (admit_build(expected_bytes, &host), &disk) {
            (Admission::Start, Some(disk)) => admit_to_disk(adds, disk),
            (admission, _) => admission,
        };
        Asked { wants, admission, host, disk }
    }

    async fn decide_on_start(
        &self,
        convergence: &Convergence<'_>,
        components: &BTreeMap<ComponentName, Component>,
        is_first: bool,
    ) -> Asked {
        let (deployer, id) = (&self.deployer, self.deployment.id);
        let place = (self.deployment.project.clone(), self.deployment.environment.clone());
        let past = deployer.store.past_use(&place.0, &place.1).await.unwrap_or_default();
        let need = |name: &ComponentName, component| needs(component, past.get(name).copied());
        let needs: BTreeMap<&ComponentName, Need> =
            components.iter().map(|(name, component)| (name, need(name, component))).collect();
        let new: BTreeMap<ComponentName, Amount> =
            needs.iter().map(|(name, need)| ((*name).clone(), need.amount)).collect();
        if new.values().all(Amount::is_nothing) {
            return Asked::default();
        }
        let (Ok(plan), Ok(load)) = (convergence.next().await, deployer.engine.host_load().await) else {
            // Whatever is wrong there, the deploy stage says it.
            return Asked::default();
        };
        deployer.admissions.tell_if_blind(&load);
        let cpus = deployer.reserved_cpus(&load.containers).await;
        let running = load.containers.iter().map(|c| (c.id.clone(), taken(c, &cpus).amount())).collect();
        let wants = most_beside(&plan, &new, &running);
        let host = deployer.host(&load, id, &cpus);
        if wants.is_nothing() || self.never_waits() {
            return Asked { wants, host, ..Asked::default() };
        }
        if let Some(other) = deployer.goes_on_unbooked(id).await {
            let why = format!("memory: deployment {other}, which goes on after a restart, comes first");
            return Asked { wants, host, disk: None, admission: Admission::Wait { of: "memory", why } };
        }
        let config = deployer.config();
        let allowed = config.projects.get(&place.0).and_then(|project| project.allow.reserve_percent);
        let reserved = Deployer::of_project(&load, &place.0, &cpus);
        let admission = beyond_its_share(wants, reserved, &host, allowed, config.projects.len() > 1)
            .unwrap_or_else(|| admit(wants, Deployer::own(&load, &place, &cpus), &host));
        if admission != Admission::Start {
            for (name, need) in needs.iter().filter(|(_, need)| is_first && !need.amount.is_nothing()) {
                self.log.line(Some(name), &format!("each replica needs {}", need.why()));
            }
        }
        Asked { wants, admission, host, disk: None }
    }
}

/// What a deployment asks for, as things stand.
struct Asked {
    wants: Amount,
    admission: Admission,
    host: Host,
    disk: Option<Disk>,
}

impl Default for Asked {
    /// Nothing, which there is always room for.
    fn default() -> Self {
        Self { wants: Amount::default(), admission: Admission::Start, host: Host::default(), disk: None }
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

fn never(component: Option<ComponentName>, why: String) -> StageError {
    StageError::Commit { component, why, last_lines: Vec::new() }
}

fn at(stage: Stage, setback: StageError) -> Failure {
    Failure { setback, stage }
}
