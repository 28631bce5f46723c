//! An engine that goes away half way: work waits for it, within the deadline of its stage.

use crate::config::{Environment, Project};
use crate::edge::EdgeError;
use crate::engine::EngineError;
use crate::model::{DeploymentId, Observed, ObservedEdge};
use crate::report::texts::{Situation, WaitsFor};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::log::DeploymentLog;
use crate::run::ground::stage_error::StageError;
use std::future::Future;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often an engine that is away is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// By which a stage gets over an engine that is away for a while.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    pub deployer: &'a Deployer,
    /// Whose commit is told that it waits; nobody's where the work is of no deployment.
    pub deployment: Option<DeploymentId>,
    pub log: &'a DeploymentLog,
    pub cancel: &'a CancellationToken,
}

impl Patience<'_> {
    /// Carries `work` out, from its beginning again as often as the engine was away meanwhile. The caller sets the
    /// deadline.
    pub async fn carry_out<T, F: Future<Output = Result<T, StageError>>>(
        self,
        mut work: impl FnMut() -> F,
    ) -> Result<T, StageError> {
        loop {
            match work().await {
                Err(StageError::EngineAway { why }) => self.wait(&why).await?,
                ended => return ended,
            }
        }
    }

    /// A snapshot of what runs, as soon as the engine gives one.
    pub async fn observe(&self, project: &Project, environment: &Environment) -> Result<Observed, StageError> {
        loop {
            match self.deployer.observe_engine(project, environment).await {
                Ok(mut observed) => {
                    observed.edge = self.observe_edge(project, environment).await?;
                    return Ok(observed);
                }
                Err(error @ EngineError::Unavailable { .. }) => self.wait(&error.to_string()).await?,
                Err(other) => return Err(other.into()),
            }
        }
    }

    /// What the edge serves, as soon as it answers.
    async fn observe_edge(
        &self,
        project: &Project,
        environment: &Environment,
    ) -> Result<Option<ObservedEdge>, StageError> {
        let mut told = false;
        loop {
            let error = match self.deployer.observe_edge(&project.name, &environment.name).await {
                Ok(observed) => {
                    if told {
                        self.say(&Situation::GoingOn { with: "the edge" }).await;
                    }
                    return Ok(observed);
                }
                Err(error @ EdgeError::Away { .. }) => error,
                Err(other) => return Err(other.into()),
            };
            if !std::mem::replace(&mut told, true) {
                self.log.line(None, &error.to_string());
                self.log.line(None, "waiting for the edge to answer");
                self.say(&Situation::Waiting(WaitsFor::Edge)).await;
            }
            tokio::select! {
                () = self.cancel.cancelled() => return Err(error.into()),
                () = tokio::time::sleep(ASK_AGAIN) => {}
            }
        }
    }

    /// Returns once the engine answers again.
    pub async fn wait(&self, why: &str) -> Result<(), StageError> {
        self.log.line(None, why);
        self.log.line(None, "waiting for the engine to answer again");
        self.say(&Situation::Waiting(WaitsFor::Engine)).await;
        loop {
            let answer = async {
                tokio::time::sleep(ASK_AGAIN).await;
                self.deployer.engine.info().await
            };
            let answer = tokio::select! {
                biased;
                // Whoever cancels or sets the deadline learns what it waited for.
                () = self.cancel.cancelled() => return Err(StageError::EngineAway { why: why.to_string() }),
                answer = answer => answer,
            };
            if answer.is_ok() {
                self.log.line(None, "the engine answers again");
                self.say(&Situation::GoingOn { with: "the engine" }).await;
                return Ok(());
            }
        }
    }

    /// A further status of a deployment that has not ended.
    async fn say(&self, situation: &Situation<'_>) {
        let Some(id) = self.deployment else { return };
        match self.deployer.store.deployment(id).await {
            Ok(Some(deployment)) if !deployment.state.is_end() => {
                self.deployer.say(&deployment, self.log, situation).await;
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(deployment.id = %id, error = %error, "What a deployment waits for could not be told");
            }
        }
    }
}
