//! What hides an environment's secrets: those of the settings, and those that its releases brought into containers by files and
//! variables.
//!
//! What a release holds stands in the store, so it is known again after a restart, also of a release that an earlier version
//! made. It is learnt from there: at the start of what is live, open and newest, and of older ones before they are shown.

use crate::config::{Config, Environment};
use crate::model::{CommitId, EnvironmentName, Hidden, Mask, MaskNames, ProjectName, Release, ReleaseId, Sieve, Stack};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::masks::Known;
use crate::run::ground::place::Place;
use crate::store::{Deployment, StoreError};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// So many of an environment's newest releases are learnt at the start.
const NEWEST: u32 = 5;

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

    /// The same for what is said of a release.
    pub async fn mask_of_release(&self, release: &Release) -> Mask {
        self.learn((&release.project, &release.environment), [release.id]).await;
        self.mask_of(&release.project, &release.environment)
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
        self.hide((project, environment), &hidden, |known| {
            known.unreleased.insert(commit.clone(), hidden.clone());
        });
        hidden
    }

    /// Hides from now on what the files hold that the settings give an environment: whoever reads a commit is given them, and may
    /// break off with a word of theirs. A file that cannot be read is the reader's to tell.
    pub fn hide_files(&self, project: &ProjectName, environment: &Environment) {
        let read = |(path, file): (&String, &PathBuf)| Some((path.clone(), std::fs::read(file).ok()?));
        let files: BTreeMap<String, Vec<u8>> = environment.files.iter().filter_map(read).collect();
        let mut sieve = Sieve::new(&environment.names);
        sieve.place(project, &environment.name);
        sieve.outside_files(&files);
        self.hide((project, &environment.name), &sieve.done(), |_| ());
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
    pub(in crate::run) fn learn_anew(&self) {
        self.masks.settings_changed();
        self.tell_what_is_hidden();
        let Some(deployer) = self.itself.upgrade() else { return };
        self.tasks.spawn(async move {
            let places: Vec<Place> = deployer.masks.lock().keys().cloned().collect();
            for place in places {
                let releases: Vec<ReleaseId> = {
                    let all = deployer.masks.lock();
                    all.get(&place).map(|known| known.releases.iter().copied().collect()).unwrap_or_default()
                };
                let mut anew = Known::default();
                for id in releases {
                    if let Ok(Some((_, hidden))) = deployer.hidden_of(id).await {
                        anew.releases.insert(id);
                        anew.hidden.add(&hidden);
                    }
                }
                deployer.masks.replace(place, anew);
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
                    let (release, hidden) = found.unzip();
                    self.hide((project, environment), &hidden.unwrap_or_default(), |known| {
                        known.releases.insert(id);
                        release.iter().for_each(|release| drop(known.unreleased.remove(&release.commit)));
                    });
                }
                Err(error) => {
                    tracing::error!(release.id = %id, error = %error, "What is to be hidden of a release cannot be read")
                }
            }
        }
    }

    async fn hidden_of(&self, id: ReleaseId) -> Result<Option<(Release, Hidden)>, StoreError> {
        let Some(release) = self.store.release(id).await? else { return Ok(None) };
        let names = names(&self.config(), &release.project, &release.environment);
        let hidden = Hidden::of_release(&release, &names);
        Ok(Some((release, hidden)))
    }

    fn hide(
        &self,
        (project, environment): (&ProjectName, &EnvironmentName),
        hidden: &Hidden,
        note: impl FnOnce(&mut Known),
    ) {
        let is_new = {
            let mut all = self.masks.lock();
            let known = all.entry((project.clone(), environment.clone())).or_default();
            note(known);
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

    /// What hides the secrets of all environments: for the operator, who may hear of any of them.
    pub fn mask_of_all(&self) -> Mask {
        let mut all = Hidden::default();
        for project in self.config().projects.values() {
            for environment in project.environments.values() {
                all.add(&environment.hidden());
            }
        }
        for known in self.masks.lock().values() {
            all.add(&known.hidden);
        }
        self.mask().and(&all.mask())
    }

    fn tell_what_is_hidden(&self) {
        if let Some(hide) = self.masks.hide.get() {
            hide(&self.mask_of_all());
        }
    }
}

fn names(config: &Config, project: &ProjectName, environment: &EnvironmentName) -> MaskNames {
    config.environment(project, environment).map(|(_, environment)| environment.names.clone()).unwrap_or_default()
}
