//! Hooks of the server: executables that are told when a deployment begins, and how it ended. What they do, or fail to
//! do, never changes what becomes of the deployment.

use crate::model::{
    DeploymentId, EnvironmentName, LifecycleEvent, Mask, ProjectName, Quoted, Stage, plain_json, plain_line,
};
use crate::plan::shares::Shares;
use crate::run::ground::contained::contained;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::failpoint::failpoint;
use crate::run::ground::ids::now_ms;
use crate::run::ground::keyed_tasks::KeyedTasks;
use crate::run::ground::log::DeploymentLog;
use crate::run::tell::hook_process::{Fitness, HookEnd, HookRun, fitness};
use crate::store::{Deployment, HookOutcome, StoreError, WaitingHook};
use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Hooks that run at once; in one environment always one, in the order of what happened.
const AT_ONCE: usize = 8;
const LOOK_AGAIN: Duration = Duration::from_secs(60);
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs until the process ends. What an earlier process did not tell, or not to the end, is told again.
pub async fn tell_hooks(deployer: Arc<Deployer>) {
    let mut telling: KeyedTasks<(ProjectName, EnvironmentName)> = KeyedTasks::new();
    while !deployer.stop.is_cancelled() {
        let look_again = match begin_telling(&deployer, &mut telling).await {
            Ok(()) => LOOK_AGAIN,
            Err(error) => {
                tracing::error!(error = %error, "What hooks are to be told cannot be read");
                Duration::from_secs(5)
            }
        };
        tokio::select! {
            () = deployer.stop.cancelled() => {}
            () = deployer.bells.to_run_hooks.notified() => {}
            () = telling.ended() => {}
            () = tokio::time::sleep(look_again) => {}
        }
    }
    telling.all_ended().await;
}

async fn begin_telling(
    deployer: &Arc<Deployer>,
    telling: &mut KeyedTasks<(ProjectName, EnvironmentName)>,
) -> Result<(), StoreError> {
    let mut by_place: BTreeMap<(ProjectName, EnvironmentName), Vec<WaitingHook>> = BTreeMap::new();
    for hook in deployer.store.waiting_hooks().await? {
        by_place.entry((hook.project.clone(), hook.environment.clone())).or_default().push(hook);
    }
    by_place.retain(|place, _| !telling.is_busy(place));
    // What waits for longest goes first.
    let mut waiting: Vec<_> = by_place.into_iter().collect();
    waiting.sort_by_key(|(_, hooks)| hooks.iter().map(|hook| hook.deployment).min());
    let mut shares = Shares::new(AT_ONCE, deployer.config().projects.len());
    telling.busy().for_each(|(project, _)| shares.take(project));
    for (place, hooks) in shares.give(waiting.into_iter().map(|(place, hooks)| (place.0.clone(), (place, hooks)))) {
        telling.begin(place, tell_in_order(deployer.clone(), hooks));
    }
    Ok(())
}

async fn tell_in_order(deployer: Arc<Deployer>, hooks: Vec<WaitingHook>) {
    for hook in hooks {
        let told = contained(tell(&deployer, hook.deployment, hook.event)).await;
        let told = told.unwrap_or_else(|broke| Err(broke.into()));
        let settled = match told {
            Ok(Some(outcome)) => {
                failpoint("hook.ended");
                deployer.store.settle_hook(hook.deployment, hook.event, outcome, now_ms()).await
            }
            // The server ends: the next start tells it again.
            Ok(None) => return,
            Err(error) => {
                tracing::error!(
                    deployment.id = %hook.deployment, hook = %hook.event, error = format!("{error:#}"),
                    "A hook could not be told"
                );
                deployer.store.settle_hook(hook.deployment, hook.event, HookOutcome::Failed, now_ms()).await
            }
        };
        if let Err(error) = settled {
            tracing::error!(deployment.id = %hook.deployment, error = %error, "That a hook was told cannot be noted");
            return;
        }
        if deployer.stop.is_cancelled() {
            return;
        }
    }
}

impl Deployer {
    /// Whether a hook that is there has still to be told of the deployment, or is being told: it may yet say something.
    pub async fn has_hooks_to_tell(&self, id: DeploymentId) -> Result<bool, StoreError> {
        let folder = self.config().hooks.clone();
        for hook in self.store.waiting_hooks().await?.into_iter().filter(|hook| hook.deployment == id) {
            if tokio::fs::try_exists(folder.join(hook.event.word())).await.unwrap_or(false) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// `None` where the server ends before the hook does.
async fn tell(deployer: &Deployer, id: DeploymentId, event: LifecycleEvent) -> anyhow::Result<Option<HookOutcome>> {
    let config = deployer.config();
    let path = config.hooks.join(event.word());
    let look = path.clone();
    let why = match tokio::task::spawn_blocking(move || fitness(&look)).await? {
        Fitness::Absent => return Ok(Some(HookOutcome::None)),
        Fitness::Fit => None,
        Fitness::Unfit(why) => Some(why),
    };
    let deployment = deployer.store.deployment(id).await?.context("its deployment is not in the store")?;
    let log = log_of(deployer, &deployment).await?;
    if let Some(why) = why {
        log.line(None, &format!("hook {event} is not run: {why}"));
        tracing::warn!(deployment.id = %id, hook = %path.display(), why, "A hook is not run");
        return Ok(Some(HookOutcome::Refused));
    }
    let told = Told::new(deployer, &deployment, event, &log.mask());
    let run = HookRun {
        path,
        variables: told.variables(),
        input: plain_json(&serde_json::to_string(&told)?).into_owned().into_bytes(),
        limit: config.limits.hook,
    };
    log.line(None, &format!("hook {event} runs"));
    failpoint("hook.begins");
    let begun = Instant::now();
    let ended = run
        .carry_out(&deployer.stop, &log.mask(), &|line: &str| {
            log.line(None, &format!("hook {event} | {}", Quoted(line)))
        })
        .await;
    let took = format!("{:.2} s", begun.elapsed().as_secs_f64());
    let (outcome, sentence) = match ended {
        HookEnd::Exited(status) if status.success() => (HookOutcome::Done, format!("done ({took})")),
        HookEnd::Exited(status) => {
            let code = match status.code() {
                Some(code) => format!("it exited with code {code}"),
                None => format!("it was ended by a {status}"),
            };
            (HookOutcome::Failed, format!("{code} ({took}); nothing else depends on it"))
        }
        HookEnd::TooLong => {
            let limit = crate::report::texts::duration(config.limits.hook);
            let sentence = format!(
                "it took longer than {limit} and was killed; `limits.hook` in launchway.toml sets how long it may take"
            );
            (HookOutcome::Killed, sentence)
        }
        HookEnd::CannotStart(error) => (HookOutcome::Failed, format!("it cannot be started: {error}")),
        HookEnd::Interrupted => {
            log.line(
                None,
                &format!("hook {event}: Launchway ends and did not wait for it; the next start runs it again"),
            );
            return Ok(None);
        }
    };
    log.line(None, &format!("hook {event}: {sentence}"));
    if outcome != HookOutcome::Done {
        tracing::warn!(deployment.id = %id, hook = %event, why = sentence, "A hook did not do what it should");
    }
    Ok(Some(outcome))
}

/// The deployment's log, in the stage that it came to.
async fn log_of(deployer: &Deployer, deployment: &Deployment) -> anyhow::Result<DeploymentLog> {
    let log = deployer.logs.open(deployment.id, deployer.mask_of_deployment(deployment).await)?;
    let stages = deployer.store.stages(deployment.id).await?;
    log.enter(stages.last().map_or(Stage::Prepare, |record| record.stage));
    Ok(log)
}

/// What a hook reads on its standard input, as the deployment is when it begins to run. The keys are those of the
/// control API. Secrets are masked.
#[derive(Serialize)]
struct Told {
    event: &'static str,
    project: String,
    environment: String,
    deployment: i64,
    state: &'static str,
    description: String,
    commit: String,
    subject: String,
    #[serde(rename = "ref")]
    reference: Option<String>,
    trigger: &'static str,
    asked_by: String,
    cancelled_by: Option<String>,
    release: Option<i64>,
    previous: Option<i64>,
    created_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    page: String,
}

impl Told {
    fn new(deployer: &Deployer, deployment: &Deployment, event: LifecycleEvent, mask: &Mask) -> Self {
        let time = |ms: i64| Timestamp::from_millisecond(ms).ok();
        Self {
            event: event.word(),
            project: deployment.project.to_string(),
            environment: deployment.environment.to_string(),
            deployment: deployment.id.0,
            state: deployment.state.word(),
            description: mask.sentence(&deployment.description),
            commit: deployment.commit.to_string(),
            subject: mask.apply(&deployment.subject),
            reference: deployment.reference.as_ref().map(|reference| mask.apply(reference.as_str())),
            trigger: deployment.trigger.word(),
            asked_by: mask.apply(&deployment.asked_by),
            cancelled_by: deployment.cancelled_by.as_ref().map(|by| mask.apply(by)),
            release: deployment.release.map(|release| release.0),
            previous: deployment.previous.map(|release| release.0),
            created_at: time(deployment.created_ms),
            started_at: deployment.started_ms.and_then(time),
            ended_at: deployment.ended_ms.and_then(time),
            page: deployer.page(&deployment.page_key),
        }
    }

    /// All of its environment. What a message needs is there too, so that a script needs no JSON parser.
    fn variables(&self) -> Vec<(&'static str, String)> {
        // A variable can hold no NUL, and a line break only surprises.
        let plain = |text: &str| plain_line(text).into_owned();
        let mut variables = vec![
            ("PATH", PATH.to_string()),
            ("LANG", "C.UTF-8".to_string()),
            ("LAUNCHWAY_EVENT", self.event.to_string()),
            ("LAUNCHWAY_PROJECT", self.project.clone()),
            ("LAUNCHWAY_ENVIRONMENT", self.environment.clone()),
            ("LAUNCHWAY_DEPLOYMENT", self.deployment.to_string()),
            ("LAUNCHWAY_STATE", self.state.to_string()),
            ("LAUNCHWAY_DESCRIPTION", plain(&self.description)),
            ("LAUNCHWAY_COMMIT", self.commit.clone()),
            ("LAUNCHWAY_SUBJECT", plain(&self.subject)),
            ("LAUNCHWAY_PAGE", self.page.clone()),
        ];
        variables.extend(std::env::var("HOME").ok().map(|home| ("HOME", home)));
        variables
    }
}
