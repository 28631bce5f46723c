//! Further names for what was built (`image:` beside `build:`, `tags`), as far as nobody else has them.

use crate::engine::EngineError;
use crate::model::{
    ComponentName, ImageIdentity, Permissions, ProjectName, Release, full_image_name, is_known_frontend,
    is_launchways_own, lists_image,
};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::log::DeploymentLog;
use crate::run::ground::stage_error::{StageError, in_component};
use std::collections::BTreeSet;

impl Deployer {
    /// What the settings allow a project now; nothing where it has left them.
    pub fn allowed(&self, project: &ProjectName) -> Permissions {
        self.config().projects.get(project).map(|project| project.allow.clone()).unwrap_or_default()
    }

    /// Gives what was built the further names that the Compose file asks for (`image:` beside `build:`, `tags`), as far as
    /// nobody else has them. The log says which it does not get, and why.
    pub async fn give_further_names(
        &self,
        release: &Release,
        name: &ComponentName,
        image_id: &str,
        log: &DeploymentLog,
    ) -> Result<(), StageError> {
        let Some(component) = release.stack.components.get(name) else { return Ok(()) };
        let tags = component.build.iter().flat_map(|build| &build.tags);
        let wanted: BTreeSet<&String> = tags.chain(&component.image).collect();
        for further in wanted {
            let _giving = self.image_names.giving.lock().await;
            if let Some(why) = self.held_by(release, further, image_id).await? {
                let line = format!(
                    "what was built is not named {further}: {why}. `allow.images = [{further:?}]` of the project in \
                     launchway.toml gives it the name"
                );
                log.line(Some(name), &line);
                continue;
            }
            match self.engine.name_image(image_id, further).await {
                Err(error @ EngineError::Refused { .. }) => return Err(in_component(name, error)),
                named => named?,
            }
        }
        Ok(())
    }

    /// Why a name is not given to an image that was built; `None`: it can be.
    async fn held_by(&self, release: &Release, name: &str, image_id: &str) -> Result<Option<String>, StageError> {
        let config = self.config();
        let project = &release.project;
        if is_launchways_own(name) {
            return Ok(Some("Launchway names what it builds by itself".into()));
        }
        if name.contains('@') {
            return Ok(Some("a digest cannot be chosen".into()));
        }
        if lists_image(&self.allowed(project).images, name) {
            return Ok(None);
        }
        let listed: Vec<String> =
            config.projects.values().flat_map(|project| project.allow.frontends.clone()).collect();
        if is_known_frontend(name, &listed) {
            return Ok(Some("it is the name of a frontend of BuildKit".into()));
        }
        let there = self.engine.image(name).await?;
        if let Some(image) = &there {
            let builds = self.store.builds_with_id(&image.id).await?;
            if image.id == image_id || builds.iter().any(|build| build.project == *project) {
                return Ok(None);
            }
            let users = self.engine.containers_of_image(Some(&image.id), name).await?;
            if !users.is_empty() && self.are_of(release, &users).await? {
                // A stack that is taken over, with the images that were built for it by hand.
                return Ok(None);
            }
            return Ok(Some(match builds.first() {
                Some(build) => format!("it names an image that was built for project {}", build.project),
                None => "it names an image that Launchway did not build for this project".into(),
            }));
        }
        let users = self.engine.containers_of_image(None, name).await?;
        if !users.is_empty() && !self.are_of(release, &users).await? {
            return Ok(Some("containers of somebody else were made of an image of this name".into()));
        }
        let full_name = full_image_name(name);
        let other = match self.image_names.other_at(project, &full_name) {
            Some(other) => Some(other),
            None => self.project_that_names(project, &full_name).await?,
        };
        if let Some(other) = other {
            return Ok(Some(format!("project {other} uses the image of this name")));
        }
        // `docker run alpine` of whoever is on the host would run it.
        let is_official = full_name.starts_with("docker.io/library/");
        Ok(is_official.then(|| "a name without a slash is one of Docker Hub's official images".to_string()))
    }

    /// Whether all containers are of the release's environment.
    async fn are_of(&self, release: &Release, containers: &[String]) -> Result<bool, StageError> {
        let config = self.config();
        let Some((project, environment)) = config.environment(&release.project, &release.environment) else {
            return Ok(false);
        };
        let observed = self.engine.observe(&crate::run::ground::place::scope(project, environment)).await?;
        Ok(containers.iter().all(|id| observed.containers.iter().any(|own| own.id == *id)))
    }

    /// Another project that uses or builds on the image of a name.
    async fn project_that_names(
        &self,
        project: &ProjectName,
        full_name: &str,
    ) -> Result<Option<ProjectName>, StageError> {
        for id in self.store.releases_in_use().await? {
            let Some(other) = self.store.release(id).await?.filter(|other| other.project != *project) else { continue };
            for part in other.parts.values() {
                let names = match &part.image {
                    ImageIdentity::Pulled { reference, .. } => full_image_name(reference) == full_name,
                    ImageIdentity::Built { tag, .. } => {
                        let noted = self.store.noted_image(tag).await?;
                        noted.is_some_and(|noted| noted.bases.keys().any(|base| full_image_name(base) == full_name))
                    }
                };
                if names {
                    return Ok(Some(other.project));
                }
            }
        }
        Ok(None)
    }
}
