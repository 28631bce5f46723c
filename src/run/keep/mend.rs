//! Putting right what died while nothing is deployed: the part of the plan towards the live release that does so, walked
//! by the same executor as every other plan.

use crate::config::Project;
use crate::engine::{EngineError, Supplies};
use crate::model::{ComponentName, Mask, Observed, Release, Stage, Tree};
use crate::plan::Wanted;
use crate::plan::converge::converge;
use crate::plan::mending::Mending;
use crate::plan::{Action, Phase, Plan};
use crate::run::flow::executor::{Watch, execute};
use crate::run::flow::supplies::CommitFiles;
use crate::run::flow::watch::LogSteps;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::log::DeploymentLog;
use crate::run::ground::occupancy::Control;
use crate::run::ground::remembered::Remembered;
use crate::run::ground::stage_error::{Limit, StageError, within};
use crate::run::ground::step_error::{StepError, StepFailed};
use crate::run::traffic::hands::Hands;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Mended {
    /// There was nothing to do.
    Nothing,
    /// These components were started.
    Done(BTreeSet<ComponentName>),
    /// Why not.
    Failed(String),
    /// A deployment came, or the process ends.
    GaveWay,
    EngineAway,
}

/// Puts right what a look at a live release has found.
pub struct Mender<'a> {
    pub deployer: &'a Arc<Deployer>,
    pub project: &'a Project,
    pub release: &'a Release,
    pub control: &'a Control,
}

impl Mender<'_> {
    fn mask(&self) -> Mask {
        self.deployer.mask_of(&self.release.project, &self.release.environment)
    }

    /// Carries out what of the way to the live release may be done now; what fails is noted in `ward`.
    pub async fn mend(
        &self,
        wanted: &Wanted<'_>,
        observed: &Observed,
        mending: &Mending,
        ward: &mut Remembered,
    ) -> Mended {
        let mut wanted = wanted.clone();
        wanted.unnamed = match self.deployer.unnamed(self.release, observed, None).await {
            Ok(unnamed) => unnamed,
            Err(StageError::EngineAway { .. }) => return Mended::EngineAway,
            Err(error) => return Mended::Failed(error.to_string()),
        };
        let plan = match converge(&wanted, observed) {
            Ok(plan) => mending.part(&plan),
            Err(problems) => {
                let why = StageError::problems(&problems).to_string();
                for component in &mending.components {
                    ward.failed(component, why.clone(), Vec::new(), true);
                }
                return if mending.components.is_empty() { Mended::Nothing } else { Mended::Failed(why) };
            }
        };
        if plan.is_empty() {
            return Mended::Nothing;
        }
        let log = match self.deployer.logs.open(self.control.id, self.mask()) {
            Ok(log) => log,
            Err(error) => return Mended::Failed(format!("the log of deployment {}: {error}", self.control.id)),
        };
        log.enter(Stage::Monitor);
        let touched: BTreeSet<ComponentName> = plan.steps.iter().filter_map(|step| step.component.clone()).collect();
        let names = touched.iter().map(ComponentName::as_str).collect::<Vec<_>>().join(", ");
        log.line(
            None,
            &format!("release {} is live, but {names} not as it says; putting that right:", self.release.id),
        );
        for line in plan.to_string().lines() {
            log.line(None, line);
        }
        let place = (&self.release.project, &self.release.environment);
        match self.deployer.note_left(place, &plan, observed, true).await {
            Ok(lines) => lines.iter().for_each(|line| log.line(None, line)),
            Err(error) => return Mended::Failed(error.to_string()),
        }
        let (project, environment) = (&self.release.project, &self.release.environment);
        tracing::info!(%project, %environment, components = names, "{project}/{environment}: {names} is being put right");
        self.carry_out(&plan, touched, &log, ward).await
    }

    async fn carry_out(
        &self,
        plan: &Plan,
        touched: BTreeSet<ComponentName>,
        log: &DeploymentLog,
        ward: &mut Remembered,
    ) -> Mended {
        let tree = self.deployer.mirrors.tree(&self.project.name, &self.release.commit).ok();
        let tree = tree.map(|tree| Arc::new(tree) as Arc<dyn Tree>);
        let supplies: Arc<dyn Supplies> = Arc::new(CommitFiles { tree, log: log.clone() });
        let watch: Arc<dyn Watch> = Arc::new(LogSteps { log: log.clone(), record: None, deploying: None });
        let stop = self.control.cancel.child_token();
        let phases = [Phase::Prepare, Phase::Deploy, Phase::Clean];
        let lead = self.deployer.lead(&self.release.project, &self.release.environment, None);
        let hands = Hands { engine: self.deployer.engine.clone(), supplies, lead };
        let work = async { Ok(execute(plan, &phases, &BTreeMap::new(), &hands, &watch, &stop).await) };
        let time = self.deployer.config().limits.deploy;
        let limit = Limit { what: "putting right what died", time, rest: Duration::from_secs(10) };
        let failed = match within(limit, &stop, work).await {
            Ok(Ok(())) => {
                log.line(None, "put right");
                for component in &touched {
                    ward.record(component).is_stuck = false;
                }
                let starts = plan.steps.iter().filter(|step| matches!(step.action, Action::StartContainer(_)));
                return Mended::Done(starts.filter_map(|step| step.component.clone()).collect());
            }
            _ if self.control.cancel.is_cancelled() => {
                log.line(None, "given up: something else has to be done first");
                return Mended::GaveWay;
            }
            Ok(Err(failed)) => failed,
            Err(setback) => {
                for component in &touched {
                    ward.failed(component, setback.to_string(), Vec::new(), true);
                }
                return Mended::Failed(setback.to_string());
            }
        };
        let StepFailed { component, error, .. } = &failed;
        let is_away = match error {
            StepError::Engine(EngineError::Unavailable { .. }) => true,
            StepError::Edge(error) => error.is_away(),
            _ => false,
        };
        if is_away {
            return Mended::EngineAway;
        }
        let mask = self.mask();
        let (how, lines, is_stuck) = match error {
            StepError::Engine(EngineError::NotReady { why, last_lines, .. }) => {
                (format!("it {why}"), last_lines.clone(), false)
            }
            other => (other.to_string(), Vec::new(), true),
        };
        let lines: Vec<String> = lines.iter().map(|line| mask.apply(line)).collect();
        match component {
            Some(component) => ward.failed(component, how.clone(), lines, is_stuck),
            None => touched.iter().for_each(|one| ward.failed(one, how.clone(), Vec::new(), is_stuck)),
        }
        Mended::Failed(how)
    }
}
