//! The flow of one deployment: prepare, build, deploy, monitor; and back, when something goes wrong.

use crate::config::{Environment, Project};
use crate::model::{ComponentName, DeploymentId, DeploymentState, Observed, Stage, Transition};
use crate::plan::Plan;
use crate::plan::Wanted;
use crate::plan::changes::ChangeKind;
use crate::plan::converge::found::found;
use crate::plan::unnamed::Unnamed;
use crate::report::texts::{Fault, Live, LiveBy, Situation, Success};
use crate::run::flow::build;
use crate::run::flow::deploy::{Beginning, Convergence};
use crate::run::flow::deploying::{Deploying, Started};
use crate::run::flow::engine_away::Patience;
use crate::run::flow::monitor;
use crate::run::flow::outlook::Outlook;
use crate::run::flow::prepare::{self, Prepared};
use crate::run::ground::contained::{Broke, contained};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::failpoint::failpoint;
use crate::run::ground::full_disk;
use crate::run::ground::ids::now_ms;
use crate::run::ground::log::DeploymentLog;
use crate::run::ground::occupancy::Control;
use crate::run::ground::stage_error::{Limit, StageError, within, within_but_for};
use crate::run::traffic::canary::Canaries;
use crate::store::{self, Announced, Deployment, Trigger};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long stopped work may take to come to rest. What a step asked of the engine is answered in that time.
const SHORT_REST: Duration = Duration::from_secs(5);
/// How long a deployment rests whose state could not be noted.
const BEFORE_AGAIN: Duration = Duration::from_secs(5);
/// A container that was told to stop is waited for.
pub(in crate::run) const LONG_REST: Duration = Duration::from_secs(60);

/// Carries one deployment to its end, from wherever a crash or restart left it. Returns early, with nothing put back,
/// when the process is to end.
pub async fn carry_out(deployer: Arc<Deployer>, deployment: Deployment, control: Control) {
    let stop = deployer.stop.clone();
    if !is_carried_out(deployer, deployment, control).await {
        // The queue takes it up again at once: what is wrong with the store or the disk may take a while.
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(BEFORE_AGAIN) => {}
        }
    }
}

/// Whether the deployment came to its end, or stands in the store for the next start.
async fn is_carried_out(deployer: Arc<Deployer>, deployment: Deployment, control: Control) -> bool {
    // Values, tokens and accounts of registries are as they are when it begins.
    deployer.fresh_config().await;
    let flow = match Flow::new(&deployer, deployment, control).await {
        Ok(flow) => flow,
        Err(error) => {
            tracing::error!(error = %error, "A deployment cannot be begun");
            return false;
        }
    };
    let id = flow.deployment.id;
    let span_text = format!("{}/{}", flow.deployment.project, flow.deployment.environment);
    tracing::info!(deployment.id = %id, environment = span_text, commit = %flow.deployment.commit, "A deployment begins");
    let control = flow.control.clone();
    match contained(flow.run()).await {
        Ok(Ok(())) => true,
        Err(broke) => is_given_up(deployer, id, control, &broke).await,
        // Only the store itself can fail here; the deployment is taken up again.
        Ok(Err(error)) => {
            tracing::error!(deployment.id = %id, error = %error, "A deployment could not be carried to its end");
            false
        }
    }
}

/// Ends a deployment whose way back broke off: begun again, it would do so again, and nothing else could be deployed there.
/// What it left is looked after like all that could not be put back.
async fn is_given_up(deployer: Arc<Deployer>, id: DeploymentId, control: Control, broke: &Broke) -> bool {
    tracing::error!(deployment.id = %id, error = %broke, "A deployment broke off, and is given up");
    let given_up = async {
        match deployer.store.deployment(id).await? {
            Some(deployment) if !deployment.state.is_end() => {
                let flow = Flow::new(&deployer, deployment, control).await?;
                flow.end_failed(Fault::Host, &broke.to_string(), None).await
            }
            _ => Ok(()),
        }
    };
    match contained(given_up).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(deployment.id = %id, error = %error, "A deployment could not be carried to its end");
            false
        }
        Err(_) => false,
    }
}

pub(in crate::run) struct Flow {
    pub deployer: Arc<Deployer>,
    pub deployment: Deployment,
    pub control: Control,
    pub log: DeploymentLog,
    started_ms: i64,
    /// It had begun before the process did.
    pub is_taken_up: bool,
}

/// How a deployment that did not succeed came to its end.
pub(in crate::run) struct Failure {
    pub setback: StageError,
    pub stage: Stage,
}

impl Flow {
    /// Takes a deployment up where the store says that it stands.
    pub async fn new(deployer: &Arc<Deployer>, deployment: Deployment, control: Control) -> anyhow::Result<Self> {
        let log = deployer.logs.open(deployment.id, deployer.mask_of_deployment(&deployment).await)?;
        let started_ms = deployment.started_ms.unwrap_or_else(now_ms);
        let is_taken_up = deployment.state != DeploymentState::Waiting;
        Ok(Self { deployer: deployer.clone(), deployment, control, log, started_ms, is_taken_up })
    }

    async fn run(mut self) -> anyhow::Result<()> {
        let Some((project, environment)) = self.settings().await else {
            let why = "its environment is no longer in launchway.toml".to_string();
            return self.end_failed(Fault::Host, &why, None).await;
        };
        if self.is_live().await? {
            self.log.line(None, "taken up again after a restart: its release is live already");
            return self.finish(&project, &environment).await;
        }
        if self.deployment.state == DeploymentState::PuttingBack {
            self.log.line(None, "taken up again after a restart: going on to put back");
            let failure = Failure { setback: self.noted_setback(), stage: Stage::Deploy };
            return self.go_back(&project, &environment, failure).await;
        }
        if self.is_taken_up {
            self.log.line(None, "taken up again after a restart");
        }
        let forwards = match contained(self.forwards(&project, &environment)).await {
            Ok(forwards) => forwards,
            Err(broke) => Err(Failure { setback: StageError::host(broke), stage: self.stage_reached().await? }),
        };
        match forwards {
            Ok(()) => Ok(()),
            // The process ends: what runs stands in the store, and the next start goes on with it.
            Err(_) if self.deployer.stop.is_cancelled() => Ok(()),
            Err(failure) => self.go_back(&project, &environment, failure).await,
        }
    }

    /// The project and environment as they are set now; what is secret there is masked from now on.
    pub async fn settings(&self) -> Option<(Project, Environment)> {
        let config = self.deployer.config();
        let (project, environment) = config.environment(&self.deployment.project, &self.deployment.environment)?;
        self.log.set_mask(self.deployer.mask_of_deployment(&self.deployment).await);
        Some((project.clone(), environment.clone()))
    }

    /// Whether its release was noted as live before the process ended: then only the end is missing.
    async fn is_live(&self) -> anyhow::Result<bool> {
        let live = self.deployer.store.live(&self.deployment.project, &self.deployment.environment).await?;
        Ok(live.is_some_and(|live| live.deployment == self.deployment.id))
    }

    async fn finish(&self, project: &Project, environment: &Environment) -> anyhow::Result<()> {
        let prepared = prepare::noted(&self.deployer, &self.deployment).await?;
        self.convergence(project, environment, &prepared, &self.deployer.stop, Arc::default()).clean().await;
        if self.deployer.stop.is_cancelled() {
            return Ok(());
        }
        let replaced = prepared.changed(&[ChangeKind::New, ChangeKind::Changed, ChangeKind::Adjusted]);
        self.end_succeeded(&prepared, &replaced, &[], (&[], Duration::ZERO)).await
    }

    async fn forwards(&mut self, project: &Project, environment: &Environment) -> Result<(), Failure> {
        let deployer = self.deployer.clone();
        let limits = deployer.config().limits.clone();
        // Fires when somebody cancels, when the process ends, and when a stage takes longer than it may.
        let cancel = self.control.cancel.child_token();

        self.enter(Stage::Prepare, Transition::Prepare, &Situation::Preparing).await?;
        let patience =
            Patience { deployer: &deployer, deployment: Some(self.deployment.id), log: &self.log, cancel: &cancel };
        let work = patience
            .carry_out(|| prepare::prepare(&deployer, &self.deployment, project, environment, &self.log, &cancel));
        let limit = Limit { what: "preparing", time: limits.prepare, rest: SHORT_REST };
        let prepared = within(limit, &cancel, work).await.map_err(|s| at(Stage::Prepare, s))?;
        failpoint("prepare.planned");
        self.deployment.previous = prepared.previous.as_ref().map(|release| release.id);
        self.deployment.release = Some(prepared.release.id);

        self.refuse_what_never_fits(&prepared).await?;
        let outlook = Arc::new(Outlook::of(&deployer, &self.deployment).await);
        let room_to_build = self.admit_build(&prepared).await?;
        let built = self.build(&prepared, &outlook, limits.build, &cancel).await?;
        drop(room_to_build);
        let place = (project, environment);
        let patience =
            Patience { deployer: &deployer, deployment: Some(self.deployment.id), log: &self.log, cancel: &cancel };
        let work = patience
            .carry_out(|| prepare::ask_again(&deployer, &self.deployment, &prepared, place, &self.log, &cancel));
        let limit = Limit { what: "looking at what was built", time: limits.prepare, rest: SHORT_REST };
        within(limit, &cancel, work).await.map_err(|s| at(Stage::Build, s))?;

        let convergence = self.convergence(project, environment, &prepared, &cancel, outlook);
        // Held until all of it runs, and the engine itself says what it takes.
        let room = self.admit(&convergence, &prepared).await?;
        let replaced = self.deploy(&convergence, &prepared, limits.deploy).await?;
        failpoint("deploy.converged");
        drop(room);

        let bake = match replaced.is_empty() {
            true => Duration::ZERO,
            false => monitor::bake(environment.bake, prepared.release.stack.settings.bake, limits.deploy),
        };
        self.enter(Stage::Monitor, Transition::Monitor, &Situation::Monitoring { left: bake }).await?;
        let watched_from = Instant::now();
        let work = monitor::watch(&convergence, &replaced, bake, &self.control.hurry);
        let limit = Limit { what: "watching", time: bake + limits.deploy, rest: SHORT_REST };
        let mut verdicts = within(limit, &cancel, work).await.map_err(|s| at(Stage::Monitor, s))?;
        let watched = watched_from.elapsed();
        if let Some(canaries) = &convergence.canaries {
            verdicts.splice(0..0, canaries.verdicts());
        }
        failpoint("live.before");

        // From here on the new release counts: it is noted as live before anything of the old one is taken away.
        let live = store::Live { release: prepared.release.id, deployment: self.deployment.id };
        let set = self.deployer.store.set_live(&self.deployment.project, &self.deployment.environment, live).await;
        set.map_err(|error| at(Stage::Monitor, error.into()))?;
        failpoint("live.set");
        convergence.clean().await;
        if deployer.stop.is_cancelled() {
            return Err(at(Stage::Monitor, StageError::Cancelled));
        }
        failpoint("clean.ended");
        let lost = self.lost(&prepared, built);
        let ended = self.end_succeeded(&prepared, &replaced, &lost, (&verdicts, watched)).await;
        ended.map_err(|error| at(Stage::Monitor, StageError::host(error)))
    }

    /// Returns what was built.
    async fn build(
        &mut self,
        prepared: &Prepared,
        outlook: &Outlook,
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<BTreeSet<ComponentName>, Failure> {
        self.enter_silently(Stage::Build, Transition::Build).await?;
        let (tell, mut told) =
            tokio::sync::mpsc::unbounded_channel::<(ComponentName, usize, usize, Option<Duration>)>();
        let progress = move |name: &ComponentName, number: usize, of: usize, left: Option<Duration>| {
            let _ = tell.send((name.clone(), number, of, left));
        };
        let work = async {
            // What is put back needs hardly any, and may be the way out.
            if !self.deployment.trigger.goes_back() {
                self.deployer.make_room(0, &self.log).await?;
            }
            let patience =
                Patience { deployer: &self.deployer, deployment: Some(self.deployment.id), log: &self.log, cancel };
            let building = patience.carry_out(|| {
                build::build(&self.deployer, &self.deployment, prepared, outlook, &self.log, cancel, &progress)
            });
            tokio::pin!(building);
            loop {
                tokio::select! {
                    result = &mut building => return result,
                    Some((component, number, of, left)) = told.recv() => {
                        self.say(&Situation::Building { component: &component, number, of, left }).await;
                    }
                }
            }
        };
        // Each build has the limit for itself; here it only stops what hangs outside of them.
        let limit = Limit { what: "building", time: limit * 4, rest: SHORT_REST };
        within(limit, cancel, work).await.map_err(|s| at(Stage::Build, s))
    }

    /// Of what was built, that of which there had been an image: nothing of it has changed, or it is put back.
    fn lost(&self, prepared: &Prepared, built: BTreeSet<ComponentName>) -> Vec<ComponentName> {
        let unchanged = prepared.changed(&[ChangeKind::Unchanged]);
        let is_rollback = self.deployment.trigger.goes_back();
        built.into_iter().filter(|name| is_rollback || unchanged.contains(name)).collect()
    }

    fn convergence<'a>(
        &'a self,
        project: &'a Project,
        environment: &'a Environment,
        prepared: &'a Prepared,
        cancel: &'a CancellationToken,
        outlook: Arc<Outlook>,
    ) -> Convergence<'a> {
        Convergence {
            outlook,
            deployer: &self.deployer,
            project,
            environment,
            wanted: Wanted {
                release: Some(&prepared.release),
                accepted: prepared.accepted.clone(),
                deployment: Some(self.deployment.id),
                goal: prepare::goal(&self.deployment),
                release_commands: prepared.release_commands(),
                passed: BTreeMap::new(),
                found: Vec::new(),
                unnamed: Unnamed::default(),
            },
            tree: prepared.tree.clone(),
            log: &self.log,
            cancel,
            canaries: Some(Canaries::new(
                self.deployer.clone(),
                self.deployment.clone(),
                (project.clone(), environment.clone()),
                self.log.clone(),
                self.control.hurry.clone(),
            )),
        }
    }

    /// Returns the components of which a container was started.
    async fn deploy(
        &self,
        convergence: &Convergence<'_>,
        prepared: &Prepared,
        limit: Duration,
    ) -> Result<Vec<ComponentName>, Failure> {
        self.enter_silently(Stage::Deploy, Transition::Deploy).await?;
        let (deploying, mut told) = Deploying::new(convergence.outlook.clone());
        let touch = Touch { flow: self, deploying, started: Mutex::default() };
        let work = async {
            let converging = convergence.converge(Some(&touch));
            tokio::pin!(converging);
            loop {
                tokio::select! {
                    result = &mut converging => return result,
                    Some(started) = told.recv() => self.say_deploying(&started).await,
                }
            }
        };
        let limit = Limit { what: "deploying", time: limit, rest: LONG_REST };
        let held = convergence.canaries.as_ref().map(|canaries| canaries.held_ms.clone()).unwrap_or_default();
        within_but_for(limit, &held, convergence.cancel, work).await.map_err(|s| at(Stage::Deploy, s))?;
        let mut started = touch.started.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Taken up again after a crash, some of it may run already; it is watched all the same.
        if self.deployment.touched {
            started.extend(prepared.changed(&[ChangeKind::New, ChangeKind::Changed]));
            started.sort();
            started.dedup();
        }
        Ok(started)
    }

    /// The stage that it came to.
    async fn stage_reached(&self) -> anyhow::Result<Stage> {
        let stages = self.deployer.store.stages(self.deployment.id).await?;
        Ok(stages.last().map_or(Stage::Prepare, |record| record.stage))
    }

    async fn enter(&self, stage: Stage, transition: Transition, situation: &Situation<'_>) -> Result<(), Failure> {
        self.begin(stage, transition, self.says(situation)).await
    }

    /// Enters a stage that says something of itself only when there is something to say.
    async fn enter_silently(&self, stage: Stage, transition: Transition) -> Result<(), Failure> {
        self.begin(stage, transition, Announced { sentence: format!("In stage {stage}"), status: None }).await
    }

    async fn begin(&self, stage: Stage, transition: Transition, said: Announced) -> Result<(), Failure> {
        let begun = async {
            let now = now_ms();
            self.deployer.store.end_stages(self.deployment.id, "done", now).await?;
            let offset = self.log.enter(stage);
            self.advance_saying(transition, said).await?;
            self.deployer.store.begin_stage(self.deployment.id, stage, offset, now).await?;
            anyhow::Ok(())
        };
        begun.await.map_err(|error| at(stage, StageError::host(format!("{error:#}"))))
    }

    /// What a situation of the deployment says.
    pub fn says(&self, situation: &Situation<'_>) -> Announced {
        let place = (&self.deployment.project, &self.deployment.environment);
        self.deployer.says(place, situation, &self.log.mask())
    }

    /// Moves the deployment on, and says its situation.
    pub async fn advance(&self, transition: Transition, situation: &Situation<'_>) -> anyhow::Result<()> {
        self.advance_saying(transition, self.says(situation)).await
    }

    /// The same with a description of its own.
    pub async fn advance_saying(&self, transition: Transition, said: Announced) -> anyhow::Result<()> {
        let said = Announced { sentence: self.log.masked(&said.sentence), ..said };
        let advanced = self.deployer.store.advance(self.deployment.id, transition, said, now_ms()).await??;
        failpoint(if advanced.state.is_end() { "end.said" } else { "stage.said" });
        self.deployer.bells.to_run_hooks.notify_one();
        self.deployer.bells.to_send.notify_one();
        Ok(())
    }

    /// A further pending in the same state.
    pub async fn say(&self, situation: &Situation<'_>) {
        self.deployer.say(&self.deployment, &self.log, situation).await;
    }

    async fn say_deploying(&self, started: &Started) {
        let Started { component, number, of, left } = started;
        self.say(&Situation::Deploying { component, number: *number, of: *of, left: *left }).await;
    }

    async fn end_succeeded(
        &self,
        prepared: &Prepared,
        touched: &[ComponentName],
        lost: &[ComponentName],
        (verdicts, watched): (&[String], Duration),
    ) -> anyhow::Result<()> {
        let removed = prepared.changed(&[ChangeKind::Removed]);
        let mut unchanged = prepared.changed(&[ChangeKind::Unchanged]);
        unchanged.retain(|name| !touched.contains(name));
        let by = self.deployment.asked_by.clone();
        let unmet = prepared.changes.iter().filter(|change| touched.contains(&change.component));
        let unmet = unmet.filter_map(|change| Some((&change.component, change.method.as_ref()?)));
        let unmet = unmet
            .filter_map(|(name, choice)| Some(format!("{name}: {}, {} cannot be", choice.method, choice.instead_of?)));
        let verdicts: Vec<String> = verdicts.iter().cloned().chain(unmet).collect();
        let stack = &prepared.release.stack;
        let is_job = |name: &ComponentName| {
            stack.is_job(name) || stack.components.get(name).is_some_and(|component| component.settings.job)
        };
        let (ran, touched) = touched.iter().cloned().partition::<Vec<_>, _>(is_job);
        let new = prepared.changed(&[ChangeKind::New]);
        let (started, mut replaced) = touched.into_iter().partition::<Vec<_>, _>(|name| new.contains(name));
        let adjusted = prepared.changed(&[ChangeKind::Adjusted]);
        replaced.retain(|name| !adjusted.contains(name));
        let adjusted = prepared.changes.iter().filter(|change| adjusted.contains(&change.component));
        let adjusted: Vec<String> =
            adjusted.map(|change| format!("{}: {}", change.component, change.reasons.join(", "))).collect();
        let live_after = self.live_after().await?;
        let situation = Situation::Succeeded(Success {
            release: prepared.release.id,
            by: match self.deployment.trigger {
                Trigger::Rollback => LiveBy::GoingBack(&by),
                Trigger::GiveBack => LiveBy::GivingBack(&by),
                _ => LiveBy::Deploying,
            },
            started: &started,
            replaced: &replaced,
            ran: &ran,
            adjusted: &adjusted,
            removed: &removed,
            unchanged: &unchanged,
            built_again: lost,
            verdicts: &verdicts,
            live_after,
            watched,
            found_by_catching_up: self.deployment.trigger == Trigger::Found,
        });
        if self.deployment.trigger.goes_back() {
            self.tell_the_commit_that_was_left(prepared, &by).await;
        }
        self.log.line(None, &situation.whole(&self.log.mask()));
        failpoint("end.before");
        tracing::info!(deployment.id = %self.deployment.id, release.id = %prepared.release.id, "A deployment succeeded");
        self.advance(Transition::Succeed, &situation).await
    }

    /// How long it took until all of it ran.
    async fn live_after(&self) -> anyhow::Result<Duration> {
        let stages = self.deployer.store.stages(self.deployment.id).await?;
        let monitor = stages.iter().find(|record| record.stage == Stage::Monitor);
        let ran = monitor.map_or_else(now_ms, |record| record.started_ms);
        Ok(Duration::from_millis((ran - self.started_ms).max(0) as u64))
    }

    /// After a rollback the commit that it left shows that it is no longer live.
    async fn tell_the_commit_that_was_left(&self, prepared: &Prepared, by: &str) {
        let Some(previous) = prepared.previous.as_ref().filter(|old| old.commit != prepared.release.commit) else {
            return;
        };
        let live = Live::Release(prepared.release.id);
        let (project, environment) = (&self.deployment.project, &self.deployment.environment);
        let (store, to) = (&self.deployer.store, prepared.release.id);
        let ran = store.release_command_ran_between(project, environment, to, previous.id).await;
        let release_command_ran = self.told(ran);
        let situation = Situation::LeftByRollback { by: Some(by), release_command_ran, live };
        let left = Deployment { commit: previous.commit.clone(), ..self.deployment.clone() };
        if let Some(status) = self.deployer.status(&left, &situation, &self.log.mask())
            && let Err(error) = self.deployer.store.queue_status(status, now_ms()).await
        {
            tracing::error!(deployment.id = %self.deployment.id, error = %error, "A status could not be queued");
        }
    }

    /// Ends the deployment as failed: `what` was wrong, and what the component said last.
    pub async fn end_failed(&self, fault: Fault, what: &str, last_line: Option<String>) -> anyhow::Result<()> {
        let live = self.deployer.live_in(&self.deployment).await;
        let last_line = last_line.as_deref();
        let situation = Situation::Failed { fault, what, last_line, live };
        self.log.line(None, &situation.whole(&self.log.mask()));
        tracing::warn!(deployment.id = %self.deployment.id, why = self.log.masked(what), "A deployment failed");
        self.advance(Transition::Fail, &situation).await
    }

    /// Whether a release command has begun, which going back does not undo.
    pub async fn release_command_ran(&self) -> bool {
        let ran = self.deployer.store.release_command_ran(self.deployment.id).await;
        self.told(ran)
    }

    fn told(&self, ran: Result<bool, store::StoreError>) -> bool {
        ran.unwrap_or_else(|error| {
            tracing::error!(deployment.id = %self.deployment.id, error = %error, "Whether a release command ran cannot be read");
            false
        })
    }

    /// Ends the deployment as cancelled, `during` a stage or before the first one.
    pub async fn end_cancelled(&self, during: Option<Stage>) -> anyhow::Result<()> {
        let live = self.deployer.live_in(&self.deployment).await;
        let by = self.deployment.cancelled_by.as_deref();
        let release_command_ran = self.release_command_ran().await;
        let situation = Situation::Cancelled { by, during, release_command_ran, live };
        self.log.line(None, &situation.whole(&self.log.mask()));
        self.advance(Transition::Cancel, &situation).await
    }
}

/// Notes, before the first step, that what runs is about to change, and which components are started.
struct Touch<'a> {
    flow: &'a Flow,
    deploying: Arc<Deploying>,
    started: Mutex<Vec<ComponentName>>,
}

#[async_trait::async_trait]
impl Beginning for Touch<'_> {
    async fn begins(&self, plan: &Plan, observed: &Observed) -> Result<(), StageError> {
        let mut names = self.deploying.plans(plan);
        if let Some(first) = self.deploying.first(&names) {
            self.flow.say_deploying(&first).await;
        }
        self.flow.deployer.store.note_touched(self.flow.deployment.id, found(observed)).await?;
        failpoint("deploy.touched");
        names.sort();
        *self.started.lock().unwrap_or_else(PoisonError::into_inner) = names;
        Ok(())
    }

    fn deploying(&self) -> Arc<Deploying> {
        self.deploying.clone()
    }
}

fn at(stage: Stage, setback: StageError) -> Failure {
    Failure { setback: full_disk::told_as_such(setback, stage), stage }
}
