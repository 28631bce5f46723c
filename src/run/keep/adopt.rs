//! `launchway adopt`: an environment takes what another Launchway made under its Compose project.

use crate::config::{Environment, Project};
use crate::model::{AnotherStore, Recorded, label};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::refusal::Refusal;
use crate::store::{Action, Came};

impl Deployer {
    /// From now on what carries Launchway's labels under the environment's Compose project, and is not this store's, is: such
    /// as after a new beginning with an empty store. Nothing is touched; the next deployment replaces what it does not
    /// want. Returns it.
    pub async fn ask_to_adopt(
        &self,
        project: &Project,
        environment: &Environment,
        by: &str,
    ) -> Result<Vec<Recorded>, Refusal> {
        let away = |error: crate::engine::EngineError| Refusal::Impossible(error.to_string());
        self.look_back().await.map_err(away)?;
        let found = self.engine.unsealed().await.map_err(away)?;
        let things: Vec<Recorded> =
            found.into_iter().filter_map(|thing| adopted(thing, project, environment)).collect();
        if things.is_empty() {
            return Err(Refusal::Impossible(format!(
                "there is nothing to adopt for {}/{}: nothing on the engine carries the labels of another Launchway under the Compose project {}",
                project.name, environment.name, environment.compose_project
            )));
        }
        self.store.own(things.clone(), Came::Adopted, now_ms()).await?;
        self.engine.record(things.clone());
        let place = (project.name.clone(), environment.name.clone());
        let names: Vec<&str> = things.iter().map(|thing| thing.name.as_str()).collect();
        self.store.note_audit(self.audited(by, Action::Adopt, place.clone(), None, Some(names.join(", ")))).await?;
        self.keeping.look_at(&place, std::time::Duration::ZERO);
        Ok(things)
    }
}

/// Numbers of releases and deployments are the other store's, and mean something else in this one.
fn adopted(thing: Recorded, project: &Project, environment: &Environment) -> Option<Recorded> {
    let another = AnotherStore::of_labels(&thing.labels)?;
    if another.compose_project != environment.compose_project {
        return None;
    }
    let mut labels = thing.labels.clone();
    for key in
        [label::SEAL, label::RELEASE, label::DEPLOYMENT, label::COMMIT, label::EDGE_ADDRESS, label::EDGE_ADDRESS_6]
    {
        labels.remove(key);
    }
    labels.insert(label::PROJECT.into(), project.name.to_string());
    labels.insert(label::ENVIRONMENT.into(), environment.name.to_string());
    Some(Recorded { labels, ..thing })
}
