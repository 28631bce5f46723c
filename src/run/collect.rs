//! Takes away what is not needed any more: images, files of commits, rows and logs, mirrors, by `[keep]`.
//!
//! What is taken away is planned from a look at the store and the engine (`plan::retention`). In the moment before each
//! thing goes, the store is asked again whether something has come to need it. A deployment notes its release before it
//! looks which images are there ([`crate::run::ground::collecting::Collecting::wait_for_removal`]), so what it finds there stays: a removal either ended
//! before it looked, or knows of its release.

use crate::engine::EngineError;
use crate::model::{Build, DeploymentId, ImageIdentity, Release, ReleaseId, bytes_text};
use crate::plan::container::content_volume_names;
use crate::plan::going_back;
use crate::plan::retention::{
    Collection, Kept, Known, PastRelease, Removal, Removed, Stays, collection, forgettable, is_still_right, kept,
};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::disk_space::Room;
use crate::run::ground::failpoint::failpoint;
use crate::run::ground::ids::now_ms;
use crate::source::LeftMirror;
use crate::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A start has more urgent work.
const AFTER_START: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(3600);
/// Deployments that end together are collected after together.
const AFTER_A_DEPLOYMENT: Duration = Duration::from_secs(3);

/// One thing that went, or would go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    pub what: String,
    pub why: String,
    /// What that freed at most.
    pub size_bytes: Option<u64>,
}

/// What a collection did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collected {
    pub gone: Vec<Gone>,
    pub stays: Vec<Stays>,
    /// What could not be looked at or taken away, and why.
    pub problems: Vec<String>,
    /// All of the engine's, whoever built; absent where it is not known, or nothing is set for it.
    pub build_cache_bytes: Option<u64>,
    /// As it is afterwards.
    pub rooms: Vec<Room>,
}

/// Told of each thing that is taken away.
pub type Progress<'a> = dyn Fn(&str) + Send + Sync + 'a;

/// Collects after the start, after each deployment and every hour, until the process ends.
pub async fn collect_from_time_to_time(deployer: Arc<Deployer>) {
    let mut next = Instant::now() + AFTER_START;
    while !deployer.stop.is_cancelled() {
        tokio::select! {
            () = deployer.stop.cancelled() => return,
            () = deployer.collecting.ended.notified() => {
                next = next.min(Instant::now() + AFTER_A_DEPLOYMENT);
                continue;
            }
            () = tokio::time::sleep_until(next) => next = Instant::now() + EVERY,
        }
        let collected = tokio::select! {
            () = deployer.stop.cancelled() => return,
            collected = deployer.collect(&|_| {}) => collected,
        };
        match collected {
            Ok(Collected { gone, problems, .. }) => {
                for why in problems {
                    tracing::warn!(why = deployer.mask().sentence(&why), "Not all could be collected");
                }
                if !gone.is_empty() {
                    let freed = bytes_text(gone.iter().filter_map(|gone| gone.size_bytes).sum());
                    tracing::info!(
                        things = gone.len(),
                        at_most_freed = freed,
                        "What is not needed any more was removed"
                    );
                }
            }
            Err(error) => tracing::warn!(error = format!("{error:#}"), "Nothing could be collected"),
        }
    }
}

impl Deployer {
    /// Takes away what `[keep]` does not keep.
    pub async fn collect(&self, progress: &Progress<'_>) -> anyhow::Result<Collected> {
        // What is added meanwhile cannot be measured.
        let _changes_the_disk = self.works.disk.begin();
        let collected = self.work_through(false, progress).await?;
        for gone in &collected.gone {
            self.metrics.counted.removed(gone.size_bytes);
        }
        Ok(collected)
    }

    /// What [`Deployer::collect`] would do.
    pub async fn collect_nothing(&self) -> anyhow::Result<Collected> {
        self.work_through(true, &|_| {}).await
    }

    async fn work_through(&self, dry: bool, progress: &Progress<'_>) -> anyhow::Result<Collected> {
        let mut releases = self.collecting.releases.lock().await;
        let mut collected = Collected::default();
        let (known, kept) = self.known(&mut releases).await?;
        let mut there = None;
        match self.holdings().await {
            Ok(holdings) => {
                there = Some(holdings.images.iter().flat_map(|image| image.tags.clone()).collect());
                let Collection { removals, stays } = collection(&known, &kept, &holdings);
                collected.stays = stays;
                for removal in removals {
                    self.take_away(removal, dry, &mut releases, &mut collected, progress).await?;
                }
            }
            Err(error) => collected.problems.push(error.to_string()),
        }
        self.look_after_cache(dry, &mut collected, progress).await;
        // On a full disk the store may not be able to write: by now there is room, and what fails keeps nothing else.
        let mut problems = Vec::new();
        if let Err(error) = self.remove_left_mirrors(dry, &mut collected, progress).await {
            problems.push(format!("mirrors could not be removed: {error:#}"));
        }
        if let Err(error) = self.forget_deployments(&kept, dry, &mut collected, progress).await {
            problems.push(format!("old deployments could not be forgotten: {error:#}"));
        }
        if !dry && let Err(error) = self.forget_rows(there).await {
            problems.push(format!("old rows could not be forgotten: {error}"));
        }
        collected.problems.extend(problems);
        collected.rooms = self.rooms().await;
        Ok(collected)
    }

    /// What the store knows, and which releases are needed now.
    async fn known(&self, read: &mut BTreeMap<ReleaseId, PastRelease>) -> anyhow::Result<(Known, Kept)> {
        // First what is needed: a release that is made in between is then not known at all.
        let needs = self.store.needs().await?;
        let identity = self.store.identity().await?;
        let store = identity.key.store();
        let ids: BTreeSet<ReleaseId> = self.store.release_ids().await?.into_iter().collect();
        read.retain(|id, _| ids.contains(id));
        for id in ids {
            if !read.contains_key(&id)
                && let Some(release) = self.store.release(id).await?
            {
                read.insert(id, past(&release, store));
            }
        }
        let known = Known { releases: read.values().cloned().collect(), noted: self.store.noted_builds().await? };
        let kept = kept(&known.releases, &needs, &self.config().keep, now_ms());
        Ok((known, kept))
    }

    async fn take_away(
        &self,
        removal: Removal,
        dry: bool,
        releases: &mut BTreeMap<ReleaseId, PastRelease>,
        collected: &mut Collected,
        progress: &Progress<'_>,
    ) -> anyhow::Result<()> {
        let what = match &removal.what {
            Removed::Image { id, names, .. } if names.is_empty() => format!("image {id} (it has no name)"),
            Removed::Image { names, .. } => format!("image {}", names.join(", ")),
            Removed::Volume { name } => format!("volume {name}"),
        };
        if !dry {
            let held = self.collecting.removing.clone().lock_owned().await;
            let (known, kept) = self.known(releases).await?;
            if !is_still_right(&removal, &known, &kept) {
                return Ok(());
            }
            progress(&format!("removing {what}"));
            let (engine, taken) = (self.engine.clone(), removal.what.clone());
            // Carried to its end, also where whoever collects is stopped: the engine goes on by itself.
            let removed = self.tasks.spawn(async move {
                let _held = held;
                remove(engine.as_ref(), taken).await
            });
            match removed.await? {
                Ok(()) => failpoint("collect.removed"),
                Err(error) => {
                    collected.problems.push(error.to_string());
                    return Ok(());
                }
            }
        }
        collected.gone.push(Gone { what, why: removal.why, size_bytes: removal.size_bytes });
        Ok(())
    }

    /// `images`: the names that the engine has, where it could say.
    async fn forget_rows(&self, images: Option<Vec<String>>) -> Result<(), StoreError> {
        let before_ms = self.deployments_kept_since(now_ms());
        self.store.forget_deliveries(before_ms).await?;
        match images {
            Some(there) => self.store.forget_images(before_ms, there).await,
            None => Ok(()),
        }
    }

    /// Milliseconds since 1970.
    fn deployments_kept_since(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(i64::try_from(self.config().keep.deployments.as_millis()).unwrap_or(i64::MAX))
    }

    /// Rows first, then what hangs on them: what a crash leaves of that is found the next time.
    async fn forget_deployments(
        &self,
        kept: &Kept,
        dry: bool,
        collected: &mut Collected,
        progress: &Progress<'_>,
    ) -> anyhow::Result<()> {
        let policy = self.config().keep.clone();
        let now = now_ms();
        let old = forgettable(&self.store.past_deployments().await?, kept, &policy, now);
        for id in &old {
            if !dry {
                self.store.forget_deployment(*id).await?;
                failpoint("collect.forgotten");
            }
        }
        let before_ms = self.deployments_kept_since(now);
        let ids = if dry { Vec::new() } else { self.store.release_ids().await? };
        for id in ids.into_iter().filter(|id| !kept.contains_key(id)) {
            let Some(release) = self.store.release(id).await? else { continue };
            if let Some((project, commit)) = self.store.forget_release(&release, before_ms).await? {
                // A mirror that is not there has nothing to forget.
                let _ = self.mirrors.forget(&project, &commit);
            }
        }
        let old: BTreeSet<DeploymentId> = old.into_iter().collect();
        for id in self.logs.all()? {
            let size = self.logs.size(id);
            let is_forgotten = self.store.is_forgotten(id).await?;
            if old.contains(&id) || is_forgotten {
                if !dry {
                    if !is_forgotten {
                        continue;
                    }
                    progress(&format!("removing the log of deployment {id}"));
                    self.logs.remove(id)?;
                }
                let why = format!("it ended more than {} days ago", policy.deployments.as_secs() / 86_400);
                collected.gone.push(Gone { what: format!("deployment {id} and its log"), why, size_bytes: Some(size) });
            }
        }
        Ok(())
    }

    async fn remove_left_mirrors(
        &self,
        dry: bool,
        collected: &mut Collected,
        progress: &Progress<'_>,
    ) -> anyhow::Result<()> {
        let config = self.config();
        let projects: BTreeSet<String> = config.projects.keys().map(ToString::to_string).collect();
        let mirrors = self.mirrors.clone();
        let left = tokio::task::spawn_blocking(move || mirrors.left(&projects)).await??;
        for mirror in left {
            let LeftMirror { name, changed, size_bytes } = &mirror;
            let (what, size_bytes) = (format!("mirror of {name}"), Some(*size_bytes));
            let gone_from = format!("{name} is not in launchway.toml any more");
            let age = SystemTime::now().duration_since(*changed).unwrap_or_default();
            if age < config.keep.deployments {
                let why = format!(
                    "{gone_from}; it goes {} days after its last fetch",
                    config.keep.deployments.as_secs() / 86_400
                );
                collected.stays.push(Stays { what, why, size_bytes });
                continue;
            }
            if !dry {
                progress(&format!("removing the {what}"));
                let mirrors = self.mirrors.clone();
                tokio::task::spawn_blocking(move || mirrors.remove_left(&mirror)).await??;
            }
            collected.gone.push(Gone { what, why: gone_from, size_bytes });
        }
        Ok(())
    }

    /// Its entries carry no labels: without `build-cache` it is left alone, as it may be somebody else's.
    async fn look_after_cache(&self, dry: bool, collected: &mut Collected, progress: &Progress<'_>) {
        // Measuring it may take the engine long.
        let Some(most) = self.config().keep.build_cache else { return };
        match self.engine.build_cache_bytes().await {
            Ok(size) => collected.build_cache_bytes = size,
            Err(error) => collected.problems.push(error.to_string()),
        }
        let Some(size) = collected.build_cache_bytes else { return };
        if size <= most {
            return;
        }
        let mut freed = size - most;
        if !dry {
            progress("pruning the engine's build cache");
            match self.engine.prune_build_cache(most).await {
                Ok(bytes) => freed = bytes,
                Err(error) => return collected.problems.push(error.to_string()),
            }
            collected.build_cache_bytes = Some(size.saturating_sub(freed));
        }
        let why = format!("`keep.build-cache` is {}", bytes_text(most));
        collected.gone.push(Gone {
            what: "build cache, what was not used for longest".into(),
            why,
            size_bytes: Some(freed),
        });
    }
}

async fn remove(engine: &dyn crate::engine::Engine, what: Removed) -> Result<(), EngineError> {
    match what {
        Removed::Volume { name } => engine.remove_content_volume(&name).await.map(drop),
        Removed::Image { id, names, .. } if names.is_empty() => engine.remove_image(&id).await.map(drop),
        Removed::Image { names, .. } => {
            for name in names {
                engine.remove_image(&name).await?;
            }
            Ok(())
        }
    }
}

fn past(release: &Release, store: &str) -> PastRelease {
    let built = |(component, part): (&crate::model::ComponentName, &crate::model::ReleasePart)| match &part.image {
        // What it only uses, another one builds.
        ImageIdentity::Built { .. } if release.stack.uses_anothers_build(component) => None,
        ImageIdentity::Built { key, tag, anew } => {
            let (project, component) = (release.project.clone(), component.clone());
            Some((Build { project, component, key: key.clone(), anew: *anew }, tag.clone()))
        }
        ImageIdentity::Pulled { .. } => None,
    };
    let components = release.stack.components.values();
    PastRelease {
        id: release.id,
        project: release.project.clone(),
        environment: release.environment.clone(),
        builds: release.parts.iter().filter_map(built).collect(),
        volumes: components.flat_map(|component| content_volume_names(component, store)).collect(),
        content: going_back::content(release),
    }
}
