//! Stage deploy: observe, plan, execute, until what runs is what is wanted. The same code deploys, rolls back, puts
//! back and settles after a crash.

use crate::config::{Environment, Project};
use crate::engine::{EngineError, Supplies};
use crate::model::{ComponentName, ContainerState, Health, Observed, ObservedContainer, Quoted, Tree};
use crate::plan::Wanted;
use crate::plan::converge::{converge, left_networks, paused_time};
use crate::plan::{Action, Phase, Plan, ReadyGoal, Step, Target};
use crate::run::flow::deploying::Deploying;
use crate::run::flow::engine_away::Patience;
use crate::run::flow::executor::{Watch, execute};
use crate::run::flow::outlook::Outlook;
use crate::run::flow::supplies::CommitFiles;
use crate::run::flow::watch::LogSteps;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::log::DeploymentLog;
use crate::run::ground::stage_error::{Limit, StageError, within};
use crate::run::ground::step_error::{StepError, StepFailed};
use crate::run::traffic::canary::Canaries;
use crate::run::traffic::hands::Hands;
use crate::run::traffic::leading::Holds;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// More rounds than that bring nothing: something undoes what is done.
const MOST_ROUNDS: usize = 5;
/// Taking away what is old is no reason to hold up the end of a deployment for longer.
const CLEAN: Duration = Duration::from_secs(180);

/// Told once, before the first step is carried out; and what is told of each step.
#[async_trait::async_trait]
pub trait Beginning: Send + Sync {
    async fn begins(&self, plan: &Plan, observed: &Observed) -> Result<(), StageError>;
    fn deploying(&self) -> Arc<Deploying>;
}

/// Brings an environment from what runs to what is wanted.
pub struct Convergence<'a> {
    pub deployer: &'a Deployer,
    pub project: &'a Project,
    pub environment: &'a Environment,
    pub wanted: Wanted<'a>,
    pub tree: Option<Arc<dyn Tree>>,
    pub log: &'a DeploymentLog,
    pub cancel: &'a CancellationToken,
    /// Going forwards, what holds and judges canaries.
    pub canaries: Option<Canaries>,
    /// What steps are expected to take: the longest path begins first.
    pub outlook: Arc<Outlook>,
}

impl Convergence<'_> {
    /// Carries out what has to be done before the new release counts as good, then reads back what runs. Waits for an
    /// engine that is away; the caller sets the deadline.
    pub async fn converge(&self, beginning: Option<&dyn Beginning>) -> Result<(), StageError> {
        let mut begun = false;
        // Whether every step of the last plan has just succeeded.
        let mut walked = false;
        let mut rounds = 0;
        let mut missed: Option<String> = None;
        let mut excused = BTreeSet::new();
        while rounds < MOST_ROUNDS {
            let (observed, plan) = self.look(self.cancel).await?;
            let is_open = |step: &&Step| step.phase != Phase::Clean && !(walked && is_counted_ready(step, &observed));
            if plan.steps.iter().find(is_open).is_none() {
                match self.read_back(&observed).await {
                    Err(StageError::EngineAway { why }) => self.patience(self.cancel).wait(&why).await?,
                    read_back => return read_back,
                }
                continue;
            }
            let deploying = beginning.map(Beginning::deploying);
            if !begun {
                if let Some(beginning) = beginning {
                    beginning.begins(&plan, &observed).await?;
                }
                begun = true;
            } else {
                if let Some(deploying) = &deploying {
                    deploying.plans(&plan);
                }
                self.log.line(None, "looking again at what runs:");
                for line in plan.to_string().lines() {
                    self.log.line(None, line);
                }
            }
            if let Some(canaries) = &self.canaries {
                // More than that a commit may not ask for, see `prepare`; an older release may have.
                canaries.let_pass(paused_time(&plan).min(self.deployer.config().limits.deploy));
            }
            match self.execute(&plan, &[Phase::Prepare, Phase::Deploy], deploying, self.cancel).await {
                Ok(()) => {
                    walked = true;
                    rounds += 1;
                }
                Err(failed) if matches!(failed.error, StepError::Engine(EngineError::SubnetTaken { .. })) => {
                    self.log.line(None, "another environment was quicker: looking for other addresses");
                    walked = false;
                    rounds += 1;
                }
                // Somebody removed what a step was about; where the same is missing again, it is nobody's haste.
                Err(StepFailed { error: StepError::Engine(EngineError::NotFound { what }), .. })
                    if missed.as_ref() != Some(&what) =>
                {
                    self.log.line(None, &format!("{what} is not there any more"));
                    missed = Some(what);
                    walked = false;
                    rounds += 1;
                }
                Err(failed) if self.was_the_engines_end(&failed, &mut excused).await => {
                    walked = false;
                    rounds += 1;
                    self.patience(self.cancel).wait(&StepError::EngineEnded.to_string()).await?;
                }
                Err(failed) => match StageError::from(failed) {
                    StageError::EngineAway { why } => {
                        walked = false;
                        self.patience(self.cancel).wait(&why).await?;
                    }
                    other => return Err(other),
                },
            }
        }
        Err(StageError::host(
            "what was started does not stay as it was started: something else changes the environment's containers",
        ))
    }

    /// What ended before it was ready ended with the engine: that is not the commit's doing. Once for each end of the
    /// engine: what is started again after it, and ends again, does so by itself.
    async fn was_the_engines_end(&self, failed: &StepFailed, excused: &mut BTreeSet<(i64, String)>) -> bool {
        let outages = &self.deployer.keeping.outages;
        match failed.error {
            StepError::EngineEnded => true,
            StepError::Engine(EngineError::NotReady { has_ended: true, .. }) => {
                outages.explain_what_just_ended().await
                    && excused.insert((outages.latest_ms().unwrap_or(0), failed.subject.clone()))
            }
            _ => false,
        }
    }

    /// Takes away what the release no longer needs. Failing is no reason to put anything back, and nobody cancels it:
    /// only the end of the process stops it.
    pub async fn clean(&self) {
        let stop = self.deployer.stop.child_token();
        let cleaned = async {
            // A second look finds what the engine was still busy with at the first.
            for _ in 0..MOST_ROUNDS {
                let (observed, plan) = self.look(&stop).await?;
                if !plan.steps.iter().any(|step| step.phase == Phase::Clean) {
                    return self.take_networks_away(&stop).await;
                }
                // Only what goes forwards, or back on purpose, has canaries: what it takes away was live.
                let (place, was_live) = ((&self.project.name, &self.environment.name), self.canaries.is_some());
                for line in self.deployer.note_left(place, &plan, &observed, was_live).await? {
                    self.log.line(None, &line);
                }
                match self.execute(&plan, &[Phase::Clean], None, &stop).await.map_err(StageError::from) {
                    Err(StageError::EngineAway { why }) => self.patience(&stop).wait(&why).await?,
                    executed => executed?,
                }
            }
            Err(StageError::host("it comes again as often as it is removed"))
        };
        // Replicas finish what they have first.
        let drains = self.wanted.release.iter().flat_map(|release| release.stack.components.values());
        let drain = drains.filter_map(|component| component.settings.drain).max().unwrap_or_default();
        let time = CLEAN + drain.min(self.deployer.config().limits.deploy);
        let limit = Limit { what: "removing what is old", time, rest: Duration::from_secs(3) };
        if let Err(error) = within(limit, &stop, cleaned).await {
            self.log
                .line(None, &format!("not everything old could be removed, the next deployment tries again: {error}"));
        }
    }

    /// Networks that the release no longer names; all of them where nothing is live, so that commits which never go live leave
    /// none behind. One that a container uses stays for as long.
    async fn take_networks_away(&self, stop: &CancellationToken) -> Result<(), StageError> {
        let observed = self.patience(stop).observe(self.project, self.environment).await?;
        let place = (&self.project.name, &self.environment.name);
        for name in left_networks(place, self.wanted.release, &observed) {
            if self.deployer.engine.remove_network(&name).await? {
                let why = match self.wanted.release {
                    Some(release) => format!("release {} does not name it", release.id),
                    None => "nothing is live".to_string(),
                };
                self.log.line(None, &format!("network {}: removed, {why}", Quoted(name)));
            }
        }
        Ok(())
    }

    /// Looks at what runs, and waits for an engine that is away.
    pub async fn observe(&self) -> Result<Observed, StageError> {
        self.patience(self.cancel).observe(self.project, self.environment).await
    }

    /// How this deployment waits for an engine that is away.
    pub fn patience<'b>(&'b self, cancel: &'b CancellationToken) -> Patience<'b> {
        Patience { deployer: self.deployer, deployment: self.wanted.deployment, log: self.log, cancel }
    }

    /// What would be done next.
    pub async fn next(&self) -> Result<Plan, StageError> {
        Ok(self.look(self.cancel).await?.1)
    }

    /// What runs, and what is to be done about it. Planning asks the engine, too, and waits for it as looking does.
    async fn look(&self, cancel: &CancellationToken) -> Result<(Observed, Plan), StageError> {
        let patience = self.patience(cancel);
        patience
            .carry_out(|| async {
                let observed = patience.observe(self.project, self.environment).await?;
                let plan = self.plan(&observed).await?;
                Ok((observed, plan))
            })
            .await
    }

    async fn plan(&self, observed: &Observed) -> Result<Plan, StageError> {
        let mut wanted = self.wanted.clone();
        for ended in self.note_release_commands(observed).await? {
            wanted.release_commands.remove(&ended);
        }
        if let Some(deployment) = wanted.deployment {
            wanted.passed = self.deployer.store.passed_canaries(deployment).await?;
        }
        if let Some(release) = wanted.release {
            wanted.unnamed = self.deployer.unnamed(release, observed, None).await?;
        }
        converge(&wanted, observed).map_err(|problems| {
            for problem in &problems {
                self.log.line(None, &problem.to_string());
            }
            StageError::problems(&problems)
        })
    }

    /// Notes which release commands of the deployment have begun, before any plan can take their containers away.
    /// Returns those that have ended well, also where somebody else has removed their containers since.
    async fn note_release_commands(&self, observed: &Observed) -> Result<BTreeSet<ComponentName>, StageError> {
        let (Some(deployment), store) = (self.wanted.deployment, &self.deployer.store) else {
            return Ok(BTreeSet::new());
        };
        let own = observed.release_commands.iter().filter(|command| command.deployment == Some(deployment));
        for command in own.filter(|command| command.state != ContainerState::Created) {
            let ended_well = command.state == ContainerState::Exited { code: 0 };
            store.note_release_command(deployment, &command.component, ended_well, now_ms()).await?;
        }
        Ok(store.ended_release_commands(deployment).await?)
    }

    async fn execute(
        &self,
        plan: &Plan,
        phases: &[Phase],
        deploying: Option<Arc<Deploying>>,
        cancel: &CancellationToken,
    ) -> Result<(), StepFailed> {
        let supplies: Arc<dyn Supplies> = Arc::new(CommitFiles { tree: self.tree.clone(), log: self.log.clone() });
        let watch: Arc<dyn Watch> = Arc::new(LogSteps {
            log: self.log.clone(),
            record: self.wanted.deployment.map(|deployment| (self.deployer.works.clone(), deployment)),
            deploying,
        });
        let canaries = self.canaries.clone().map(|canaries| Arc::new(canaries) as Arc<dyn Holds>);
        let lead = self.deployer.lead(&self.project.name, &self.environment.name, canaries);
        let hands = Hands { engine: self.deployer.engine.clone(), supplies, lead };
        execute(plan, phases, &self.outlook.step_ranks(plan), &hands, &watch, cancel).await
    }
}

/// A container that was seen to be ready while the engine, whose first look comes only after a whole interval, still
/// calls it starting.
fn is_counted_ready(step: &Step, observed: &Observed) -> bool {
    let Action::WaitReady { target: Target::Existing { id, .. }, readiness } = &step.action else { return false };
    let is_starting = |c: &ObservedContainer| c.id == *id && c.is_running() && c.health == Health::Starting;
    readiness.goal == ReadyGoal::Ready && observed.containers.iter().any(is_starting)
}
