//! The page of one deployment: what is deployed, where it is, how long each stage took, the plan with its reasons, and
//! the log where the project's settings open it.

use super::look::{self, Moment, mood, took};
use crate::model::{DeploymentState, ImageIdentity, Mask, Method, Stage};
use crate::run::{Beyond, Deployer, now_ms};
use crate::store::{Deployment, LastLines, ReleaseImage, StageRecord, Trigger};
use askama::Template;

/// As much of a log as the page shows.
const LOG_BYTES: usize = 64 * 1024;

#[derive(Template)]
#[template(path = "pages/deployment.html")]
struct DeploymentPage {
    style: &'static str,
    mood: &'static str,
    refresh: bool,
    title: String,
    place: String,
    id: i64,
    /// `production#12`
    in_place: String,
    state: String,
    sentence: String,
    commit: String,
    short: String,
    subject: String,
    reference: Option<String>,
    asked: String,
    release: Option<i64>,
    created: Moment,
    total: Option<String>,
    delivery: Option<String>,
    stages: Vec<StageRow>,
    /// What it would have left behind, and how to go on.
    asks: Vec<String>,
    /// Where it failed and the log is public.
    last_lines: Option<LastLinesView>,
    plan: PlanView,
    images: Vec<ImageRow>,
    log: LogView,
    /// Where the form for somebody's yes goes to; absent: none is shown.
    yes: Option<String>,
    /// Of the deployment that made live what is live.
    degraded: Vec<DegradedView>,
    /// What the live release uses and launchway.toml does not allow, and the lines that would allow it.
    beyond: Option<Beyond>,
}

/// What was said last where the deployment failed.
struct LastLinesView {
    /// Whose lines they are, as a heading.
    heading: String,
    text: String,
}

struct DegradedView {
    why: String,
    since: Moment,
    /// Empty where the log is not public.
    last_lines: String,
}

/// One component's image, and what it is based on.
struct ImageRow {
    component: String,
    /// The tag of what is built; what the Compose file names, else.
    image: String,
    /// The engine's id of it.
    id: String,
    made: Option<Moment>,
    /// `node:20 (sha256:...)`
    bases: Vec<String>,
}

struct StageRow {
    name: &'static str,
    mood: &'static str,
    outcome: String,
    started: Option<Moment>,
    took: Option<String>,
}

/// The stored text in parts, each shown in its own way.
#[derive(Default)]
struct PlanView {
    heading: Option<String>,
    components: Vec<ComponentLine>,
    steps: Vec<String>,
}

struct ComponentLine {
    name: String,
    change: String,
    why: String,
    /// `recreate: it publishes port 80`
    method: String,
}

enum LogView {
    Closed,
    Nothing,
    Lines { text: String, is_cut: bool },
}

/// The page under an unguessable key; `None` where no deployment has it.
pub async fn deployment_page(deployer: &Deployer, key: &str) -> anyhow::Result<Option<String>> {
    let Some(deployment) = deployer.store.deployment_by_key(key).await? else { return Ok(None) };
    let stages = deployer.store.stages(deployment.id).await?;
    let delivery = match deployment.delivery {
        Some(number) => deployer.store.delivery(number).await?.map(|delivery| delivery.page_key),
        None => None,
    };
    let images = match deployment.release {
        Some(release) => deployer.store.images_of(release).await?,
        None => Vec::new(),
    };
    let mask = deployer.mask_of_deployment(&deployment).await;
    let log = log(deployer, &deployment, &mask).await?;
    let degraded = degraded(deployer, &deployment, &mask).await?;
    let mut page = page(&deployment, &stages, delivery, log, degraded, &mask, now_ms());
    page.images = images.into_iter().map(|image| image_row(image, &mask)).collect();
    page.beyond = beyond(deployer, &deployment).await?;
    page.last_lines = last_lines(&deployment.last_lines, &mask).filter(|_| !matches!(page.log, LogView::Closed));
    if deployer.page_asks_for_yes(&deployment).await? {
        page.yes = Some(format!("/deployments/{key}/approve"));
        // What somebody is writing is not to be lost.
        page.refresh = false;
    }
    Ok(Some(page.render()?))
}

async fn degraded(deployer: &Deployer, deployment: &Deployment, mask: &Mask) -> anyhow::Result<Vec<DegradedView>> {
    let (project, environment) = (&deployment.project, &deployment.environment);
    let live = deployer.store.live(project, environment).await?;
    if live.is_none_or(|live| live.deployment != deployment.id) {
        return Ok(Vec::new());
    }
    let is_public = deployer.config().projects.get(project).is_some_and(|project| project.public_logs);
    let records = deployer.store.degraded(project, environment).await?.into_iter();
    Ok(records
        .map(|record| DegradedView {
            why: mask.sentence(&record.degraded.why),
            since: Moment::new(record.since_ms),
            last_lines: if is_public { mask.apply(&record.degraded.last_lines.join("\n")) } else { String::new() },
        })
        .collect())
}

/// On the page of the deployment that made live what is live.
async fn beyond(deployer: &Deployer, deployment: &Deployment) -> anyhow::Result<Option<Beyond>> {
    let config = deployer.config();
    let project = config.projects.get(&deployment.project);
    let environment = project.and_then(|project| project.environments.get(&deployment.environment));
    let (Some(project), Some(environment)) = (project, environment) else { return Ok(None) };
    let live = deployer.store.live(&project.name, &environment.name).await?;
    let is_live = live.is_some_and(|live| live.deployment == deployment.id);
    Ok(deployer.beyonds.of(project, environment).filter(|_| is_live))
}

async fn log(deployer: &Deployer, deployment: &Deployment, mask: &Mask) -> anyhow::Result<LogView> {
    if !deployer.config().projects.get(&deployment.project).is_some_and(|project| project.public_logs) {
        return Ok(LogView::Closed);
    }
    let (logs, id) = (deployer.logs.clone(), deployment.id);
    let (text, is_cut) = tokio::task::spawn_blocking(move || logs.tail(id, LOG_BYTES)).await??;
    Ok(match text.is_empty() {
        true => LogView::Nothing,
        false => LogView::Lines { text: mask.sentence(&text), is_cut },
    })
}

fn page(
    deployment: &Deployment,
    stages: &[StageRecord],
    delivery: Option<String>,
    log: LogView,
    degraded: Vec<DegradedView>,
    mask: &Mask,
    now: i64,
) -> DeploymentPage {
    let state = deployment.state;
    let place = format!("{}/{}", deployment.project, deployment.environment);
    let title = format!("{}: {}", place, state);
    DeploymentPage {
        style: look::STYLE,
        mood: mood(state),
        refresh: !state.is_end(),
        title,
        place,
        id: deployment.id.0,
        in_place: format!("{}#{}", deployment.environment, deployment.number),
        state: state.to_string(),
        sentence: mask.sentence(&deployment.description),
        commit: deployment.commit.to_string(),
        short: deployment.commit.short().to_string(),
        subject: mask.apply(&deployment.subject),
        reference: deployment.reference.as_ref().map(|reference| mask.apply(reference.short())),
        asked: asked(deployment, mask),
        release: deployment.release.map(|release| release.0),
        created: Moment::new(deployment.created_ms),
        total: deployment.started_ms.map(|started| took(started, deployment.ended_ms.unwrap_or(now))),
        delivery: delivery.map(|key| format!("/deliveries/{key}")),
        stages: stage_rows(deployment, stages, now),
        asks: deployment.asks.iter().map(|ask| mask.sentence(ask)).collect(),
        last_lines: None,
        plan: plan_view(&mask.sentence(&deployment.plan)),
        images: Vec::new(),
        log,
        yes: None,
        beyond: None,
        degraded,
    }
}

fn last_lines(last: &LastLines, mask: &Mask) -> Option<LastLinesView> {
    let heading = match &last.component {
        Some(component) => format!("What {component} said last"),
        None => "What is wrong".to_string(),
    };
    let text = mask.sentence(&last.lines.join("\n"));
    (!text.is_empty()).then_some(LastLinesView { heading, text })
}

fn image_row(image: ReleaseImage, mask: &Mask) -> ImageRow {
    let ReleaseImage { component, identity, noted } = image;
    let name = match &identity {
        ImageIdentity::Built { tag, .. } => tag,
        ImageIdentity::Pulled { reference, .. } => reference,
    };
    let bases = noted.as_ref().map(|noted| noted.bases.clone()).unwrap_or_default();
    ImageRow {
        component: component.to_string(),
        image: mask.apply(name),
        id: noted.as_ref().map(|noted| noted.image_id.clone()).unwrap_or_default(),
        made: noted.map(|noted| Moment::new(noted.made_ms)),
        bases: bases.iter().map(|(base, digest)| mask.apply(&format!("{base} ({digest})"))).collect(),
    }
}

/// `push by ada`, as a sentence's end.
fn asked(deployment: &Deployment, mask: &Mask) -> String {
    let by = mask.apply(&deployment.asked_by);
    let what = match deployment.trigger {
        Trigger::Push => "pushed",
        Trigger::Found => "found by comparing branches; pushed",
        Trigger::Redelivery => "delivered again; pushed",
        Trigger::Manual => "asked for",
        Trigger::Rollback => "rollback, asked for",
        Trigger::GiveBack => "give-back to Docker Compose, asked for",
    };
    let mut by = if by == "a push" { "somebody".to_string() } else { by };
    if let Some(reason) = &deployment.now_reason {
        by.push_str(&format!(", not to wait: {}", mask.apply(reason)));
    }
    if !deployment.fresh_volumes.is_empty() {
        by.push_str(&format!(", to start anew on {}", mask.apply(&deployment.fresh_volumes.join(", "))));
    }
    if let Some(who) = &deployment.approved_by {
        by.push_str(&format!("; yes from {}", mask.apply(who)));
    }
    match &deployment.cancelled_by {
        Some(who) => format!("{what} by {by}; cancelled by {}", mask.apply(who)),
        None => format!("{what} by {by}"),
    }
}

/// All four stages, those that were not reached included.
fn stage_rows(deployment: &Deployment, stages: &[StageRecord], now: i64) -> Vec<StageRow> {
    let rows = Stage::ALL.into_iter().map(|stage| {
        let Some(record) = stages.iter().find(|record| record.stage == stage) else {
            let outcome = if deployment.state.is_end() { "not reached" } else { "to come" };
            return StageRow { name: stage.word(), mood: "none", outcome: outcome.into(), started: None, took: None };
        };
        let outcome = record.outcome.as_deref().map(|outcome| outcome.replace('_', " "));
        let mood = match (&outcome, deployment.state) {
            (None, DeploymentState::PuttingBack) => "bad",
            (None, _) => "busy",
            (Some(outcome), _) if outcome == "done" => "good",
            (Some(outcome), _) if outcome == "cancelled" || outcome == "superseded" => "idle",
            (Some(_), _) => "bad",
        };
        StageRow {
            name: stage.word(),
            mood,
            outcome: outcome.unwrap_or_else(|| "running".into()),
            started: Some(Moment::new(record.started_ms)),
            took: Some(took(record.started_ms, record.ended_ms.unwrap_or(now))),
        }
    });
    rows.collect()
}

/// Lines are `release 2 of commit 1a2b`, then `api: changed (why); recreate: why`, then steps (`[1] -> #2 ...`).
fn plan_view(text: &str) -> PlanView {
    let mut view = PlanView::default();
    for line in text.lines() {
        if line.starts_with(['#', '[']) {
            view.steps.push(line.to_string());
            continue;
        }
        match line.split_once(": ").filter(|(name, _)| !name.contains(' ')) {
            Some((name, rest)) => {
                view.components.push(component_line(name, rest));
            }
            None if view.heading.is_none() => view.heading = Some(line.to_string()),
            None => view.steps.push(line.to_string()),
        }
    }
    view
}

/// `changed (why; why); recreate: why`. A reason may hold brackets, so what follows is found by the method's word.
fn component_line(name: &str, rest: &str) -> ComponentLine {
    let change = rest.split([' ', ';']).next().unwrap_or_default();
    let rest = &rest[change.len()..];
    let methods = [Method::Auto, Method::Recreate, Method::Rolling, Method::BlueGreen, Method::Canary];
    let begins = methods.iter().filter_map(|method| rest.find(&format!("; {method}: "))).min();
    let (why, method) = rest.split_at(begins.unwrap_or(rest.len()));
    let why = why.trim();
    let why = why.strip_prefix('(').and_then(|why| why.strip_suffix(')')).unwrap_or(why);
    let method = method.trim_start_matches("; ");
    ComponentLine { name: name.into(), change: change.into(), why: why.into(), method: method.into() }
}

#[cfg(test)]
mod tests;
