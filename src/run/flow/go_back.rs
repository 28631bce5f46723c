//! Going back: whatever was begun is taken back, so that the environment is one release again.

use crate::config::{Environment, Project};
use crate::model::{ComponentName, Quoted, Release, Stage, Transition};
use crate::plan::fingerprint;
use crate::plan::unnamed::Unnamed;
use crate::plan::{Goal, Wanted};
use crate::report::texts::{Fault, Live, Situation};
use crate::run::flow::condition::ConditionDetail;
use crate::run::flow::deploy::Convergence;
use crate::run::flow::engine_away::Patience;
use crate::run::flow::prepare;
use crate::run::flow::stages::{Failure, Flow, LONG_REST};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::failpoint::failpoint;
use crate::run::ground::occupancy::Control;
use crate::run::ground::stage_error::{Limit, StageError, within};
use crate::store::{Announced, Deployment, LastLines};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// By which a restarted server knows why it goes back.
const OVERTAKEN: &str = "A newer commit waits";

impl Flow {
    /// After a restart in the middle of going back, the reason is what the store has of it.
    pub fn noted_setback(&self) -> StageError {
        let why = self.deployment.description.clone();
        match &self.deployment.cancelled_by {
            Some(_) => StageError::Cancelled,
            None if self.deployment.host_fault && why.contains(OVERTAKEN) => StageError::Overtaken,
            None if self.deployment.host_fault => StageError::Host { why },
            None => StageError::Commit { component: None, why, last_lines: Vec::new() },
        }
    }

    /// Takes back whatever was begun, so that the environment is one release again, and ends the deployment.
    pub async fn go_back(
        mut self,
        project: &Project,
        environment: &Environment,
        failure: Failure,
    ) -> anyhow::Result<()> {
        let Failure { setback, stage } = failure;
        let fresh = self.deployer.store.deployment(self.deployment.id).await?;
        if let Some(fresh) = fresh {
            self.deployment = fresh;
        }
        let (fault, what, last_line) = told(&setback, stage);
        self.note_last_lines(&setback).await?;
        match &setback {
            StageError::Cancelled => self.log.line(None, "cancelled"),
            other => self.log.line(None, &format!("failed: {other}")),
        }
        let is_cancelled = matches!(setback, StageError::Cancelled);
        let is_overtaken = matches!(setback, StageError::Overtaken);
        if !self.deployment.touched {
            return match setback {
                StageError::Cancelled => self.end_cancelled(Some(stage)).await,
                StageError::Overtaken => {
                    self.end_overtaken(fault, &what, self.deployer.live_in(&self.deployment).await).await
                }
                _ => self.end_failed(fault, &what, last_line).await,
            };
        }
        let previous = match prepare::previous_release(&self.deployer, &self.deployment).await {
            Ok(previous) => previous,
            Err(error) => return self.end_failed(Fault::Host, &format!("{what}; and {error}"), None).await,
        };
        let live = self.live_before(previous.as_ref()).await;
        let situation = Situation::PuttingBack { why: &what, live };
        let noted = last_line.as_ref().map_or_else(|| what.clone(), |line| format!("{what}: {}", Quoted(line)));
        self.deployer.store.note_fault(self.deployment.id, fault == Fault::Host).await?;
        let said = Announced { sentence: noted, ..self.says(&situation) };
        self.advance_saying(Transition::PutBack, said).await?;
        failpoint("back.begins");
        match self.put_back(project, environment, previous.as_ref()).await {
            Ok(()) if is_cancelled => self.end_cancelled(Some(stage)).await,
            Ok(()) if is_overtaken => self.end_overtaken(fault, &what, live).await,
            Ok(()) => {
                let last_line = last_line.as_deref();
                let release_command_ran = self.release_command_ran().await;
                let situation = Situation::RolledBack { fault, what: &what, last_line, release_command_ran, live };
                self.log.line(None, &situation.whole(&self.log.mask()));
                self.advance(Transition::RollBack, &situation).await
            }
            Err(_) if self.deployer.stop.is_cancelled() => Ok(()),
            Err(StageError::EngineAway { why }) => {
                let live = Live::OnceTheEngineAnswers(previous.as_ref().map(|release| release.id));
                let situation = Situation::Failed { fault: Fault::Host, what: &what, last_line: None, live };
                self.log.line(None, &situation.whole(&self.log.mask()));
                self.advance(Transition::Fail, &situation).await?;
                self.settle(project, environment, previous.as_ref(), &what, &why).await
            }
            Err(error) => {
                self.log.line(None, &format!("putting back failed too: {error}"));
                let what = format!("{what}; putting back failed too: {error}");
                let down = self.what_is_down(project, environment, previous.as_ref()).await;
                let live = match (&previous, &down) {
                    (Some(release), Some(down)) if !down.is_empty() => Live::Degraded { release: release.id, down },
                    (previous, None) => Live::OnceTheEngineAnswers(previous.as_ref().map(|release| release.id)),
                    _ => live,
                };
                let situation = Situation::Failed { fault: Fault::Host, what: &what, last_line: None, live };
                self.log.line(None, &situation.whole(&self.log.mask()));
                tracing::warn!(
                    deployment.id = %self.deployment.id, why = self.log.masked(&what),
                    "A deployment failed, and could not be put back"
                );
                self.advance(Transition::Fail, &situation).await
            }
        }
    }

    /// Notes what was said last where it failed, for whoever may read the log. The lines are somebody else's, or quoted by the
    /// sentences that they are in.
    async fn note_last_lines(&self, setback: &StageError) -> anyhow::Result<()> {
        let StageError::Commit { component, last_lines, .. } = setback else { return Ok(()) };
        if last_lines.is_empty() {
            return Ok(());
        }
        let mask = self.log.mask();
        let masked = |line: &String| match component {
            Some(_) => mask.apply(line),
            None => mask.sentence(line),
        };
        let noted = LastLines { component: component.clone(), lines: last_lines.iter().map(masked).collect() };
        Ok(self.deployer.store.note_last_lines(self.deployment.id, noted).await?)
    }

    /// What is live once the deployment is put back: that release, else what was there before, if any of it ran.
    async fn live_before(&self, previous: Option<&Release>) -> Live<'static> {
        if let Some(release) = previous {
            return Live::Release(release.id);
        }
        match self.deployer.store.found(&self.deployment.project, &self.deployment.environment).await {
            Ok(found) if found.iter().any(|found| found.is_up) => Live::Found,
            _ => Live::Nothing,
        }
    }

    /// Its traffic is back where it was, for a newer commit to begin from there.
    async fn end_overtaken(&self, fault: Fault, what: &str, live: Live<'_>) -> anyhow::Result<()> {
        let newer = self.deployer.store.open_deployments().await?.into_iter().rev().find(|other| {
            (&other.project, &other.environment) == (&self.deployment.project, &self.deployment.environment)
                && other.id > self.deployment.id
        });
        let Some(newer) = newer else {
            // It was cancelled in the meantime.
            if !self.deployment.touched {
                return self.end_failed(fault, what, None).await;
            }
            let release_command_ran = self.release_command_ran().await;
            let situation = Situation::RolledBack { fault, what, last_line: None, release_command_ran, live };
            return self.advance(Transition::RollBack, &situation).await;
        };
        let situation = Situation::Superseded { by: &newer.commit, live };
        self.log.line(None, &situation.whole(&self.log.mask()));
        self.advance(Transition::Supersede, &situation).await
    }

    /// Components of the old release of which not every replica runs; `None` where the engine does not answer.
    async fn what_is_down(
        &self,
        project: &Project,
        environment: &Environment,
        previous: Option<&Release>,
    ) -> Option<Vec<ComponentName>> {
        let Some(release) = previous else { return Some(Vec::new()) };
        let stand = self.deployer.stand(project, environment, Some(release), ConditionDetail::Components).await.ok()?;
        let down = stand.components.into_iter().filter(|component| component.running < component.wanted);
        Some(down.map(|component| component.name).collect())
    }

    /// Back to the old release, or to nothing. Only the end of the process interrupts it, before the deployment ends.
    async fn put_back(
        &self,
        project: &Project,
        environment: &Environment,
        previous: Option<&Release>,
    ) -> Result<(), StageError> {
        // Once the deployment has ended, a newer one comes first.
        let parent = if self.control.keeping { &self.control.cancel } else { &self.deployer.stop };
        let stop = parent.child_token();
        let place = (&project.name, &environment.name);
        let found = self.deployer.store.found(place.0, place.1).await?;
        let tree = previous.and_then(|release| self.deployer.mirrors.tree(&project.name, &release.commit).ok());
        let convergence = Convergence {
            deployer: &self.deployer,
            project,
            environment,
            wanted: Wanted {
                release: previous,
                accepted: previous.map(|release| fingerprint::accepted(Some(release), release)).unwrap_or_default(),
                deployment: Some(self.deployment.id),
                goal: Goal::PutBack,
                release_commands: BTreeSet::new(),
                passed: BTreeMap::new(),
                found: found.clone(),
                unnamed: Unnamed::default(),
            },
            tree: tree.map(|tree| Arc::new(tree) as Arc<dyn crate::model::Tree>),
            log: &self.log,
            cancel: &stop,
            canaries: None,
            // Nobody waits for a figure on the way back: it is not to wait for the store.
            outlook: Arc::default(),
        };
        self.log.line(
            None,
            &match previous {
                Some(release) => format!("putting release {} back", release.id),
                None if found.is_empty() => "removing what was started: nothing was live before".to_string(),
                None => "removing what was started: what was there before comes back".to_string(),
            },
        );
        let time = self.deployer.config().limits.deploy;
        let limit = Limit { what: "putting back", time, rest: LONG_REST };
        // Where nothing was live before, all that is to be done is to take away.
        let work = async {
            let patience = Patience {
                deployer: &self.deployer,
                deployment: Some(self.deployment.id),
                log: &self.log,
                cancel: &stop,
            };
            patience.observe(project, environment).await?;
            convergence.converge(None).await
        };
        within(limit, &stop, work).await?;
        failpoint("back.converged");
        convergence.clean().await;
        if self.deployer.stop.is_cancelled() {
            return Err(StageError::Cancelled);
        }
        failpoint("back.cleaned");
        self.deployer.store.forget_found(place.0, place.1).await?;
        Ok(())
    }

    /// The deployment has ended, and its environment could not be put back because the engine was away: that is done
    /// as soon as it answers, unless a newer deployment comes first.
    async fn settle(
        &self,
        project: &Project,
        environment: &Environment,
        previous: Option<&Release>,
        what: &str,
        why: &str,
    ) -> anyhow::Result<()> {
        let patience = Patience {
            deployer: &self.deployer,
            deployment: Some(self.deployment.id),
            log: &self.log,
            cancel: &self.deployer.stop,
        };
        let live = self.live_before(previous).await;
        let mut why = why.to_string();
        loop {
            tokio::select! {
                biased;
                () = self.control.hurry.cancelled() => {
                    self.log.line(None, "a newer deployment waits and will put the environment right");
                    return Ok(());
                }
                waited = patience.wait(&why) => if waited.is_err() { return Ok(()) },
            }
            match self.put_back(project, environment, previous).await {
                Ok(()) => break,
                Err(StageError::EngineAway { why: again }) => why = again,
                Err(_) if self.deployer.stop.is_cancelled() => return Ok(()),
                Err(error) => {
                    self.log.line(None, &format!("putting back failed: {error}"));
                    return Ok(());
                }
            }
        }
        self.has_settled(live, what).await
    }

    /// What could not be put back when the deployment ended is put back now.
    async fn has_settled(&self, live: Live<'static>, what: &str) -> anyhow::Result<()> {
        let situation = Situation::RolledBack {
            fault: Fault::Host,
            what,
            last_line: None,
            release_command_ran: self.release_command_ran().await,
            live,
        };
        self.log.line(None, &situation.whole(&self.log.mask()));
        self.deployer.store.note_settled(self.deployment.id, situation.whole(&self.log.mask())).await?;
        self.say(&situation).await;
        Ok(())
    }
}

/// Puts an environment right whose last deployment ended without being put back, because the engine stayed away or
/// the process ended before it came back.
pub async fn settle(deployer: Arc<Deployer>, deployment: Deployment, control: Control) -> anyhow::Result<()> {
    let flow = Flow::new(&deployer, deployment, control).await?;
    let Some((project, environment)) = flow.settings().await else { return Ok(()) };
    let previous = prepare::previous_release(&deployer, &flow.deployment).await?;
    flow.log.line(None, "taken up again after a restart: the environment was not put back");
    let (sentence, why) = (flow.deployment.description.clone(), "Launchway was started again");
    let what = sentence.rsplit_once("; ").map_or(sentence.as_str(), |(what, _)| what);
    flow.settle(&project, &environment, previous.as_ref(), what, why).await
}

/// Tries once more to put an environment right whose last deployment ended without being put back. Gives way when the
/// environment is wanted for something else.
pub async fn settle_again(deployer: &Arc<Deployer>, deployment: Deployment, control: &Control) -> anyhow::Result<()> {
    let flow = Flow::new(deployer, deployment, control.clone()).await?;
    let Some((project, environment)) = flow.settings().await else { return Ok(()) };
    let previous = prepare::previous_release(deployer, &flow.deployment).await?;
    flow.log.line(None, "the environment was not put back: trying again");
    let live = flow.live_before(previous.as_ref()).await;
    if let Err(error) = flow.put_back(&project, &environment, previous.as_ref()).await {
        flow.log.line(None, &format!("putting back failed: {error}"));
        return Err(error.into());
    }
    let sentence = flow.deployment.description.clone();
    let what = sentence.rsplit_once("; ").map_or(sentence.as_str(), |(what, _)| what);
    let what = what.split("; putting back failed too").next().unwrap_or(what);
    flow.has_settled(live, what).await
}

/// Whose fault, what happened, and the last line that tells most.
fn told(setback: &StageError, stage: Stage) -> (Fault, String, Option<String>) {
    match setback {
        StageError::Commit { why, last_lines, .. } => {
            // Problems of the Compose file are told whole in the log; the first is the sentence.
            let last = last_lines.iter().rev().find(|line| !line.trim().is_empty()).cloned();
            let last = if stage == Stage::Prepare { None } else { last };
            (Fault::Commit, why.clone(), last)
        }
        StageError::Host { why } | StageError::EngineAway { why } | StageError::ReaderDied { why } => {
            (Fault::Host, why.clone(), None)
        }
        StageError::Cancelled => (Fault::Host, "Cancelled".to_string(), None),
        StageError::Overtaken => (Fault::Host, OVERTAKEN.to_string(), None),
    }
}
