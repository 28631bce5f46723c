//! Stage build: every image that the release needs and the engine does not have. The same content is never built twice.

use crate::build::{BuildError, BuildLimits, BuildLine, BuildRequest, Limited, Sources};
use crate::engine::{EngineError, Image};
use crate::model::{
    Builders, Component, ComponentName, DeploymentId, ImageIdentity, Quoted, Release, WorkKind, WorkOutcome,
    cache_source, label, lists_image,
};
use crate::plan::estimate::BuildLeft;
use crate::run::flow::bases::{Bases, Looking};
use crate::run::flow::build_lines::{step_parts, text_of};
use crate::run::flow::images::says_it_is;
use crate::run::flow::outlook::Outlook;
use crate::run::flow::prepare::Prepared;
use crate::run::flow::pulling::{PullError, outcome_of};
use crate::run::ground::build_slots::{Asked, Slot, Urgency};
use crate::run::ground::contained::contained;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::failpoint::failpoint;
use crate::run::ground::ids::now_ms;
use crate::run::ground::log::DeploymentLog;
use crate::run::ground::metrics::Built;
use crate::run::ground::reading::Reader;
use crate::run::ground::registries::EngineAccounts;
use crate::run::ground::stage_error::StageError;
use crate::store::{Deployment, NotedImage};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What the build stage tells while it goes on: which build of how many begins, and what the deployment is expected to
/// take from then on.
pub type Progress<'a> = dyn Fn(&ComponentName, usize, usize, Option<Duration>) + Send + Sync + 'a;

/// Since when each build has its slot.
#[derive(Clone, Default)]
struct Begun {
    since: Arc<Mutex<BTreeMap<ComponentName, Instant>>>,
    changed: Arc<Notify>,
}

impl Begun {
    fn note(&self, name: &ComponentName, now: Instant) {
        self.lock().insert(name.clone(), now);
        self.changed.notify_one();
    }

    /// Of those that have not ended, the one that began last, and how many go on.
    fn newest(&self, open: &[ComponentName]) -> Option<(ComponentName, usize)> {
        let since = self.lock();
        let running: Vec<_> = open.iter().filter_map(|name| Some((since.get(name)?, name))).collect();
        running.iter().max().map(|(_, name)| ((*name).clone(), running.len()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ComponentName, Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Builds side by side, as many as the settings allow over all projects. The first failure stops the others. Returns
/// what was built.
pub async fn build(
    deployer: &Arc<Deployer>,
    deployment: &Deployment,
    prepared: &Prepared,
    outlook: &Outlook,
    log: &DeploymentLog,
    cancel: &CancellationToken,
    progress: &Progress<'_>,
) -> Result<BTreeSet<ComponentName>, StageError> {
    let missing = missing(deployer, deployment, prepared, log, cancel).await?;
    let total = missing.len();
    let stop = cancel.child_token();
    let mut waiting: Vec<ComponentName> = missing.into_iter().collect();
    let begun = Begun::default();
    let builders = Arc::new(Builders::of(prepared.release.stack.components.values()));
    let paths = outlook.build_paths(&builds_left(prepared, &waiting, &begun), &prepared.plan);
    let line = |name: &ComponentName| {
        let place = prepared.release.stack.components.get(name).map(|component| &component.place);
        place.map(|place| (place.file.clone(), place.line))
    };
    // The longest path first, and of equals the first in the Compose file.
    waiting.sort_by_cached_key(|name| (Reverse(paths.get(name).copied()), line(name)));
    let mut open = waiting.clone();
    let mut done: BTreeSet<ComponentName> = BTreeSet::new();
    let mut building: JoinSet<(ComponentName, Result<(), StageError>)> = JoinSet::new();
    let mut failed: Option<StageError> = None;
    let tell = |open: &[ComponentName], done: &BTreeSet<ComponentName>| {
        let Some((newest, running)) = begun.newest(open) else { return };
        let left = outlook.left(&builds_left(prepared, open, &begun), &prepared.plan);
        progress(&newest, done.len() + running, total, left);
    };
    loop {
        // Images that others are built from come first: there once they are built, not once they are begun.
        while failed.is_none() {
            let ready =
                waiting.iter().position(|name| !waits_for(prepared, name).iter().any(|base| open.contains(base)));
            let Some(index) = ready else { break };
            let name = waiting.remove(index);
            let path = paths.get(&name).copied().unwrap_or_default();
            let priority = deployer.priority_of(deployment);
            let urgency = Urgency { path, priority, goes_back: deployment.trigger.goes_back() };
            let job = Job::new(deployer, deployment, prepared, (&name, &begun, &builders), log, &stop)?;
            // In this order, whichever task is the first to run.
            let asked = deployer.build_slots.ask(&deployment.project, urgency, deployer.config().projects.len());
            building.spawn(async move {
                let result = contained(job.run(asked)).await;
                (name, result.unwrap_or_else(|broke| Err(StageError::host(broke))))
            });
        }
        let joined = tokio::select! {
            joined = building.join_next() => joined,
            // One has its slot now.
            () = begun.changed.notified() => {
                tell(&open, &done);
                continue;
            }
        };
        let Some(joined) = joined else { break };
        let (name, result) = match joined {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        match result {
            Ok(()) => {
                open.retain(|other| *other != name);
                done.insert(name);
                // The others go on, with less left.
                tell(&open, &done);
            }
            Err(error) => {
                stop.cancel();
                failed.get_or_insert(error);
            }
        }
    }
    match failed {
        Some(error) => Err(error),
        None if waiting.is_empty() => Ok(done),
        None => Err(StageError::commit(format!(
            "{} are built from each other's images",
            waiting.iter().map(ComponentName::as_str).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// The builds that have not ended, each with what it waits for and for how long it has been going on.
fn builds_left(prepared: &Prepared, open: &[ComponentName], begun: &Begun) -> Vec<BuildLeft> {
    let begun = begun.lock();
    let one = |name: &ComponentName| BuildLeft {
        component: name.clone(),
        waits_for: waits_for(prepared, name).into_iter().collect(),
        runs: begun.get(name).map(|since| since.elapsed()),
    };
    open.iter().map(one).collect()
}

/// Whose images it is built from.
fn waits_for(prepared: &Prepared, name: &ComponentName) -> BTreeSet<ComponentName> {
    prepared.release.stack.components.get(name).map(Component::waits_for_builds_of).unwrap_or_default()
}

/// Components whose image is to be built: the engine does not have it, or this deployment builds it anew. What was
/// pulled and pruned is pulled again.
async fn missing(
    deployer: &Deployer,
    deployment: &Deployment,
    prepared: &Prepared,
    log: &DeploymentLog,
    cancel: &CancellationToken,
) -> Result<BTreeSet<ComponentName>, StageError> {
    // Its release is noted: what is there from now on stays.
    deployer.collecting.wait_for_removal().await;
    let mut missing = BTreeSet::new();
    let stack = &prepared.release.stack;
    // A build that several use is one, and is looked at where it is built.
    for (name, part) in prepared.release.parts.iter().filter(|(name, _)| !stack.uses_anothers_build(name)) {
        let reference = part.image.reference();
        let there = deployer.engine.image(reference).await?;
        let noted = deployer.store.noted_image(reference).await?;
        let image = match (&part.image, there) {
            (identity @ ImageIdentity::Built { tag, .. }, there) => {
                let own = match &noted {
                    Some(noted) => noted_image(deployer, noted, there.as_ref()).await?,
                    // A release that is older than what was noted then; its name is one that no repository can give.
                    None if deployment.trigger.goes_back() => there.clone().filter(|image| says_it_is(image, identity)),
                    None => None,
                };
                let line = match (&own, &there) {
                    (Some(_), _) => format!("{tag} is built already"),
                    (None, Some(other)) if noted.is_some() => {
                        format!("{tag} names another image by now ({}): it is built again", other.id)
                    }
                    (None, Some(_)) => format!("{tag} is there, but it is not known who built it: it is built again"),
                    (None, None) if noted.is_some() => {
                        format!("{tag} is gone from the engine: it is built again from the commit")
                    }
                    (None, None) => String::new(),
                };
                if !line.is_empty() {
                    log.line(Some(name), &line);
                }
                let Some(own) = own else {
                    missing.insert(name.clone());
                    continue;
                };
                own
            }
            (ImageIdentity::Pulled { .. }, Some(image)) => image,
            (ImageIdentity::Pulled { reference, pinned }, None) => {
                log.line(
                    Some(name),
                    &format!("pulling {} again: the engine lost {}", Quoted(reference), Quoted(pinned)),
                );
                let progress = |line: &str| log.line(Some(name), line);
                let work = deployer.works.begin(deployment.id, Some(name), WorkKind::Pull, pinned);
                // By its digest, or an id, which no registry has: no name is moved by it.
                let pulled = deployer.engine.pull(pinned, &deployment.project, &progress, cancel).await;
                let pulled = pulled.map_err(PullError::from);
                work.ended(outcome_of(&pulled));
                pulled.map_err(StageError::from)?
            }
        };
        if noted.is_none_or(|noted| noted.image_id != image.id) {
            note(deployer, &prepared.release, name, image.id, BTreeMap::new()).await?;
        }
    }
    Ok(missing)
}

/// What was noted when it was built, by its id. Where its name was lost or names another, it is named again.
async fn noted_image(
    deployer: &Deployer,
    noted: &NotedImage,
    there: Option<&Image>,
) -> Result<Option<Image>, StageError> {
    if let Some(image) = there.filter(|image| image.id == noted.image_id) {
        return Ok(Some(image.clone()));
    }
    let own = deployer.engine.image(&noted.image_id).await?;
    if own.is_some() {
        deployer.engine.name_image(&noted.image_id, &noted.reference).await?;
    }
    Ok(own)
}

/// Notes an image that the engine has now, as it was built or pulled.
async fn note(
    deployer: &Deployer,
    release: &Release,
    component: &ComponentName,
    image_id: String,
    bases: BTreeMap<String, String>,
) -> Result<(), StageError> {
    let Some(part) = release.parts.get(component) else { return Ok(()) };
    let (content_key, anew) = match &part.image {
        ImageIdentity::Built { key, anew, .. } => (Some(key.clone()), *anew),
        ImageIdentity::Pulled { .. } => (None, None),
    };
    let (project, component) = (release.project.clone(), component.clone());
    let reference = part.image.reference().to_string();
    let made_ms = now_ms();
    let image = NotedImage { reference, project, component, image_id, content_key, anew, bases, made_ms };
    Ok(deployer.store.note_image(image).await?)
}

async fn is_away(deployer: &Deployer) -> bool {
    matches!(deployer.engine.info().await, Err(EngineError::Unavailable { .. }))
}

/// One image to build.
struct Job {
    deployer: Arc<Deployer>,
    deployment: DeploymentId,
    release: Release,
    builders: Arc<Builders>,
    name: ComponentName,
    begun: Begun,
    request: BuildRequest,
    /// What was built once is built again without asking what is allowed today.
    goes_back: bool,
    log: DeploymentLog,
    stop: CancellationToken,
}

impl Job {
    /// A build under limits cannot take from the apps what they need. Where that is impossible, it goes on and says so.
    async fn limit(&self) -> Option<Limited> {
        let limits = &self.deployer.config().limits;
        let (memory_bytes, cpu_millis) = (limits.build_memory_bytes, limits.build_cpu_millis);
        match self.deployer.builder.limit(BuildLimits { memory_bytes, cpu_millis }).await {
            Ok(limited) => Some(limited),
            Err(why) => {
                let sentence = format!("builds are not limited on this engine: {why}");
                if memory_bytes.is_some() || cpu_millis.is_some() {
                    self.log.line(Some(&self.name), &sentence);
                }
                if !self.deployer.admissions.told_of_unlimited_builds.swap(true, Ordering::Relaxed) {
                    tracing::warn!("{sentence}");
                }
                None
            }
        }
    }

    fn new(
        deployer: &Arc<Deployer>,
        deployment: &Deployment,
        prepared: &Prepared,
        (name, begun, builders): (&ComponentName, &Begun, &Arc<Builders>),
        log: &DeploymentLog,
        stop: &CancellationToken,
    ) -> Result<Self, StageError> {
        let release = &prepared.release;
        let component = release.stack.components.get(name);
        let part = release.parts.get(name);
        let (Some(component), Some(part)) = (component, part) else {
            return Err(StageError::host(format!("{name} is not in release {}", release.id)));
        };
        let (Some(mut spec), ImageIdentity::Built { key, tag, anew }) = (component.build.clone(), part.image.clone())
        else {
            return Err(StageError::host(format!("{name} of release {} is not built", release.id)));
        };
        let tree = prepared.tree.clone().ok_or_else(|| {
            let why = format!(
                "{name}: its image {tag} is gone from the engine, and its commit cannot be read to build it anew"
            );
            StageError::Host { why }
        })?;
        // The commit is for people; the content key is what counts.
        let repository = tag.rsplit_once(':').map_or(tag.as_str(), |(repository, _)| repository);
        // Those of the Compose file are given afterwards, where nobody else has them.
        spec.tags = vec![format!("{repository}:commit-{}", release.commit.short())];
        let allowed = deployer.allowed(&release.project);
        let goes_back = deployment.trigger.goes_back();
        if !goes_back {
            spec.cache_from.retain(|from| lists_image(&allowed.images, cache_source(from)));
        }
        let mut labels = BTreeMap::from([
            (label::PROJECT.to_string(), release.project.to_string()),
            (label::COMPONENT.to_string(), name.to_string()),
            (label::COMMIT.to_string(), release.commit.to_string()),
            (label::CONTENT_KEY.to_string(), key.to_string()),
        ]);
        labels.extend(anew.map(|by| (label::BUILT_ANEW_BY.to_string(), by.to_string())));
        let anew = anew == Some(deployment.id);
        let images: BTreeMap<ComponentName, String> = component
            .waits_for_builds_of()
            .into_iter()
            .filter_map(|base| release.parts.get(&base).map(|part| (base.clone(), part.image.reference().to_string())))
            .collect();
        let sources = (!goes_back).then(|| Sources {
            hosts: allowed.build_remote.clone(),
            images: images.values().cloned().chain(allowed.images.clone()).collect(),
        });
        let output = {
            let (log, name) = (log.clone(), name.clone());
            Arc::new(move |line: BuildLine| log.line(Some(&name), &text_of(&line)))
        };
        let request = BuildRequest {
            tree,
            spec,
            dockerfile: None,
            tag,
            project: release.project.clone(),
            sources,
            labels,
            images,
            registries: Arc::new(EngineAccounts {
                engine: deployer.engine.clone(),
                project: release.project.clone(),
                log: log.clone(),
            }),
            mask: log.mask(),
            declared: deployer.mask(),
            pull: anew,
            pulled: false,
            instead: BTreeMap::new(),
            no_cache: anew,
            limits: None,
            cancel: stop.clone(),
            deadline: Instant::now() + deployer.config().limits.build,
            output,
        };
        Ok(Self {
            deployer: deployer.clone(),
            deployment: deployment.id,
            release: release.clone(),
            builders: builders.clone(),
            name: name.clone(),
            begun: begun.clone(),
            request,
            goes_back,
            log: log.clone(),
            stop: stop.clone(),
        })
    }

    /// Waits for it where all have one, and says so.
    async fn slot(&self, asked: Asked) -> Result<Slot, StageError> {
        if let Asked::Has(slot) = asked {
            return Ok(slot);
        }
        self.log.line(Some(&self.name), "waits for a slot to build in (limits.builds in launchway.toml)");
        let subject = format!("a slot to build {}", self.name);
        let wait = self.deployer.works.begin(self.deployment, None, WorkKind::Wait, &subject);
        tokio::select! {
            slot = asked.slot() => {
                wait.ended(WorkOutcome::Done);
                Ok(slot)
            }
            () = self.stop.cancelled() => Err(StageError::Cancelled),
        }
    }

    fn looking(&self) -> Looking<'_> {
        let config = self.deployer.config();
        let limits = &config.limits;
        Looking {
            deployer: &self.deployer,
            project: &self.release.project,
            component: &self.name,
            request: &self.request,
            builders: &self.builders,
            reader: Reader {
                readers: Some(&self.deployer.readers),
                project: &self.release.project,
                cancel: &self.stop,
                most: limits.prepare,
                longest: limits.deploy,
            },
            log: &self.log,
            cancel: &self.stop,
        }
    }

    async fn bases(&self) -> Result<Bases, StageError> {
        match self.goes_back {
            true => Ok(Bases::default()),
            false => self.looking().look().await,
        }
    }

    async fn run(mut self, asked: Asked) -> Result<(), StageError> {
        let slot = self.slot(asked).await?;
        let BuildRequest { tag, spec, .. } = &self.request;
        let tags = spec.tags.iter().chain([tag]).cloned().collect();
        // Whoever comes second finds every step in the cache. An engine may also refuse a tag that is given twice at once.
        let _tags = tokio::select! {
            held = self.deployer.building.hold_all(tags) => held,
            () = self.stop.cancelled() => return Err(StageError::Cancelled),
        };
        self.request.deadline = Instant::now() + self.deployer.config().limits.build;
        self.request.limits = self.limit().await;
        if let Some((dockerfile, spec)) = self.looking().named().await? {
            self.request.dockerfile = Some(dockerfile);
            self.request.spec = spec;
        }
        let bases = self.bases().await?;
        self.request.pulled = bases.pulled;
        self.request.instead.clone_from(&bases.instead);
        self.log.line(Some(&self.name), &format!("building {}", self.request.tag));
        let start = Instant::now();
        self.begun.note(&self.name, start);
        let (works, tag) = (&self.deployer.works, &self.request.tag);
        let work = works.begin(self.deployment, Some(&self.name), WorkKind::Build, tag);
        let built = self.deployer.builder.build(self.request).await;
        drop((slot, bases));
        let outcome = match &built {
            Ok(image) if image.cached => Built::Cached,
            Ok(_) => Built::Anew,
            Err(BuildError::Cancelled) => Built::Cancelled,
            Err(_) => Built::Failed,
        };
        self.deployer.metrics.built(&self.release.project, outcome, start.elapsed());
        match &built {
            Ok(image) => work.ended_with(WorkOutcome::Done, image.detail.clone()),
            Err(BuildError::Cancelled) => work.ended(WorkOutcome::Cancelled),
            Err(_) => work.ended(WorkOutcome::Failed),
        }
        let took = start.elapsed().as_secs_f64();
        match built {
            Ok(image) => {
                failpoint("build.built");
                let how = if image.cached { "built, every step from the cache" } else { "built" };
                self.log.line(Some(&self.name), &format!("{how} in {took:.1} s: {}", image.id));
                for (base, digest) in &image.bases {
                    self.log.line(Some(&self.name), &format!("based on {} ({digest})", Quoted(base)));
                }
                note(&self.deployer, &self.release, &self.name, image.id.clone(), image.bases).await?;
                self.deployer.give_further_names(&self.release, &self.name, &image.id, &self.log).await
            }
            Err(BuildError::Cancelled) => Err(StageError::Cancelled),
            Err(error) => {
                self.log.line(Some(&self.name), &error.to_string());
                let last_lines = match &error {
                    BuildError::Failed { last_lines, .. } => last_lines.clone(),
                    _ => Vec::new(),
                };
                let what = match &error {
                    // What it printed last says more than BuildKit does.
                    BuildError::Failed { step: Some(step), last_lines, .. } if !last_lines.is_empty() => {
                        let (number, words) = step_parts(step);
                        let words = words.map(|words| format!("; the step is {}", Quoted(words))).unwrap_or_default();
                        format!("building {} failed at {number}{words}", self.name)
                    }
                    BuildError::Failed { step, message, .. } => {
                        let step = step.as_deref().map(|step| format!(" at {step}")).unwrap_or_default();
                        format!("building {} failed{step}: {message}", self.name)
                    }
                    other => format!("{}: {other}", self.name),
                };
                match error.is_of_the_commit() {
                    true => Err(StageError::Commit { component: Some(self.name.clone()), why: what, last_lines }),
                    // Where it broke off because the engine went away, the build is tried again once that is back.
                    false if is_away(&self.deployer).await => Err(StageError::EngineAway { why: what }),
                    false => Err(StageError::Host { why: what }),
                }
            }
        }
    }
}
