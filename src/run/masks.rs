//! What hides an environment's secrets: those of the settings, and those that its releases brought into containers by files and
//! variables.
//!
//! What a release holds stands in the store, so it is known again after a restart, also of a release that an earlier version
//! made. It is learnt from there: at the start of what is live, open and newest, and of older ones before they are shown.

use super::deployer::{Deployer, Place};
use crate::config::Config;
use crate::model::{CommitId, EnvironmentName, Hidden, Mask, MaskNames, ProjectName, ReleaseId, Stack};
use crate::store::{Deployment, StoreError};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// So many of an environment's newest releases are learnt at the start.
const NEWEST: u32 = 5;

/// Hears what is to be hidden wherever any environment is spoken of: in the server's log.
pub type Hide = Box<dyn Fn(&Mask) + Send + Sync>;

#[derive(Default)]
pub struct Masks {
    known: Mutex<HashMap<Place, Known>>,
    /// Of all environments of a project, where nothing has changed since it was made: each delivery asks.
    of_projects: Mutex<HashMap<ProjectName, Mask>>,
    /// How often anything has changed: what was made before a change is not kept.
    changes: AtomicU64,
    hide: OnceLock<Hide>,
}

/// What is known of an environment.
#[derive(Default)]
struct Known {
    releases: BTreeSet<ReleaseId>,
    hidden: Hidden,
    /// Absent: to be made anew.
    mask: Option<Mask>,
}

impl Masks {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Place, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on `hide` hears of it.
    pub fn tell(&self, hide: Hide) {
        let _ = self.hide.set(hide);
    }

    /// The settings have changed: what they declare, and what they say of names.
    pub fn settings_changed(&self) {
        self.lock().values_mut().for_each(|known| known.mask = None);
        self.changed();
    }

    fn changed(&self) {
        let mut of_projects = self.of_projects();
        self.changes.fetch_add(1, Ordering::Relaxed);
        of_projects.clear();
    }

    fn keep(&self, project: &ProjectName, mask: &Mask, made_at: u64) {
        let mut of_projects = self.of_projects();
        if self.changes.load(Ordering::Relaxed) == made_at {
            of_projects.insert(project.clone(), mask.clone());
        }
    }

    fn of_projects(&self) -> std::sync::MutexGuard<'_, HashMap<ProjectName, Mask>> {
        self.of_projects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deployer {
    /// What hides the secrets of the settings and of an environment, as far as they are known.
    pub fn mask_of(&self, project: &ProjectName, environment: &EnvironmentName) -> Mask {
        let settings = self.mask();
        let config = self.config();
        let mut all = self.masks.lock();
        let known = all.entry((project.clone(), environment.clone())).or_default();
        let made = || {
            let own = config.environment(project, environment).map(|(_, environment)| environment.hidden().mask());
            settings.and(&own.unwrap_or_default()).and(&known.hidden.mask())
        };
        known.mask.get_or_insert_with(made).clone()
    }

    /// The same for what is said of a deployment, whose releases may be older than what is known.
    pub async fn mask_of_deployment(&self, deployment: &Deployment) -> Mask {
        let releases = [deployment.release, deployment.previous];
        self.learn((&deployment.project, &deployment.environment), releases.into_iter().flatten()).await;
        self.mask_of(&deployment.project, &deployment.environment)
    }

    /// What hides the secrets of the settings and of all environments of a project: for its deliveries.
    pub fn mask_of_project(&self, project: &ProjectName) -> Mask {
        if let Some(mask) = self.masks.of_projects().get(project) {
            return mask.clone();
        }
        let made_at = self.masks.changes.load(Ordering::Relaxed);
        let config = self.config();
        let environments = config.projects.get(project).into_iter().flat_map(|project| project.environments.keys());
        let mask = environments.fold(self.mask(), |mask, environment| mask.and(&self.mask_of(project, environment)));
        self.masks.keep(project, &mask, made_at);
        mask
    }

    /// Hides from now on what the stack of a commit holds, which is no release yet. Returns what that is.
    pub fn hide_stack(
        &self,
        (project, environment): (&ProjectName, &EnvironmentName),
        commit: &CommitId,
        stack: &Stack,
    ) -> Hidden {
        let names = names(&self.config(), project, environment);
        let hidden = Hidden::of_stack(project, environment, commit, stack, &names);
        self.hide((project, environment), None, &hidden);
        hidden
    }

    /// Learns what is to be hidden of all environments. What cannot be read is learnt when it is shown.
    pub async fn learn_masks(&self) {
        let config = self.config();
        for project in config.projects.values() {
            for environment in project.environments.values() {
                let place = (&project.name, &environment.name);
                match self.of_interest(place).await {
                    Ok(releases) => self.learn(place, releases).await,
                    Err(error) => {
                        tracing::error!(project = %place.0, environment = %place.1, error = %error, "What is to be hidden of an environment cannot be read");
                    }
                }
            }
        }
        self.tell_what_is_hidden();
    }

    /// After the settings have changed: what was learnt by other names of theirs is learnt anew. Until then it stays hidden.
    pub(super) fn learn_anew(self: &Arc<Self>) {
        self.masks.settings_changed();
        self.tell_what_is_hidden();
        let deployer = self.clone();
        self.tasks.spawn(async move {
            let places: Vec<Place> = deployer.masks.lock().keys().cloned().collect();
            for place in places {
                let releases: Vec<ReleaseId> = {
                    let all = deployer.masks.lock();
                    all.get(&place).map(|known| known.releases.iter().copied().collect()).unwrap_or_default()
                };
                let mut anew = Known::default();
                for id in releases {
                    if let Ok(Some((release, hidden))) = deployer.hidden_of(id).await {
                        anew.releases.insert(release);
                        anew.hidden.add(&hidden);
                    }
                }
                deployer.masks.lock().insert(place, anew);
                deployer.masks.changed();
            }
            deployer.learn_masks().await;
        });
    }

    /// Releases whose secrets anything may show.
    async fn of_interest(
        &self,
        (project, environment): (&ProjectName, &EnvironmentName),
    ) -> Result<Vec<ReleaseId>, StoreError> {
        let mut releases = self.store.newest_releases(project, environment, NEWEST).await?;
        releases.extend(self.store.live(project, environment).await?.map(|live| live.release));
        let open = self.store.open_deployments().await?.into_iter();
        let here = open.filter(|open| (&open.project, &open.environment) == (project, environment));
        releases.extend(here.flat_map(|open| [open.release, open.previous]).flatten());
        Ok(releases)
    }

    async fn learn(
        &self,
        (project, environment): (&ProjectName, &EnvironmentName),
        releases: impl IntoIterator<Item = ReleaseId>,
    ) {
        for id in releases {
            let place = (project.clone(), environment.clone());
            if self.masks.lock().get(&place).is_some_and(|known| known.releases.contains(&id)) {
                continue;
            }
            match self.hidden_of(id).await {
                Ok(found) => {
                    let hidden = found.map(|(_, hidden)| hidden).unwrap_or_default();
                    self.hide((project, environment), Some(id), &hidden);
                }
                Err(error) => {
                    tracing::error!(release.id = %id, error = %error, "What is to be hidden of a release cannot be read")
                }
            }
        }
    }

    async fn hidden_of(&self, id: ReleaseId) -> Result<Option<(ReleaseId, Hidden)>, StoreError> {
        let Some(release) = self.store.release(id).await? else { return Ok(None) };
        let names = names(&self.config(), &release.project, &release.environment);
        Ok(Some((id, Hidden::of_release(&release, &names))))
    }

    fn hide(
        &self,
        (project, environment): (&ProjectName, &EnvironmentName),
        release: Option<ReleaseId>,
        hidden: &Hidden,
    ) {
        let is_new = {
            let mut all = self.masks.lock();
            let known = all.entry((project.clone(), environment.clone())).or_default();
            known.releases.extend(release);
            let is_new = known.hidden.add(hidden);
            if is_new {
                known.mask = None;
                self.masks.changed();
            }
            is_new
        };
        if is_new {
            self.tell_what_is_hidden();
        }
    }

    fn tell_what_is_hidden(&self) {
        let Some(hide) = self.masks.hide.get() else { return };
        let mut all = Hidden::default();
        for project in self.config().projects.values() {
            for environment in project.environments.values() {
                all.add(&environment.hidden());
            }
        }
        for known in self.masks.lock().values() {
            all.add(&known.hidden);
        }
        hide(&self.mask().and(&all.mask()));
    }
}

fn names(config: &Config, project: &ProjectName, environment: &EnvironmentName) -> MaskNames {
    config.environment(project, environment).map(|(_, environment)| environment.names.clone()).unwrap_or_default()
}
