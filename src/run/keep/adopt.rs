//! `launchway adopt`: an environment takes what another Launchway made under its Compose project.

use crate::config::{Environment, Project};
use crate::model::{AnotherStore, Quoted, Recorded, label};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::refusal::Refusal;
use crate::store::{Action, Came};
use std::collections::BTreeSet;

impl Deployer {
    /// From now on what carries Launchway's labels under the environment's Compose project, and is not this store's, is: such
    /// as after a new beginning with an empty store. Nothing is touched; the next deployment replaces what it does not
    /// want. Returns it.
    pub async fn ask_to_adopt(
        &self,
        project: &Project,
        environment: &Environment,
        from: Option<&str>,
        by: &str,
    ) -> Result<Vec<Recorded>, Refusal> {
        let away = |error: crate::engine::EngineError| Refusal::Impossible(error.to_string());
        self.look_back().await.map_err(away)?;
        let found = self.engine.unsealed().await.map_err(away)?;
        let under_it: Vec<(AnotherStore, Recorded)> = found
            .into_iter()
            .filter_map(|thing| Some((AnotherStore::of_labels(&thing.labels)?, thing)))
            .filter(|(another, _)| another.compose_project == environment.compose_project)
            .collect();
        let stores: BTreeSet<Option<&str>> = under_it.iter().map(|(another, _)| another.id.as_deref()).collect();
        if stores.is_empty() {
            return Err(Refusal::Impossible(format!(
                "there is nothing to adopt for {}/{}: nothing on the engine carries the labels of another Launchway under the Compose project {}",
                project.name, environment.name, environment.compose_project
            )));
        }
        let wanted = one_store(&stores, from).map_err(Refusal::Impossible)?.map(str::to_string);
        let things: Vec<Recorded> = under_it
            .into_iter()
            .filter(|(another, _)| another.id == wanted)
            .map(|(_, thing)| adopted(thing, project, environment))
            .collect();
        self.store.own(things.clone(), Came::Adopted, now_ms()).await?;
        self.engine.record(things.clone());
        let place = (project.name.clone(), environment.name.clone());
        let names: Vec<&str> = things.iter().map(|thing| thing.name.as_str()).collect();
        self.store.note_audit(self.audited(by, Action::Adopt, place.clone(), None, Some(names.join(", ")))).await?;
        self.keeping.look_at(&place, std::time::Duration::ZERO);
        Ok(things)
    }
}

/// Which of the stores is meant; `None` is one that an earlier version had, and that names itself nowhere.
fn one_store<'s>(stores: &BTreeSet<Option<&'s str>>, from: Option<&str>) -> Result<Option<&'s str>, String> {
    let names = || -> Vec<&str> { stores.iter().flatten().copied().collect() };
    match from {
        Some(from) => match stores.iter().find(|store| **store == Some(from)) {
            Some(store) => Ok(*store),
            None if names().is_empty() => Err(format!(
                "nothing here is of a store {}: what there is names none. Leave `--from` out",
                Quoted(from)
            )),
            None => Err(format!("nothing here is of a store {}; there are: {}", Quoted(from), names().join(", "))),
        },
        None if stores.len() == 1 => Ok(stores.first().copied().flatten()),
        None => Err(format!(
            "what there is was made by several Launchways; say by `--from` whose it is that is taken: {}",
            names().join(", ")
        )),
    }
}

/// Numbers of releases and deployments are the other store's, and mean something else in this one.
fn adopted(thing: Recorded, project: &Project, environment: &Environment) -> Recorded {
    let mut labels = thing.labels.clone();
    for key in
        [label::SEAL, label::RELEASE, label::DEPLOYMENT, label::COMMIT, label::EDGE_ADDRESS, label::EDGE_ADDRESS_6]
    {
        labels.remove(key);
    }
    labels.insert(label::PROJECT.into(), project.name.to_string());
    labels.insert(label::ENVIRONMENT.into(), environment.name.to_string());
    Recorded { labels, ..thing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_things_are_taken_is_said_where_it_could_be_several() {
        let (one, both) = (BTreeSet::from([Some("a1")]), BTreeSet::from([Some("a1"), Some("b2")]));
        let nameless = BTreeSet::from([None]);
        assert_eq!(one_store(&one, None), Ok(Some("a1")));
        assert_eq!(one_store(&both, Some("b2")), Ok(Some("b2")));
        assert_eq!(one_store(&nameless, None), Ok(None));
        assert!(one_store(&both, None).unwrap_err().contains("--from"));
        assert!(one_store(&both, Some("c3")).unwrap_err().contains("there are: a1, b2"));
        assert!(one_store(&nameless, Some("c3")).unwrap_err().contains("Leave `--from` out"));
    }
}
