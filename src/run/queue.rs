//! The queue: one deployment at a time in each environment, the newest waiting one wins; across environments, whose turn
//! it is says `plan::turns`.

use crate::model::{DeploymentId, DeploymentState, ProjectName};
use crate::plan::shares::Shares;
use crate::plan::turns::{self, Given, Ready};
use crate::report::texts::{Situation, WaitsFor};
use crate::run::flow::go_back;
use crate::run::flow::stages;
use crate::run::ground::contained::contained;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::place::Place;
use crate::run::turn::timing::{Asks, Held};
use crate::store::{Deployment, NewDeployment, Sentences, StoreError};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

const LOOKS_EACH: Duration = Duration::from_secs(30);
/// A window that opens at once is looked at in so long: clocks are not read to the nanosecond.
const AT_LEAST: Duration = Duration::from_millis(20);

/// Begins deployments until the process ends. What a crash or restart left in the middle goes first.
pub async fn begin_deployments(deployer: Arc<Deployer>) {
    if let Err(error) = settle_what_was_left(&deployer).await {
        tracing::error!(error = %error, "What earlier deployments left cannot be read");
    }
    let mut first = true;
    while !deployer.stop.is_cancelled() {
        let opens = begin_what_can(&deployer).await.unwrap_or_else(|error| {
            tracing::error!(error = %error, "The queue cannot be read");
            None
        });
        if std::mem::take(&mut first) {
            // What was in the middle is taken up again: the rest may be looked after.
            deployer.keeping.begin();
        }
        tokio::select! {
            () = deployer.stop.cancelled() => {}
            () = deployer.bells.to_begin.notified() => {}
            () = tokio::time::sleep(until(opens)) => {}
        }
    }
}

/// How long nothing is looked at where nothing is told: until a window opens, but never so long that a clock that was
/// set, or a missed word, holds anything up.
fn until(opens: Option<Timestamp>) -> Duration {
    let left = opens.and_then(|at| Duration::try_from(at.duration_since(Timestamp::now())).ok());
    LOOKS_EACH.min(left.unwrap_or(if opens.is_some() { Duration::ZERO } else { LOOKS_EACH })).max(AT_LEAST)
}

/// Environments that an earlier process could not put back because the engine was away.
async fn settle_what_was_left(deployer: &Arc<Deployer>) -> Result<(), StoreError> {
    for deployment in deployer.store.unsettled_deployments().await? {
        let place = (deployment.project.clone(), deployment.environment.clone());
        let Some(control) = deployer.occupancy.occupy(place.clone(), deployment.id) else { continue };
        let deployer = deployer.clone();
        let tasks = deployer.tasks.clone();
        tasks.spawn(async move {
            let id = deployment.id;
            let settled = contained(go_back::settle(deployer.clone(), deployment, control)).await;
            if let Err(error) = settled.unwrap_or_else(|broke| Err(broke.into())) {
                tracing::error!(deployment.id = %id, error = %error, "An environment could not be put right");
            }
            deployer.leave(&place);
        });
    }
    Ok(())
}

/// How the queue stands: what goes on, what has its turn and in which order, and what is held.
#[derive(Debug, Default)]
pub struct Queue {
    /// What has begun, the first in each environment.
    pub begun: Vec<Deployment>,
    /// In the order in which they get a slot; rollbacks first, which take none.
    pub ready: Vec<Deployment>,
    /// What something else keeps waiting than its turn.
    pub held: Vec<Deployment>,
    /// Those of them that wait for somebody's yes.
    pub unapproved: BTreeSet<DeploymentId>,
    /// When a window opens for one of them.
    opens: Option<Timestamp>,
}

impl Deployer {
    /// How the queue stands now. What is held is told so where that is new.
    pub async fn queue(&self) -> Result<Queue, StoreError> {
        let open = self.store.open_deployments().await?;
        let mut begun: BTreeMap<Place, Deployment> = BTreeMap::new();
        let mut waiting: BTreeMap<Place, Deployment> = BTreeMap::new();
        for deployment in open {
            let place = (deployment.project.clone(), deployment.environment.clone());
            // Of what waits in an environment the newest wins.
            let is_begun = deployment.state != DeploymentState::Waiting;
            if is_begun { &mut begun } else { &mut waiting }.insert(place, deployment);
        }
        let mut queue = Queue::default();
        let (mut backwards, mut ready) = (Vec::new(), Vec::new());
        let paused = self.store.pauses().await?;
        for (place, deployment) in waiting {
            // Only one can be in the middle, and it goes before what waits.
            if begun.contains_key(&place) || crate::run::turn::pause::holds(&paused, &deployment) {
                queue.held.push(deployment);
            } else if deployment.trigger.goes_back() {
                backwards.push(deployment);
            } else if let Some(held) = self.held_deployment(&deployment).await? {
                if held.needs_yes {
                    queue.unapproved.insert(deployment.id);
                }
                queue.opens = queue.opens.into_iter().chain(held.until).min();
                let description = self.tell_held(&deployment, &held).await?;
                queue.held.push(Deployment { description, ..deployment });
            } else {
                ready.push(deployment);
            }
        }
        backwards.sort_by_key(|deployment| deployment.id);
        queue.held.sort_by_key(|deployment| deployment.id);
        queue.begun = begun.into_values().collect();
        queue.begun.sort_by_key(|deployment| deployment.id);
        queue.ready = backwards;
        queue.ready.extend(self.by_turns(ready, &queue.begun).await?);
        Ok(queue)
    }

    /// Of its environment.
    pub fn priority_of(&self, deployment: &Deployment) -> i8 {
        let config = self.config();
        config
            .environment(&deployment.project, &deployment.environment)
            .map_or(0, |(_, environment)| environment.priority)
    }

    /// What may begin, in the order in which it gets its slot.
    async fn by_turns(&self, ready: Vec<Deployment>, begun: &[Deployment]) -> Result<Vec<Deployment>, StoreError> {
        if ready.len() < 2 {
            return Ok(ready);
        }
        let mut running: BTreeMap<ProjectName, usize> = BTreeMap::new();
        for deployment in begun {
            *running.entry(deployment.project.clone()).or_default() += 1;
        }
        let turns = self.turns_given.load(Ordering::Relaxed);
        let given = Given { running, last: self.store.last_begun().await?, turns };
        let asked = ready.iter().map(|deployment| Ready {
            id: deployment.id,
            project: deployment.project.clone(),
            priority: self.priority_of(deployment),
        });
        let order = turns::turns(&asked.collect::<Vec<_>>(), &given, usize::MAX);
        let mut by_id: BTreeMap<_, _> = ready.into_iter().map(|deployment| (deployment.id, deployment)).collect();
        Ok(order.into_iter().filter_map(|id| by_id.remove(&id)).collect())
    }
}

/// Going back waits for nobody and takes nobody's slot.
fn is_backwards(deployment: &Deployment) -> bool {
    deployment.trigger.goes_back() || deployment.state == DeploymentState::PuttingBack
}

/// Begins what may begin, and returns when a window opens for something else.
async fn begin_what_can(deployer: &Arc<Deployer>) -> Result<Option<Timestamp>, StoreError> {
    let Queue { begun, ready, held, opens, .. } = deployer.queue().await?;
    let waited_for: BTreeSet<Place> =
        held.iter().chain(&ready).map(|d| (d.project.clone(), d.environment.clone())).collect();
    let config = deployer.config();
    let mut shares = Shares::new(config.limits.deployments, config.projects.len());
    begun.iter().filter(|deployment| !is_backwards(deployment)).for_each(|begun| shares.take(&begun.project));
    // What was begun goes on first.
    for deployment in begun.into_iter().chain(ready) {
        let place = (deployment.project.clone(), deployment.environment.clone());
        let (is_new, needs_one) = (deployment.state == DeploymentState::Waiting, !is_backwards(&deployment));
        let slot = deployer.deployment_slots.clone().try_acquire_owned().ok().filter(|_| needs_one);
        if is_new && needs_one {
            let full = match (&slot, config.limits.deployments) {
                // What lends its slot counts as well: it takes it back.
                _ if shares.last_is_kept_from(&deployment.project) => {
                    Some(WaitsFor::Share { running: shares.of(&deployment.project) })
                }
                (None, running) => Some(WaitsFor::Slot { running }),
                (Some(_), _) => None,
            };
            if let Some(full) = full {
                deployer.tell_wait(&deployment, &Situation::Waiting(full)).await?;
                continue;
            }
        }
        let Some(control) = deployer.occupancy.occupy(place.clone(), deployment.id) else {
            deployer.occupancy.keep_no_longer(&place);
            continue;
        };
        // After a restart a newer one may wait already behind what goes on.
        if !is_new && waited_for.contains(&place) {
            control.hurry.cancel();
        }
        if is_new && needs_one {
            deployer.turns_given.fetch_add(1, Ordering::Relaxed);
            shares.take(&deployment.project);
        }
        let deployer = deployer.clone();
        let tasks = deployer.tasks.clone();
        // What had begun, and was held or waited for room, had lent its slot: it goes on, and the next that is free is its.
        let owed = (needs_one && slot.is_none())
            .then(|| AbortOnDropHandle::new(tokio::spawn(deployer.deployment_slots.clone().acquire_owned())));
        let slot = (slot, owed);
        tasks.spawn(async move {
            // It may have been overtaken or cancelled since it was read.
            let fresh = deployer.store.deployment(deployment.id).await;
            if let Ok(Some(fresh)) = fresh
                && !fresh.state.is_end()
            {
                if fresh.cancelled_by.is_some() {
                    control.cancel.cancel();
                }
                stages::carry_out(deployer.clone(), fresh, control).await;
            }
            drop(slot);
            deployer.leave(&place);
            deployer.collecting.ended.notify_one();
            deployer.beyonds.live_changed(&place);
        });
    }
    Ok(opens)
}

impl Deployer {
    /// Puts a deployment into its environment's queue; what waited there ends superseded. A running one that only
    /// watches is told to hurry.
    pub async fn enqueue(&self, mut new: NewDeployment) -> Result<Deployment, StoreError> {
        let mask = self.mask_of(&new.project, &new.environment);
        (new.subject, new.asked_by) = (mask.apply(&new.subject), mask.apply(&new.asked_by));
        let place = (new.project.clone(), new.environment.clone());
        let running = self.occupancy.running_in(&place);
        let named = match &running {
            Some(running) => self.store.deployment(running.id).await?.map(|deployment| deployment.named()),
            None => None,
        };
        let live = match self.store.live(&new.project, &new.environment).await? {
            Some(live) => crate::report::texts::Live::Release(live.release),
            None => crate::report::texts::Live::Nothing,
        };
        let commit = new.commit.clone();
        let superseded = Situation::Superseded { by: &commit, live };
        let pause = self.store.pause(&new.project, &new.environment).await?;
        let pause = pause.filter(|_| !new.trigger.goes_back());
        let held = self.held_at_first(&new).await?;
        let here = (&place.0, &place.1);
        let told = |situation: &Situation<'_>| self.says(here, situation, &mask);
        let waits = match (&named, &pause, held) {
            (Some(running), ..) => told(&Situation::Waiting(WaitsFor::Deployment { running, ahead: 1 })),
            (None, Some(pause), _) => {
                told(&Situation::Waiting(WaitsFor::Resume { by: &pause.by, reason: pause.reason.as_deref() }))
            }
            (None, None, Some(held)) => held.situation(told),
            (None, None, None) => told(&Situation::Waiting(WaitsFor::Turn)),
        };
        let sentences = Sentences { waits, superseded: self.says(here, &superseded, &mask) };
        let (added, overtaken) = self.store.add_deployment(new, sentences, now_ms()).await?;
        self.deployed_commits.note([(added.project.clone(), added.commit.clone())]);
        for old in &overtaken {
            tracing::info!(deployment.id = %old.id, by = %added.id, "A waiting deployment is superseded");
        }
        tracing::info!(
            deployment.id = %added.id, project = %added.project, environment = %added.environment,
            commit = %added.commit, trigger = added.trigger.word(), "A deployment waits for its turn"
        );
        if let Some(running) = running {
            running.hurry.cancel();
        }
        self.bells.to_begin.notify_one();
        self.bells.to_send.notify_one();
        self.bells.to_run_hooks.notify_one();
        Ok(added)
    }

    async fn held_at_first(&self, new: &NewDeployment) -> Result<Option<Held>, StoreError> {
        let config = self.config();
        let Some((project, environment)) = config.environment(&new.project, &new.environment) else { return Ok(None) };
        let asks = Asks { trigger: new.trigger, now_reason: new.now_reason.as_deref(), approved_by: None };
        self.held(project, environment, asks).await
    }
}
