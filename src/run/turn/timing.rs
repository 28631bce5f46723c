//! Whether a deployment may begin now: deploy windows, freezes, and somebody's yes. Both the rules of launchway.toml and
//! those of the live release count; the commit that waits is not asked, so no push lifts its own freeze. Going back asks
//! none of them.

use crate::config::{Environment, Project};
use crate::model::{DeploymentId, DeploymentState, Quoted, StrategySettings};
use crate::plan::timing::{Closed, Timing, closed, moment};
use crate::report::texts::{Situation, WaitsFor};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::place::Place;
use crate::run::ground::refusal::Refusal;
use crate::store::{Action, AuditEntry, Deployment, NewStatus, StoreError, Trigger};
use jiff::Timestamp;

/// Why a deployment does not begin yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    why: Why,
    /// Somebody has to say yes first.
    pub needs_yes: bool,
    /// When the rules may let it begin; `None` where that is not a matter of time.
    pub until: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq)]
enum Why {
    /// Only the yes.
    Open,
    Window {
        opens: String,
    },
    Freeze {
        until: String,
        reason: Option<String>,
    },
    NoMoment,
}

impl Held {
    /// What its status says.
    pub fn situation<T>(&self, with: impl FnOnce(&Situation<'_>) -> T) -> T {
        let own = match &self.why {
            Why::Open => WaitsFor::Turn,
            Why::Window { opens } => WaitsFor::Window { opens },
            Why::Freeze { until, reason } => WaitsFor::Freeze { until, reason: reason.as_deref() },
            Why::NoMoment => WaitsFor::NoMoment,
        };
        if !self.needs_yes {
            return with(&Situation::Waiting(own));
        }
        let then = match &self.why {
            Why::Open => None,
            Why::Window { opens } => Some(format!("then for the window {opens}")),
            Why::Freeze { until, .. } => Some(format!("then frozen until {until}")),
            Why::NoMoment => Some("then no window ever opens outside of the freezes".into()),
        };
        with(&Situation::Waiting(WaitsFor::Approval { then: then.as_deref() }))
    }
}

/// What of a deployment the rules are about.
#[derive(Debug, Clone, Copy)]
pub struct Asks<'a> {
    pub trigger: Trigger,
    pub now_reason: Option<&'a str>,
    pub approved_by: Option<&'a str>,
}

impl Asks<'_> {
    /// A push, to which nobody has said anything yet.
    pub fn of_push() -> Self {
        Self { trigger: Trigger::Push, now_reason: None, approved_by: None }
    }
}

impl<'a> From<&'a Deployment> for Asks<'a> {
    fn from(deployment: &'a Deployment) -> Self {
        Self {
            trigger: deployment.trigger,
            now_reason: deployment.now_reason.as_deref(),
            approved_by: deployment.approved_by.as_deref(),
        }
    }
}

/// Why what asks does not begin in an environment at `now`, where `live` is what the live release says.
pub fn holds(environment: &Environment, live: &StrategySettings, asks: Asks<'_>, now: Timestamp) -> Option<Held> {
    if asks.trigger.goes_back() || asks.now_reason.is_some() {
        return None;
    }
    let timing = Timing {
        windows: vec![&environment.windows, &live.windows],
        freezes: environment.freezes.iter().chain(&live.freeze).collect(),
    };
    let needs_yes = (environment.approval || live.approval) && asks.approved_by.is_none();
    let (why, until) = match closed(&timing, now) {
        None if !needs_yes => return None,
        None => (Why::Open, None),
        Some(Closed::Window { opens }) => {
            (Why::Window { opens: moment(&opens, now) }, (!needs_yes).then(|| opens.timestamp()))
        }
        Some(Closed::Freeze { until, reason }) => {
            let why = Why::Freeze { until: moment(&until, now), reason: reason.map(str::to_string) };
            (why, (!needs_yes).then(|| until.timestamp()))
        }
        Some(Closed::Never) => (Why::NoMoment, None),
    };
    Some(Held { why, needs_yes, until })
}

impl Deployer {
    /// Why what asks does not begin in an environment now; `None` where nothing but its turn is to be waited for.
    pub async fn held(
        &self,
        project: &Project,
        environment: &Environment,
        asks: Asks<'_>,
    ) -> Result<Option<Held>, StoreError> {
        let live = match self.store.live(&project.name, &environment.name).await? {
            Some(live) => self.store.release(live.release).await?,
            None => None,
        };
        let settings = live.map(|release| release.stack.settings).unwrap_or_default();
        Ok(holds(environment, &settings, asks, Timestamp::now()))
    }

    /// The same of a deployment; one whose environment is in the settings no more is not held by them.
    pub async fn held_deployment(&self, deployment: &Deployment) -> Result<Option<Held>, StoreError> {
        let config = self.config();
        match config.environment(&deployment.project, &deployment.environment) {
            Some((project, environment)) => self.held(project, environment, deployment.into()).await,
            None => Ok(None),
        }
    }

    /// Why a push would not be deployed at once, as a sentence: the environment is paused, or its rules hold it; `None` where
    /// nothing but its turn is to be waited for.
    pub async fn push_waits(&self, project: &Project, environment: &Environment) -> Result<Option<String>, StoreError> {
        let mask = self.mask_of(&project.name, &environment.name);
        if let Some(pause) = self.store.pause(&project.name, &environment.name).await? {
            let waits = WaitsFor::Resume { by: &pause.by, reason: pause.reason.as_deref() };
            return Ok(Some(Situation::Waiting(waits).whole(&mask)));
        }
        let held = self.held(project, environment, Asks::of_push()).await?;
        Ok(held.map(|held| held.situation(|situation| situation.whole(&mask))))
    }

    /// Says why a deployment waits, where that is not what was said last.
    pub async fn tell_wait(&self, deployment: &Deployment, situation: &Situation<'_>) -> Result<(), StoreError> {
        let mask = self.mask_of(&deployment.project, &deployment.environment);
        let (sentence, status) = (situation.whole(&mask), self.status(deployment, situation, &mask));
        self.tell(deployment, sentence, status).await
    }

    /// The same of what is held; returns the sentence.
    pub async fn tell_held(&self, deployment: &Deployment, held: &Held) -> Result<String, StoreError> {
        let mask = self.mask_of(&deployment.project, &deployment.environment);
        let (sentence, status) = held.situation(|s| (s.whole(&mask), self.status(deployment, s, &mask)));
        self.tell(deployment, sentence.clone(), status).await?;
        Ok(sentence)
    }

    async fn tell(
        &self,
        deployment: &Deployment,
        sentence: String,
        status: Option<NewStatus>,
    ) -> Result<(), StoreError> {
        if deployment.description == sentence {
            return Ok(());
        }
        tracing::info!(deployment.id = %deployment.id, "{sentence}");
        if let Some(status) = status {
            self.store.queue_status(status, now_ms()).await?;
            self.bells.to_send.notify_one();
        }
        self.store.describe(deployment.id, sentence).await
    }

    /// That somebody asks for something now.
    pub fn audited(
        &self,
        by: &str,
        action: Action,
        (project, environment): Place,
        deployment: Option<DeploymentId>,
        reason: Option<String>,
    ) -> AuditEntry {
        let by = self.mask_of(&project, &environment).apply(by);
        AuditEntry { at_ms: now_ms(), by, action, project, environment, deployment, reason }
    }

    /// Somebody's yes to a deployment that waits for one.
    pub async fn ask_to_approve(&self, id: DeploymentId, by: &str) -> Result<Deployment, Refusal> {
        let find = || async {
            let found = self.store.deployment(id).await?;
            found.ok_or_else(|| Refusal::NotFound(format!("there is no deployment {id}")))
        };
        let deployment = find().await?;
        let named = deployment.named();
        let held = self.held_deployment(&deployment).await?;
        let place = (deployment.project.clone(), deployment.environment.clone());
        let entry = self.audited(by, Action::Approve, place, Some(id), None);
        let waits = deployment.state == DeploymentState::Waiting;
        if let Some(who) = &deployment.approved_by {
            let who = Quoted(who);
            return Err(Refusal::Impossible(format!("{who} said yes to deployment {named} already")));
        }
        if deployment.state.is_end() {
            let state = deployment.state;
            return Err(Refusal::Impossible(format!(
                "deployment {named} has ended already ({state}): there is nothing to say yes to. `launchway approve` lists what waits"
            )));
        }
        if !waits || !held.is_some_and(|held| held.needs_yes) || !self.store.approve(id, entry).await? {
            let state = find().await?.state;
            let why = match state {
                DeploymentState::Waiting => format!("deployment {named} waits for nobody's yes"),
                _ => format!("deployment {named} waits no more: it is {state}"),
            };
            return Err(Refusal::Impossible(why));
        }
        self.bells.to_begin.notify_one();
        find().await
    }
}

#[cfg(test)]
mod tests;
