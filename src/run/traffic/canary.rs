//! A canary at its share of the traffic: watched, judged, and promoted or put back.

use crate::config::{Environment, Project};
use crate::engine::{EngineError, Outcome};
use crate::model::{ComponentName, DeploymentId, OnLittleTraffic, Quoted, ReleaseTraffic};
use crate::plan::verdict::{Baseline, Conclusion, Counts, Decision, Interval, Judge, JudgeSettings};
use crate::plan::{Hold, Target};
use crate::report::texts::Situation;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::log::DeploymentLog;
use crate::run::ground::refusal::Refusal;
use crate::run::ground::step_error::StepError;
use crate::run::traffic::leading::{EdgeOf, Holds};
use crate::run::traffic::measures::{Asked, Measures};
use crate::run::turn::booking::LentSlot;
use crate::store::Action;
use crate::store::{CanaryRecord, Deployment};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often what came is judged; a short hold is looked at more often.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often the status says how long it still takes.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// Whoever promotes or pauses is heard within this time.
const LISTEN_EVERY: Duration = Duration::from_millis(250);

/// By which a deployment carries out the holds of its canaries.
#[derive(Clone)]
pub struct Canaries {
    pub deployer: Arc<Deployer>,
    pub deployment: Deployment,
    pub project: Project,
    pub environment: Environment,
    pub log: DeploymentLog,
    /// Milliseconds spent in holds: no stage is late because of them.
    pub held_ms: Arc<AtomicU64>,
    /// A newer commit waits.
    hurry: CancellationToken,
    /// The last verdict on each canary, as a sentence.
    told: Arc<Mutex<BTreeMap<ComponentName, String>>>,
    lending: Arc<Mutex<Lending>>,
}

/// The deployment's slot, which somebody else may have while its canaries are held: that takes as long as the repository
/// says, or until somebody comes to promote them.
#[derive(Default)]
struct Lending {
    held: usize,
    lent: Option<LentSlot>,
}

/// The edge's sums of both releases at a moment.
struct Sums {
    at: Instant,
    new: ReleaseTraffic,
    old: ReleaseTraffic,
}

/// A hold in its course.
struct HoldWatch {
    judge: Judge,
    /// How long it has held, pauses apart.
    elapsed: Duration,
    measures: Measures,
    /// At the last look.
    before: Sums,
    /// When the hold began, or was taken up again.
    restarts_before: u64,
    /// Since then, those that a look has seen.
    restarts_told: u64,
    /// What a hold that is over, or is paused, waits for.
    waits_for: Option<&'static str>,
    /// When the status last said how long it still takes.
    said: Instant,
}

/// Canaries that somebody let go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promoted {
    pub deployment: DeploymentId,
    pub components: Vec<ComponentName>,
}

impl Canaries {
    /// Carries out the holds of one deployment; `hurry` fires when a newer commit waits.
    pub fn new(
        deployer: Arc<Deployer>,
        deployment: Deployment,
        (project, environment): (Project, Environment),
        log: DeploymentLog,
        hurry: CancellationToken,
    ) -> Self {
        let (held_ms, told, lending) = Default::default();
        Self { deployer, deployment, project, environment, log, held_ms, hurry, told, lending }
    }

    /// The last verdict on each canary, as a sentence.
    pub fn verdicts(&self) -> Vec<String> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().map(|(component, verdict)| format!("{component}: {verdict}")).collect()
    }

    /// A time that a plan waits on purpose.
    pub fn let_pass(&self, time: Duration) {
        self.held_ms.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
    }

    fn lend(&self) {
        let mut lending = self.lending.lock().unwrap_or_else(PoisonError::into_inner);
        lending.held += 1;
        // A rollback has none to lend.
        if !self.deployment.trigger.goes_back() {
            lending.lent.get_or_insert_with(|| LentSlot::new(&self.deployer));
        }
    }

    /// Takes the slot back with the last canary that was held, unless the deployment goes back, which needs none. Whether it
    /// was before the cancellation.
    async fn take_back(&self, goes_on: bool, cancel: &CancellationToken) -> bool {
        let lent = {
            let mut lending = self.lending.lock().unwrap_or_else(PoisonError::into_inner);
            lending.held -= 1;
            if lending.held > 0 || !goes_on { None } else { lending.lent.take() }
        };
        match lent {
            Some(lent) => LentSlot::take_back(lent, cancel).await,
            None => true,
        }
    }

    async fn watch(&self, hold: &Hold, edge: &EdgeOf, cancel: &CancellationToken) -> Result<Outcome, StepError> {
        let (judge, elapsed) = self.taken_up(hold).await?;
        let look_every = LOOK_EVERY.min(hold.time / 4).max(LISTEN_EVERY);
        let mut watch = HoldWatch {
            judge,
            elapsed,
            measures: self.measures(hold),
            before: self.sums(hold, edge).await?,
            restarts_before: self.restarts(hold).await?,
            restarts_told: 0,
            waits_for: None,
            said: Instant::now(),
        };
        self.say(hold, elapsed, None).await;
        let mut round = Instant::now();
        loop {
            // All of it is waiting on purpose, what is asked meanwhile too.
            self.let_pass(round.elapsed());
            round = Instant::now();
            tokio::select! {
                () = tokio::time::sleep(LISTEN_EVERY) => {}
                () = self.deployer.bells.to_promote.notified() => {}
                () = self.hurry.cancelled(), if !self.hurry.is_cancelled() => {}
                () = cancel.cancelled() => return Err(EngineError::Cancelled.into()),
            }
            if let Some(by) = self.promoted(hold).await? {
                return self.passed(hold, format!("promoted past {by} %")).await;
            }
            let paused = self.deployer.store.pause(&self.project.name, &self.environment.name).await?;
            if self.hurry.is_cancelled() && paused.is_none() {
                return Err(StepError::Overtaken);
            }
            if watch.before.at.elapsed() < look_every || !self.looked(hold, edge, &mut watch, paused.is_some()).await? {
                continue;
            }
            if watch.waits_for.is_none() && watch.said.elapsed() >= SAY_EVERY {
                watch.said = Instant::now();
                self.say(hold, watch.elapsed, watch.waits_for).await;
            }
            if let Some(pause) = paused {
                self.wait(hold, &mut watch, "launchway resume", &format!("paused by {}", Quoted(pause.by))).await;
            } else if watch.elapsed >= hold.time
                && let Some(outcome) = self.concluded(hold, &mut watch).await?
            {
                return Ok(outcome);
            }
        }
    }

    /// Looks at what came since the last look and judges it; false where that says nothing of the release.
    async fn looked(
        &self,
        hold: &Hold,
        edge: &EdgeOf,
        watch: &mut HoldWatch,
        is_paused: bool,
    ) -> Result<bool, StepError> {
        let now = match self.sums(hold, edge).await {
            Ok(now) => now,
            // It serves on by what it knows, or comes back with new sums.
            Err(StepError::Edge(error)) if error.is_away() => return Ok(false),
            Err(other) => return Err(other),
        };
        let restarts = self.restarts(hold).await?.saturating_sub(watch.restarts_before);
        let interval = Interval {
            seconds: (now.at - watch.before.at).as_secs_f64(),
            new: Counts::between(&watch.before.new, &now.new),
            old: Counts::between(&watch.before.old, &now.old),
            restarts: (restarts - watch.restarts_told) as u32,
            external: watch.measures.ask().await,
        };
        if restarts > watch.restarts_told && self.deployer.keeping.outages.explain_what_just_ended().await {
            return Err(StepError::EngineEnded);
        }
        watch.restarts_told = restarts;
        if self.deployer.keeping.outages.explain(now_ms()) {
            // What the engine's end cut is not the release's fault.
            watch.before = now;
            return Ok(false);
        }
        if !is_paused {
            watch.elapsed += now.at - watch.before.at;
        }
        watch.before = now;
        let decision = watch.judge.observe(&interval);
        self.note(hold, &watch.judge, watch.elapsed).await?;
        match decision {
            Decision::Worse { why } => Err(StepError::Worse { why: format!("{}: {why}", hold.component) }),
            _ => Ok(true),
        }
    }

    /// What follows from a hold that has had its time; nothing as long as somebody or something is waited for.
    async fn concluded(&self, hold: &Hold, watch: &mut HoldWatch) -> Result<Option<Outcome>, StepError> {
        let conclusion = watch.judge.conclude();
        let what = match (&conclusion, hold.gate) {
            (Conclusion::Worse { why }, _) => {
                return Err(StepError::Worse { why: format!("{}: {why}", hold.component) });
            }
            (_, true) => "launchway promote",
            (Conclusion::AsGood { .. }, false) => return self.passed(hold, conclusion.to_string()).await.map(Some),
            (Conclusion::NotEnoughTraffic { then, .. } | Conclusion::NoAnswer { then, .. }, false) => {
                match (then, &conclusion) {
                    (OnLittleTraffic::Promote, _) => {
                        let note = format!("{conclusion}: promoted, as the settings say");
                        return self.passed_unjudged(hold, note).await.map(Some);
                    }
                    (OnLittleTraffic::Wait, Conclusion::NoAnswer { .. }) => "an answer",
                    (OnLittleTraffic::Wait, _) => "more traffic",
                    (OnLittleTraffic::Ask, _) => "launchway promote",
                }
            }
        };
        self.wait(hold, watch, what, &conclusion.to_string()).await;
        Ok(None)
    }

    fn measures(&self, hold: &Hold) -> Measures {
        let asked = Asked { release: hold.new, commit: self.deployment.commit.clone() };
        Measures::new(&hold.measures, &self.project.allow, &asked, &hold.component, &self.log)
    }

    /// The hold as a restart left it, or from its beginning.
    async fn taken_up(&self, hold: &Hold) -> Result<(Judge, Duration), StepError> {
        let records = self.deployer.store.canaries(self.deployment.id).await?;
        let known = records.into_iter().map(|(record, _)| record).find(|record| record.component == hold.component);
        let judge = known.as_ref().and_then(|record| serde_json::from_str::<Judge>(&record.judge).ok());
        let taken_up = match (known, judge) {
            (Some(record), Some(judge)) if record.weight == hold.weight => {
                (judge, Duration::from_millis(record.elapsed_ms.max(0) as u64))
            }
            (_, Some(mut judge)) => {
                judge.next_hold();
                (judge, Duration::ZERO)
            }
            _ => {
                let settings = JudgeSettings::new(hold.new, hold.old, &hold.settings);
                (Judge::new(settings, Baseline::Beside, &[]), Duration::ZERO)
            }
        };
        self.note(hold, &taken_up.0, taken_up.1).await?;
        Ok(taken_up)
    }

    async fn note(&self, hold: &Hold, judge: &Judge, elapsed: Duration) -> Result<(), StepError> {
        let record = CanaryRecord {
            deployment: self.deployment.id,
            component: hold.component.clone(),
            weight: hold.weight,
            elapsed_ms: elapsed.as_millis() as i64,
            judge: serde_json::to_string(judge).unwrap_or_default(),
        };
        Ok(self.deployer.store.note_canary(record).await?)
    }

    /// Past which share somebody has promoted it, if past this one.
    async fn promoted(&self, hold: &Hold) -> Result<Option<u8>, StepError> {
        let passed = self.deployer.store.passed_canaries(self.deployment.id).await?;
        Ok(passed.get(&hold.component).copied().filter(|passed| *passed >= hold.weight))
    }

    async fn passed(&self, hold: &Hold, note: String) -> Result<Outcome, StepError> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(hold.component.clone(), note.clone());
        self.passed_unjudged(hold, note).await
    }

    /// The same where there was too little traffic for a verdict, which only the log says.
    async fn passed_unjudged(&self, hold: &Hold, note: String) -> Result<Outcome, StepError> {
        self.deployer.store.pass_canary(self.deployment.id, &hold.component, hold.weight).await?;
        crate::run::ground::failpoint::failpoint("canary.passed");
        Ok(Outcome { note: Some(note), ..Outcome::default() })
    }

    /// Says once what a hold that is over waits for.
    async fn wait(&self, hold: &Hold, watch: &mut HoldWatch, what: &'static str, why: &str) {
        if watch.waits_for == Some(what) {
            return;
        }
        watch.waits_for = Some(what);
        self.log.line(Some(&hold.component), &format!("{why}; waiting for {what}"));
        self.say(hold, watch.elapsed, watch.waits_for).await;
    }

    async fn say(&self, hold: &Hold, elapsed: Duration, waits_for: Option<&str>) {
        let left = hold.time.saturating_sub(elapsed);
        let situation = Situation::Holding { component: &hold.component, weight: hold.weight, left, waits_for };
        self.deployer.say(&self.deployment, &self.log, &situation).await;
    }

    async fn sums(&self, hold: &Hold, edge: &EdgeOf) -> Result<Sums, StepError> {
        let mut releases = edge.traffic_of(&hold.component).await?.releases;
        let at = Instant::now();
        let mut of = |release| releases.remove(&release).unwrap_or_default();
        Ok(Sums { at, new: of(hold.new), old: of(hold.old) })
    }

    /// How often the new release's replicas were restarted; one that does not run counts once more.
    async fn restarts(&self, hold: &Hold) -> Result<u64, StepError> {
        let observed = self.deployer.snapshot(&self.project, &self.environment).await?;
        let own: BTreeSet<&str> = hold.replicas.iter().filter_map(Target::existing).collect();
        let found: Vec<_> = observed.containers.iter().filter(|c| own.contains(c.id.as_str())).collect();
        let down = found.iter().filter(|container| !container.is_running()).count() + (own.len() - found.len());
        Ok(found.iter().map(|container| container.restart_count).sum::<u64>() + down as u64)
    }
}

#[async_trait::async_trait]
impl Holds for Canaries {
    /// Waits until the hold is over and the new release as good; what it took is told. Meanwhile the deployment lends its slot.
    async fn hold(&self, hold: &Hold, edge: &EdgeOf, cancel: &CancellationToken) -> Result<Outcome, StepError> {
        self.lend();
        let held = self.watch(hold, edge, cancel).await;
        let since = Instant::now();
        let is_back = self.take_back(held.is_ok(), cancel).await;
        self.let_pass(since.elapsed());
        match is_back {
            true => held,
            false => Err(EngineError::Cancelled.into()),
        }
    }
}

impl Deployer {
    /// Lets the canaries of the environment's deployment go on: past the share at which they are held, or to the end.
    pub async fn ask_to_promote(
        &self,
        project: &Project,
        environment: &Environment,
        to_the_end: bool,
        by: &str,
    ) -> Result<Promoted, Refusal> {
        let named = format!("{}/{}", project.name, environment.name);
        let place = (project.name.clone(), environment.name.clone());
        let Some(running) = self.occupancy.running_in(&place) else {
            return Err(Refusal::Impossible(format!("no deployment runs in {named}")));
        };
        let canaries = self.store.canaries(running.id).await?;
        let held: Vec<_> = canaries.into_iter().filter(|(record, passed)| *passed < record.weight).collect();
        if held.is_empty() {
            let why = format!("no canary of deployment {} in {named} is held; `launchway status` tells", running.id);
            return Err(Refusal::Impossible(why));
        }
        self.store.note_audit(self.audited(by, Action::Promote, place, Some(running.id), None)).await?;
        let log = self.logs.open(running.id, self.mask_of(&project.name, &environment.name)).ok();
        let mut components = Vec::new();
        for (record, _) in held {
            let passed = if to_the_end { 100 } else { record.weight };
            self.store.pass_canary(running.id, &record.component, passed).await?;
            if let Some(log) = &log {
                log.line(Some(&record.component), &format!("promoted at {} % by {}", record.weight, Quoted(by)));
            }
            components.push(record.component);
        }
        tracing::info!(deployment.id = %running.id, by = %Quoted(by), "{named}: the canary is promoted");
        self.bells.to_promote.notify_waiters();
        Ok(Promoted { deployment: running.id, components })
    }
}
