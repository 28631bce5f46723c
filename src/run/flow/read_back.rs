//! Reading back: success is said only after the engine has said of each container what it is.

use crate::engine::Image;
use crate::model::{Observed, ObservedContainer, Release, ReleasePart};
use crate::plan::Target;
use crate::plan::container::{ContentNames, Joined, container_spec};
use crate::plan::unnamed::Unnamed;
use crate::run::flow::deploy::Convergence;
use crate::run::flow::images::says_it_is;
use crate::run::ground::stage_error::StageError;

impl Convergence<'_> {
    /// Every running container of the release runs the release's image, and those that this deployment created have
    /// the settings that were asked for. What an earlier deployment created was compared by that one; which containers
    /// there are, and whether they are healthy, the empty plan has shown.
    pub(in crate::run) async fn read_back(&self, observed: &Observed) -> Result<(), StageError> {
        let Some(release) = self.wanted.release else { return Ok(()) };
        for (name, part) in &release.parts {
            let own = observed.containers.iter().filter(|c| c.component == *name && c.is_running());
            let own: Vec<&ObservedContainer> = own.filter(|container| self.is_of(container, part)).collect();
            if own.is_empty() {
                continue;
            }
            let image = self.deployer.engine.image(part.image.reference()).await?;
            for container in own {
                self.read_image_back(container, part, image.as_ref()).await?;
                if self.wanted.deployment.is_some() && container.deployment == self.wanted.deployment {
                    self.read_settings_back(container, release, observed).await?;
                }
            }
        }
        Ok(())
    }

    /// By its fingerprint: a container belongs to every release that wants it as it is.
    fn is_of(&self, container: &ObservedContainer, part: &ReleasePart) -> bool {
        let Some(fingerprint) = &container.fingerprint else { return false };
        let accepted = self.wanted.accepted.get(&container.component);
        *fingerprint == part.fingerprint || accepted.is_some_and(|accepted| accepted.contains(fingerprint))
    }

    /// What the same engine says of the container and of the image. The image's name may be gone while the container
    /// runs, or stand for a later build of the same content: then the id that was noted counts; and of a container that an
    /// earlier deployment created and read back, what its image says of itself.
    async fn read_image_back(
        &self,
        container: &ObservedContainer,
        part: &ReleasePart,
        image: Option<&Image>,
    ) -> Result<(), StageError> {
        if image.is_some_and(|image| image.id == container.image_id) {
            return Ok(());
        }
        let reference = part.image.reference();
        let noted = self.deployer.store.noted_image(reference).await?;
        if noted.is_some_and(|noted| noted.image_id == container.image_id) {
            return Ok(());
        }
        let is_new = self.wanted.deployment.is_some() && container.deployment == self.wanted.deployment;
        let own = if is_new { None } else { self.deployer.engine.image(&container.image_id).await? };
        if own.is_some_and(|own| says_it_is(&own, &part.image)) {
            return Ok(());
        }
        let what = image.map_or("which the engine does not have", |image| image.id.as_str());
        Err(StageError::host(format!("{} runs image {}, not {reference} ({what})", container.name, container.image_id)))
    }

    async fn read_settings_back(
        &self,
        container: &ObservedContainer,
        release: &Release,
        observed: &Observed,
    ) -> Result<(), StageError> {
        let Some(component) = release.stack.components.get(&container.component) else { return Ok(()) };
        // Which unnamed volumes it got is not compared.
        let (unnamed, names) = ((None, &Unnamed::default()), ContentNames::of(observed));
        // Nor is whose network and processes it shares; but the latter have to be somebody's.
        let owner = component.container.processes_of();
        let owner = observed.containers.iter().find(|other| Some(&other.component) == owner.as_ref());
        let existing = |owner: &ObservedContainer| Target::Existing { id: owner.id.clone(), name: owner.name.clone() };
        let joined = Joined { network: None, processes: owner.map(existing) };
        let spec = container_spec(release, container.deployment, component, container.replica, unnamed, joined, names);
        let differences = self.deployer.engine.differences(&container.id, &spec).await?;
        match differences.is_empty() {
            true => Ok(()),
            false => Err(StageError::host(format!(
                "{} is not as it was asked for; the engine says otherwise of {}",
                container.name,
                differences.join(", ")
            ))),
        }
    }
}
