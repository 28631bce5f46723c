//! What a push would wait for in an environment, said before there is a deployment of it.

use crate::config::{Environment, Project};
use crate::report::texts::{Situation, WaitsFor};
use crate::run::ground::deployer::Deployer;
use crate::run::turn::timing::Asks;
use crate::store::StoreError;

impl Deployer {
    /// Why a push would not be deployed at once, as a sentence: the environment is paused, or its rules hold it; `None` where
    /// nothing but its turn is to be waited for.
    pub async fn push_waits(&self, project: &Project, environment: &Environment) -> Result<Option<String>, StoreError> {
        let mask = self.mask_of(&project.name, &environment.name);
        if let Some(pause) = self.store.pause(&project.name, &environment.name).await? {
            let waits = WaitsFor::Resume { by: &pause.by, reason: pause.reason.as_deref() };
            return Ok(Some(Situation::Waiting(waits).whole(&mask)));
        }
        let held = self.held(project, environment, Asks::of_push()).await?;
        Ok(held.map(|held| held.situation(|situation| situation.whole(&mask))))
    }
}
