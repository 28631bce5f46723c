//! Whose the names of images are. Anybody can write a label or choose a name; what counts is what the store noted of the
//! images that were built, by their ids.

use crate::engine::Image;
use crate::model::{ProjectName, full_image_name, label};
use crate::store::{Store, StoreError};
use std::sync::{Arc, Mutex, PoisonError};

/// Which names builds are just now told to begin from.
#[derive(Default)]
pub struct ImageNames {
    /// Held while a name is given, and while somebody makes sure of what one names.
    pub giving: tokio::sync::Mutex<()>,
    begun_from: Arc<Mutex<Vec<(ProjectName, String)>>>,
}

/// Until it is dropped, nobody else's build is given the name.
pub struct BegunFrom {
    all: Arc<Mutex<Vec<(ProjectName, String)>>>,
    own: (ProjectName, String),
}

impl ImageNames {
    /// Notes that a build of the project begins from an image of this name, until it is dropped.
    pub fn begin_from(&self, project: &ProjectName, name: &str) -> BegunFrom {
        let own = (project.clone(), full_image_name(name));
        self.begun_from.lock().unwrap_or_else(PoisonError::into_inner).push(own.clone());
        BegunFrom { all: self.begun_from.clone(), own }
    }

    /// Another project whose build begins from the name.
    pub fn other_at(&self, project: &ProjectName, full_name: &str) -> Option<ProjectName> {
        let all = self.begun_from.lock().unwrap_or_else(PoisonError::into_inner);
        let other = all.iter().find(|(other, name)| other != project && name == full_name);
        other.map(|(other, _)| other.clone())
    }
}

impl Drop for BegunFrom {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = all.iter().position(|one| *one == self.own) {
            all.swap_remove(index);
        }
    }
}

/// The other project for which an image was built.
pub async fn built_for_another(
    store: &Store,
    project: &ProjectName,
    image: &Image,
) -> Result<Option<ProjectName>, StoreError> {
    let builds = store.builds_with_id(&image.id).await?;
    if builds.iter().any(|build| build.project == *project) {
        return Ok(None);
    }
    if let Some(build) = builds.into_iter().next() {
        return Ok(Some(build.project));
    }
    // The store may have forgotten it. A label that lies keeps nobody out but whoever wrote it.
    let says = image.labels.get(label::PROJECT).and_then(|name| ProjectName::new(name.clone()).ok());
    Ok(says.filter(|says| says != project && image.repo_digests.is_empty()))
}
