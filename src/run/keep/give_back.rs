//! `launchway give-back`: an environment goes back to Docker Compose, with its data as it is.

use crate::config::{Environment, Project};
use crate::model::{ComponentName, Fingerprint, Release, ReleasePart, Stack};
use crate::plan::fingerprint::fingerprint;
use crate::plan::order::levels;
use crate::plan::routing::without_edge;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::refusal::Refusal;
use crate::store::{Deployment, NewRelease, Trigger};
use std::collections::BTreeMap;

/// Why nothing is deployed there any more, until somebody resumes.
const GIVEN_BACK: &str = "given back to Docker Compose";

impl Deployer {
    /// Puts the live release live once more as Compose alone would have it: the engine publishes its ports, no front owns a
    /// name, nothing hangs on the edge's network. Volumes and all other networks stay as they are. From then on the
    /// environment is paused: nothing is watched or deployed there.
    pub async fn ask_to_give_back(
        &self,
        project: &Project,
        environment: &Environment,
        by: &str,
    ) -> Result<Deployment, Refusal> {
        let place = format!("{}/{}", project.name, environment.name);
        let live = self.store.live(&project.name, &environment.name).await?;
        let live = live.ok_or_else(|| Refusal::Impossible(format!("nothing is live in {place}")))?.release;
        let release = self.store.release(live).await?;
        let release = release.ok_or_else(|| Refusal::NotFound(format!("release {live} is not in the store")))?;
        let mut stack = release.stack.clone();
        without_edge(&mut stack);
        let parts = parts(&release, &stack)?;
        self.ask_to_pause(project, environment, Some(GIVEN_BACK.into()), by).await?;
        let new = NewRelease {
            project: release.project.clone(),
            environment: release.environment.clone(),
            commit: release.commit.clone(),
            stack,
            parts,
        };
        let plain = self.store.add_release(new, now_ms()).await?;
        self.go_live_at_once(project, environment, (plain.id, live), Trigger::GiveBack, by).await
    }
}

/// The same images. What reaches a container as before keeps its fingerprint, so that it is not touched.
fn parts(release: &Release, stack: &Stack) -> Result<BTreeMap<ComponentName, ReleasePart>, Refusal> {
    let order = levels(stack).map_err(|cycle| Refusal::Impossible(cycle.to_string()))?;
    let mut fingerprints: BTreeMap<ComponentName, Fingerprint> = BTreeMap::new();
    let mut parts = BTreeMap::new();
    for name in order.into_iter().flatten() {
        let (Some(component), Some(part)) = (stack.components.get(&name), release.parts.get(&name)) else { continue };
        let before = release.stack.components.get(&name);
        let is_same = before.is_some_and(|before| before.container == component.container);
        let part = match is_same {
            true => part.clone(),
            false => {
                let fingerprint = fingerprint(stack, component, &part.image, part.paths.as_deref(), &fingerprints);
                ReleasePart::new(part.image.clone(), fingerprint, part.paths.clone())
            }
        };
        fingerprints.insert(name.clone(), part.fingerprint.clone());
        parts.insert(name, part);
    }
    Ok(parts)
}
