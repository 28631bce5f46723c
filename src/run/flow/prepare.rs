//! Stage prepare: from a commit to a release, and what would have to happen for it.

use crate::compose::Reading;
use crate::config::{Environment, Project};
use crate::model::budgets;
use crate::model::{
    ComponentName, Fingerprint, ImageIdentity, Observed, Problem, Release, ReleaseId, ReleasePart, Stack, Tree,
};
use crate::plan::Plan;
use crate::plan::changes::{Candidate, ChangeKind, ComponentChange, changes};
use crate::plan::container::{ContentNames, content_volumes};
use crate::plan::converge::release_commands::due;
use crate::plan::converge::{converge, pauses_fit, without_ipv6};
use crate::plan::fingerprint::{accepted, carry_over};
use crate::plan::method;
use crate::plan::taking_over::taken_over;
use crate::plan::unnamed::Unnamed;
use crate::plan::{Goal, Wanted};
use crate::run::flow::asking::{Answers, known};
use crate::run::flow::checkout::{self, Checkout};
use crate::run::flow::engine_away::Patience;
use crate::run::flow::image_facts;
use crate::run::flow::images::{self, Settling};
use crate::run::flow::set_aside;
use crate::run::flow::storage::{Answered, Question};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::failpoint::failpoint;
use crate::run::ground::ids::now_ms;
use crate::run::ground::log::DeploymentLog;
use crate::run::ground::reading::Reader;
use crate::run::ground::stage_error::StageError;
use crate::store::{Deployment, NewRelease};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// All that the later stages work with.
pub struct Prepared {
    pub release: Release,
    /// What was live when the deployment began.
    pub previous: Option<Release>,
    /// The release's commit; absent where its repository cannot be read and nothing has to be built from it.
    pub tree: Option<Arc<dyn Tree>>,
    pub accepted: BTreeMap<ComponentName, BTreeSet<Fingerprint>>,
    pub changes: Vec<ComponentChange>,
    /// What was to be done when the release was made; empty where that is over.
    pub plan: Plan,
}

impl Prepared {
    /// Components whose release command belongs to the deployment.
    pub fn release_commands(&self) -> BTreeSet<ComponentName> {
        due(self.previous.as_ref(), &self.release, &self.accepted)
    }

    /// The components of these kinds of change.
    pub fn changed(&self, kinds: &[ChangeKind]) -> Vec<ComponentName> {
        self.changes.iter().filter(|c| kinds.contains(&c.kind)).map(|c| c.component.clone()).collect()
    }
}

/// The release of a deployment, made anew or made before, and the commit's files where they are at hand.
async fn release_of(
    deployer: &Deployer,
    deployment: &Deployment,
    (project, environment): (&Project, &Environment),
    previous: Option<&Release>,
    (log, cancel): (&DeploymentLog, &CancellationToken),
) -> Result<(Release, Option<Arc<dyn Tree>>), StageError> {
    match deployment.release {
        // A rollback, or a deployment that is taken up again after a restart: its release is made already.
        Some(id) => {
            let (mut release, tree) = existing(deployer, deployment, (project, environment), id, log, cancel).await?;
            // What runs may carry what another version of Launchway wrote for a release that was live since.
            if let Some(previous) = previous {
                let before = release.parts.clone();
                carry_over(previous, &release.stack, &mut release.parts);
                if release.parts != before {
                    deployer.store.note_parts(&release).await?;
                }
            }
            Ok((release, tree))
        }
        None => {
            let checkout =
                checkout::checkout(deployer, project, &deployment.commit, deployment.reference.as_ref(), cancel);
            let Checkout { tree, .. } = checkout.await?;
            failpoint("prepare.checked_out");
            let making = Making { deployer, deployment, project, environment, tree: &tree, log, cancel };
            let release = loop {
                match making.release(previous).await {
                    // Once may have been the host's doing.
                    Err(StageError::ReaderDied { why }) => {
                        set_aside::note_death(deployer, deployment, &why, log).await?;
                    }
                    made => break made?,
                }
            };
            failpoint("prepare.released");
            Ok((release, Some(tree)))
        }
    }
}

/// Makes ready all that a deployment needs before anything of what runs is touched: its release, and the plan.
///
/// # Errors
/// What ends the deployment: a commit that is wrong or cannot be had, somebody else's names, what would be left behind.
pub async fn prepare(
    deployer: &Deployer,
    deployment: &Deployment,
    project: &Project,
    environment: &Environment,
    log: &DeploymentLog,
    cancel: &CancellationToken,
) -> Result<Prepared, StageError> {
    let previous = previous_release(deployer, deployment).await?;
    set_aside::refuse(deployer, deployment, log).await?;
    let of = (project, environment);
    let (release, tree) = release_of(deployer, deployment, of, previous.as_ref(), (log, cancel)).await?;
    needs_no_edge(deployer, &release)?;
    if let Err(error) = deployer.mirrors.keep(&project.name, &release.commit) {
        log.line(None, &format!("the commit may be lost when its branch is forced: {error}"));
    }
    // What is compared and planned was written by a stranger. Noting the plan takes the mark away.
    if set_aside::can_be(deployment) {
        deployer.store.begin_reading(deployment.id).await?;
    }
    let old_tree = previous.as_ref().and_then(|old| deployer.mirrors.tree(&project.name, &old.commit).ok());
    let live = previous.as_ref().map(|old| (old, old_tree.as_ref().map(|tree| tree as &dyn Tree)));
    let candidate = Candidate { stack: &release.stack, parts: &release.parts, tree: tree.as_deref() };
    let changes = changes(live, &candidate);
    for warning in method::unmet(&release.stack) {
        log.line(None, &format!("warning: {warning}"));
    }
    let accepted = accepted(previous.as_ref(), &release);
    let mut prepared = Prepared { release, previous, tree, accepted, changes, plan: Plan::default() };
    let observed =
        Patience { deployer, deployment: Some(deployment.id), log, cancel }.observe(project, environment).await?;
    let longest = deployer.config().limits.deploy;
    let unnamed = deployer.unnamed(&prepared.release, &observed, prepared.previous.as_ref()).await?;
    let answered = ask(deployer, deployment, &prepared, &observed, &unnamed).await?;
    let drawn_up = plan_text(&prepared, deployment, (&observed, unnamed), &answered.lines, longest);
    let (plan, text) = match drawn_up {
        Ok(drawn_up) if answered.problems.is_empty() => drawn_up,
        drawn_up => {
            note_asks(deployer, deployment, &answered.problems, log).await?;
            let problems = answered.problems.into_iter().chain(drawn_up.err().unwrap_or_default());
            return Err(logged(log, problems.collect()));
        }
    };
    prepared.plan = plan;
    let text = log.masked(&text);
    for line in text.lines() {
        log.line(None, line);
    }
    claim(deployer, deployment, &prepared, (&observed, answered), text, log).await?;
    Ok(prepared)
}

/// What would be left behind, of a deployment that goes forwards and has changed nothing yet.
async fn ask(
    deployer: &Deployer,
    deployment: &Deployment,
    prepared: &Prepared,
    observed: &Observed,
    unnamed: &Unnamed,
) -> Result<Answered, StageError> {
    if goal(deployment) != Goal::Deploy || deployment.touched {
        return Ok(Answered::default());
    }
    let question = Question {
        live: prepared.previous.as_ref(),
        release: &prepared.release,
        observed,
        names: &deployment.fresh_volumes,
        by: &deployment.asked_by,
    };
    deployer.ask_about_storage(&question, unnamed).await
}

/// For its page, as a status has room for little.
async fn note_asks(
    deployer: &Deployer,
    deployment: &Deployment,
    problems: &[Problem],
    log: &DeploymentLog,
) -> Result<(), StageError> {
    let asks = problems.iter().map(|problem| log.masked(&problem.to_string())).collect();
    Ok(deployer.store.note_asks(deployment.id, asks).await?)
}

/// Asks once more when every image is there, which says what it keeps in volumes, and before anything is touched.
pub async fn ask_again(
    deployer: &Deployer,
    deployment: &Deployment,
    prepared: &Prepared,
    (project, environment): (&Project, &Environment),
    log: &DeploymentLog,
    cancel: &CancellationToken,
) -> Result<(), StageError> {
    let observed =
        Patience { deployer, deployment: Some(deployment.id), log, cancel }.observe(project, environment).await?;
    let unnamed = deployer.unnamed(&prepared.release, &observed, prepared.previous.as_ref()).await?;
    let answered = ask(deployer, deployment, prepared, &observed, &unnamed).await?;
    if !answered.problems.is_empty() {
        note_asks(deployer, deployment, &answered.problems, log).await?;
        return Err(match logged(log, answered.problems) {
            // The log of the build has nothing to add.
            StageError::Commit { component, why, .. } => StageError::Commit { component, why, last_lines: Vec::new() },
            other => other,
        });
    }
    if !answered.new.is_empty() {
        answered.lines.iter().for_each(|line| log.line(None, line));
        deployer.store.note_fresh_volumes(answered.new, deployment.id).await?;
    }
    Ok(())
}

/// A release that was made for an edge cannot be reached without one.
fn needs_no_edge(deployer: &Deployer, release: &Release) -> Result<(), StageError> {
    let routed = release.stack.components.values().find(|component| component.edge_entries().next().is_some());
    match (routed, &deployer.config().edge) {
        (Some(component), None) => Err(StageError::host(format!(
            "release {} was made for the edge, which leads to {}, and there is no `[edge]` in launchway.toml any more. Add it again, or deploy a commit: its ports are then published by the engine.",
            release.id, component.name
        ))),
        _ => Ok(()),
    }
}

/// The same, out of the store alone: of a deployment whose release is live already.
pub async fn noted(deployer: &Deployer, deployment: &Deployment) -> anyhow::Result<Prepared> {
    let previous = previous_release(deployer, deployment).await?;
    let release = match deployment.release {
        Some(id) => deployer.store.release(id).await?,
        None => None,
    };
    let release = release.ok_or_else(|| anyhow::anyhow!("deployment {} has no release", deployment.id))?;
    let candidate = Candidate { stack: &release.stack, parts: &release.parts, tree: None };
    let changes = changes(previous.as_ref().map(|old| (old, None)), &candidate);
    let accepted = accepted(previous.as_ref(), &release);
    Ok(Prepared { release, previous, tree: None, accepted, changes, plan: Plan::default() })
}

/// Notes what the deployment is about to put live, unless another environment has or is about to have a part of it.
/// What the engine shows is not enough: two deployments that begin together would both find everything free.
async fn claim(
    deployer: &Deployer,
    deployment: &Deployment,
    prepared: &Prepared,
    (observed, answered): (&Observed, Answered),
    plan: String,
    log: &DeploymentLog,
) -> Result<(), StageError> {
    let _one_at_a_time = deployer.claiming.lock().await;
    let (release, others) = (&prepared.release, deployer.others(&prepared.release).await?);
    let mut problems = deployer.met(release, &others);
    if goal(deployment) == Goal::Deploy {
        let previous = prepared.previous.as_ref();
        problems.extend(deployer.refused_beside(release, previous, &others, observed).await?);
    }
    if !problems.is_empty() {
        return Err(logged(log, problems));
    }
    if !answered.new.is_empty() {
        deployer.store.note_fresh_volumes(answered.new, deployment.id).await?;
    }
    let kept = deployer.kept(&prepared.release, prepared.previous.as_ref(), observed);
    if !kept.is_empty() {
        let place = (deployment.project.clone(), deployment.environment.clone());
        deployer.store.note_kept_volumes(place, kept).await?;
    }
    let previous = prepared.previous.as_ref().map(|release| release.id);
    Ok(deployer.store.note_plan(deployment.id, prepared.release.id, previous, plan).await?)
}

fn logged(log: &DeploymentLog, problems: Vec<Problem>) -> StageError {
    for problem in &problems {
        log.line(None, &problem.to_string());
    }
    StageError::problems(&problems)
}

/// What was live when the deployment began: noted with it, so that a restart in the middle does not forget it.
pub async fn previous_release(deployer: &Deployer, deployment: &Deployment) -> Result<Option<Release>, StageError> {
    let noted = match deployment.plan.is_empty() {
        true => deployer.store.live(&deployment.project, &deployment.environment).await?.map(|live| live.release),
        false => deployment.previous,
    };
    match noted {
        Some(id) => Ok(deployer.store.release(id).await?),
        None => Ok(None),
    }
}

async fn existing(
    deployer: &Deployer,
    deployment: &Deployment,
    (project, environment): (&Project, &Environment),
    id: ReleaseId,
    log: &DeploymentLog,
    cancel: &CancellationToken,
) -> Result<(Release, Option<Arc<dyn Tree>>), StageError> {
    let release = deployer.store.release(id).await?;
    let release = release.ok_or_else(|| StageError::host(format!("release {id} is not in the store any more")))?;
    // Going back must not wait for a forge: only what the mirror lacks and the engine needs is fetched.
    let mut checkout = checkout::checkout(deployer, project, &release.commit, None, cancel).await;
    if let (Err(StageError::Host { .. }), Some(reference)) = (&checkout, &deployment.reference)
        && needs_files(deployer, project, environment, &release).await?
    {
        checkout = checkout::checkout(deployer, project, &release.commit, Some(reference), cancel).await;
    }
    match checkout {
        Ok(Checkout { tree, .. }) => Ok((release, Some(tree))),
        Err(StageError::Cancelled) => Err(StageError::Cancelled),
        Err(error) => {
            // What was built and delivered before needs no repository.
            log.line(None, &format!("the commit's files are not at hand: {error}"));
            Ok((release, None))
        }
    }
}

/// Whether the engine lacks an image or a volume that only the commit's files can bring back.
async fn needs_files(
    deployer: &Deployer,
    project: &Project,
    environment: &Environment,
    release: &Release,
) -> Result<bool, StageError> {
    for part in release.parts.values() {
        let is_built = matches!(part.image, ImageIdentity::Built { .. });
        if is_built && deployer.engine.image(part.image.reference()).await?.is_none() {
            return Ok(true);
        }
    }
    let observed = deployer.snapshot(project, environment).await?;
    let names = ContentNames::of(&observed);
    let mut wanted = release.stack.components.values().flat_map(|component| content_volumes(component, names));
    Ok(wanted.any(|volume| !observed.volumes.contains_key(&volume.name)))
}

/// A release in the making.
struct Making<'a> {
    deployer: &'a Deployer,
    deployment: &'a Deployment,
    project: &'a Project,
    environment: &'a Environment,
    tree: &'a Arc<dyn Tree>,
    log: &'a DeploymentLog,
    cancel: &'a CancellationToken,
}

/// All that a release is, before it is noted.
struct Made {
    stack: Stack,
    parts: BTreeMap<ComponentName, ReleasePart>,
    /// Notes and warnings about the files.
    notes: Vec<Problem>,
    undecided: Answers,
}

impl Making<'_> {
    async fn release(&self, previous: Option<&Release>) -> Result<Release, StageError> {
        let Self { deployer, deployment, project, environment, log, .. } = self;
        let before = known(previous);
        let mut made = self.made(previous, &before, None).await?;
        for problem in &made.notes {
            log.line(None, &problem.to_string());
        }
        let undecided = std::mem::take(&mut made.undecided);
        let candidate = (&made.stack, &made.parts);
        let asked = deployer.ask((project, environment), previous, candidate, undecided).await?;
        for (name, text) in asked.lines() {
            log.line(Some(name), &text);
        }
        let answers = asked.applied(&before);
        if answers != before {
            made = self.made(previous, &answers, Some(&made.parts)).await?;
        }
        deployer.note_answered((project, environment), previous, &mut made.stack, &made.parts).await?;
        let new = NewRelease {
            project: deployment.project.clone(),
            environment: deployment.environment.clone(),
            commit: deployment.commit.clone(),
            stack: made.stack,
            parts: made.parts,
        };
        Ok(deployer.store.add_release(new, now_ms()).await?)
    }

    /// `known`: images that were settled a moment ago.
    async fn made(
        &self,
        previous: Option<&Release>,
        answers: &Answers,
        known: Option<&BTreeMap<ComponentName, ReleasePart>>,
    ) -> Result<Made, StageError> {
        let Self { deployer, deployment, project, environment, tree, log, cancel } = *self;
        let config = deployer.config();
        let edge = config.edge.as_ref();
        let (most, longest) = (config.limits.prepare, config.limits.deploy);
        let reader = Reader { readers: Some(&deployer.readers), project: &project.name, cancel, most, longest };
        let (commit, tree_of_it) = (&deployment.commit, tree.clone());
        deployer.hide_files(&project.name, environment);
        log.set_mask(deployer.mask_of(&project.name, &environment.name));
        deployer.store.begin_reading(deployment.id).await?;
        let reading = checkout::read(project, environment, edge, commit, tree_of_it, answers, &reader).await;
        deployer.store.end_reading(deployment.id).await?;
        let Reading { mut stack, problems: notes, .. } = reading?.map_err(|problems| logged(log, problems))?;
        // Before anything can be said that holds what its containers hold.
        deployer.hide_stack((&project.name, &environment.name), commit, &stack);
        log.set_mask(deployer.mask_of(&project.name, &environment.name));
        deployer.traffic_past.tell(&mut stack, &project.name, &environment.name);
        if known.is_none() {
            // Images that are only named are pulled now.
            deployer.make_room_to_pull(deployment, &stack, log).await?;
        }
        let platform = deployer.engine.info().await?.platform;
        let (engine, names, works) = (&deployer.engine, &deployer.image_names, Some(&deployer.works));
        let resolve = images::Resolve::Pull { engine, names, works, log, cancel };
        let settling = Settling {
            project: &project.name,
            stack: &stack,
            tree,
            live: previous,
            platform: &platform,
            content_keys: &deployer.content_keys,
            reader,
            resolve,
            anew: images::Anew {
                build: deployment.rebuild,
                pull: deployment.pull,
                by: deployment.id,
                store: Some(&deployer.store),
                now_ms: now_ms(),
            },
            known,
            allowed_images: &project.allow.images,
            accounts: &config.registries,
        };
        let parts = images::settle(&settling).await?;
        let facts = reader.facts(tree, &stack).await?;
        let given = image_facts::give(&mut stack, &parts, previous, facts, &resolve, edge.is_some()).await?;
        if !given.problems.is_empty() {
            return Err(logged(log, given.problems));
        }
        Ok(Made { stack, parts, notes, undecided: given.undecided })
    }
}

/// The steps; and which components change and why, and the steps, as text: what people read before it happens.
fn plan_text(
    prepared: &Prepared,
    deployment: &Deployment,
    (observed, unnamed): (&Observed, Unnamed),
    storage: &[String],
    longest: Duration,
) -> Result<(Plan, String), Vec<Problem>> {
    let wanted = Wanted {
        release: Some(&prepared.release),
        accepted: prepared.accepted.clone(),
        deployment: Some(deployment.id),
        goal: goal(deployment),
        release_commands: prepared.release_commands(),
        passed: BTreeMap::new(),
        found: Vec::new(),
        unnamed,
    };
    let plan = converge(&wanted, observed)?;
    if wanted.goal == Goal::Deploy {
        let count = plan.steps.len();
        let few = budgets::STEPS.check(count as u64, format_args!("a plan of {count} steps"));
        few.map_err(|error| vec![Problem::error(None, "services", error.to_string())])?;
        pauses_fit(&plan, longest).map_err(|problem| vec![problem])?;
    }
    let mut text = format!("release {} of commit {}\n", prepared.release.id, prepared.release.commit.short());
    for change in &prepared.changes {
        let ComponentChange { component, kind, reasons, method, builder } = change;
        let _ = write!(text, "{component}: {}", kind.word());
        if *kind == ChangeKind::Unchanged && plan.starts(component) {
            // A job, for instance, whose data has changed; or something of it does not run.
            text.push_str(" (but started again)");
        }
        if !reasons.is_empty() && *kind != ChangeKind::New {
            let _ = write!(text, " ({})", reasons.join("; "));
        }
        if let Some(builder) = builder {
            let _ = write!(text, "; uses the build of {builder}");
        }
        if let (Some(choice), true) = (method, *kind != ChangeKind::Unchanged) {
            let _ = write!(text, "; {}: {}", choice.method, choice.reason);
        }
        if wanted.goal == Goal::Deploy && wanted.release_commands.contains(component) {
            text.push_str("; its release command runs first");
        }
        text.push('\n');
    }
    let notes = without_ipv6(&prepared.release, observed);
    let taken_over = taken_over(&prepared.release, observed, &wanted.unnamed);
    for line in taken_over.into_iter().chain(storage.iter().cloned()).chain(notes) {
        text.push_str(&line);
        text.push('\n');
    }
    if plan.is_empty() {
        text.push_str("nothing to do: everything runs as it should\n");
    } else {
        let _ = write!(text, "{plan}");
    }
    Ok((plan, text))
}

/// Backwards no job runs.
pub fn goal(deployment: &Deployment) -> Goal {
    match deployment.trigger {
        trigger if trigger.goes_back() => Goal::PutBack,
        _ => Goal::Deploy,
    }
}
