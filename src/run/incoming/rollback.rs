//! `launchway rollback`: to which release it goes back, what that changes, and doing it.

use crate::config::{Environment, Project};
use crate::model::{DeploymentId, Release, ReleaseId, Tree};
use crate::plan::going_back::{Differences, differences};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::new_key;
use crate::run::ground::refusal::Refusal;
use crate::store::{Deployment, NewDeployment, Trigger};

/// So many releases are named to somebody who named a wrong one.
const LISTED: usize = 20;

/// What going back would do, told before it begins.
#[derive(Debug, Clone)]
pub struct Rollback {
    pub live: Release,
    pub to: Release,
    /// Releases in between that do not differ from the live one, the nearest first.
    pub same: Vec<ReleaseId>,
    pub differences: Differences,
    /// What runs in the environment, and is cancelled.
    pub cancels: Option<DeploymentId>,
}

impl Deployer {
    /// What [`Deployer::ask_to_roll_back`] would do. Without `to` it is the nearest release before the live one that differs
    /// from it; one that does not is refused, as going back to it would do nothing.
    pub async fn plan_rollback(
        &self,
        project: &Project,
        environment: &Environment,
        to: Option<ReleaseId>,
    ) -> Result<Rollback, Refusal> {
        let place = format!("{}/{}", project.name, environment.name);
        let live = self.store.live(&project.name, &environment.name).await?;
        let live = live.ok_or_else(|| Refusal::Impossible(format!("nothing is live in {place}")))?.release;
        let live = self.release(live).await?;
        let cancels =
            self.occupancy.running_in(&(project.name.clone(), environment.name.clone())).map(|running| running.id);
        let Some(to) = to else { return self.nearest_that_differs(live, cancels).await };
        let to = self.release_named(project, environment, live.id, to).await?;
        let to = self.release(to).await?;
        let differences = self.differences(&live, &to);
        // What was begun, or was not put back, is taken back by it all the same.
        let unsettled = self.store.unsettled_in(&project.name, &environment.name).await?;
        if differences.is_empty() && cancels.is_none() && unsettled.is_none() {
            return Err(Refusal::Impossible(match live.id == to.id {
                true => format!("release {} is live already", to.id),
                false => {
                    format!("release {} is the same as release {}, which is live: nothing would change", to.id, live.id)
                }
            }));
        }
        Ok(Rollback { live, to, same: Vec::new(), differences, cancels })
    }

    async fn nearest_that_differs(&self, live: Release, cancels: Option<DeploymentId>) -> Result<Rollback, Refusal> {
        let mut same = Vec::new();
        for id in self.store.releases_before(live.id).await? {
            // One that is forgotten cannot be put back, and differs from nothing.
            let Some(to) = self.store.release(id).await? else { continue };
            let differences = self.differences(&live, &to);
            if !differences.is_empty() {
                return Ok(Rollback { live, to, same, differences, cancels });
            }
            same.push(id);
        }
        Err(Refusal::Impossible(match same.as_slice() {
            [] => format!("release {} is the oldest that was live; there is none to go back to", live.id),
            same => format!(
                "nothing would change: what was live before release {} is the same ({}). `--to` takes any other release that was live",
                live.id,
                listed(same)
            ),
        }))
    }

    fn differences(&self, live: &Release, to: &Release) -> Differences {
        // Where the mirror lacks a commit the reasons are less exact: going back asks nothing of the forge.
        let tree = |release: &Release| self.mirrors.tree(&release.project, &release.commit).ok();
        let (live_tree, tree) = (tree(live), tree(to));
        let live_tree = live_tree.as_ref().map(|tree| tree as &dyn Tree);
        differences((live, live_tree), (to, tree.as_ref().map(|tree| tree as &dyn Tree)))
    }

    /// Goes back to an older release: the one that [`Deployer::plan_rollback`] names. `from`: what was live when somebody was
    /// told of it; where that has changed, nothing is done. What runs or waits there is cancelled: backwards comes first.
    pub async fn ask_to_roll_back(
        &self,
        project: &Project,
        environment: &Environment,
        to: Option<ReleaseId>,
        from: Option<ReleaseId>,
        by: &str,
    ) -> Result<Deployment, Refusal> {
        let plan = self.plan_rollback(project, environment, to).await?;
        if let Some(from) = from.filter(|from| *from != plan.live.id) {
            return Err(Refusal::Impossible(format!(
                "release {} went live in {}/{} meanwhile, in place of release {from}; ask again",
                plan.live.id, project.name, environment.name
            )));
        }
        // All that is said of it was noted when it went live: going back asks nothing of the forge.
        self.go_live_at_once(project, environment, (plan.to.id, plan.to.id), Trigger::Rollback, by).await
    }

    /// Puts a release live that builds nothing and runs no command, before all else. What runs in the environment is
    /// cancelled. `told_as`: the release whose commit and subject are said of it.
    pub(in crate::run) async fn go_live_at_once(
        &self,
        project: &Project,
        environment: &Environment,
        (target, told_as): (ReleaseId, ReleaseId),
        trigger: Trigger,
        by: &str,
    ) -> Result<Deployment, Refusal> {
        let running = self.occupancy.running_in(&(project.name.clone(), environment.name.clone()));
        let release = self.release(target).await?;
        if let Some(running) = running {
            match self.ask_to_cancel(running.id, by).await {
                // It may have ended just now.
                Ok(_) | Err(Refusal::Impossible(_)) => {}
                Err(other) => return Err(other),
            }
        }
        let before = self.store.newest_of_release(told_as).await?;
        let new = NewDeployment {
            project: project.name.clone(),
            environment: environment.name.clone(),
            commit: release.commit.clone(),
            subject: before.as_ref().map(|before| before.subject.clone()).unwrap_or_default(),
            reference: before.and_then(|before| before.reference),
            trigger,
            asked_by: by.to_string(),
            delivery: None,
            release: Some(target),
            page_key: new_key()?,
            rebuild: false,
            pull: false,
            now_reason: None,
            fresh_volumes: Vec::new(),
        };
        Ok(self.enqueue(new).await?)
    }

    async fn release(&self, id: ReleaseId) -> Result<Release, Refusal> {
        let release = self.store.release(id).await?;
        release.ok_or_else(|| Refusal::NotFound(format!("release {id} is not in the store")))
    }

    /// A release that somebody names: it has to have been live in the environment.
    async fn release_named(
        &self,
        project: &Project,
        environment: &Environment,
        live: ReleaseId,
        id: ReleaseId,
    ) -> Result<ReleaseId, Refusal> {
        let known = self.store.releases_once_live(&project.name, &environment.name, u32::MAX).await?;
        if known.contains(&id) {
            return Ok(id);
        }
        let place = format!("{}/{}", project.name, environment.name);
        let fits = |r: &Release| r.project == project.name && r.environment == environment.name;
        let why = match self.store.release(id).await?.filter(fits) {
            Some(_) => format!("release {id} was never live in {place}"),
            None => format!("release {id} is not one of {place}"),
        };
        let others: Vec<ReleaseId> = known.into_iter().filter(|known| *known != live).collect();
        Err(Refusal::NotFound(match others.is_empty() {
            true => format!("{why}; there is none to go back to"),
            false => format!("{why}; those to go back to are {}", listed(&others)),
        }))
    }
}

fn listed(releases: &[ReleaseId]) -> String {
    let names: Vec<String> = releases.iter().take(LISTED).map(ReleaseId::to_string).collect();
    names.join(", ")
}
