//! A commit that whoever read it died of, twice: it is set aside, so that it holds nobody else up.
//!
//! A reader's death counts for what it was reading. The server's own counts only where the mark still stands that was set
//! before the reading, so that `kill -9`, a power cut or an upgrade blames nobody else. What has begun to change what runs is
//! never set aside: it goes on, or back.

use crate::run::ground::deployer::Deployer;
use crate::run::ground::log::DeploymentLog;
use crate::run::ground::stage_error::StageError;
use crate::store::Deployment;

/// So many deaths are no accident.
const MOST_DEATHS: u32 = 2;

/// Whether a deployment is still at the beginning, where nothing that runs has been changed for it.
pub fn can_be(deployment: &Deployment) -> bool {
    !deployment.trigger.goes_back() && deployment.plan.is_empty() && !deployment.touched
}

/// Ends a deployment that is set aside, before anything of it is read again.
pub async fn refuse(deployer: &Deployer, deployment: &Deployment, log: &DeploymentLog) -> Result<(), StageError> {
    let now = deployer.store.deployment(deployment.id).await?;
    match now {
        Some(now) if can_be(&now) && now.deaths >= MOST_DEATHS => Err(set_aside(log)),
        _ => Ok(()),
    }
}

/// Notes that a reader died of it.
///
/// # Errors
/// Where that was once too often.
pub async fn note_death(
    deployer: &Deployer,
    deployment: &Deployment,
    why: &str,
    log: &DeploymentLog,
) -> Result<(), StageError> {
    let deaths = deployer.store.note_reader_death(deployment.id).await?;
    tracing::warn!(deployment.id = %deployment.id, deaths, why = log.masked(why), "What read a commit ended in the middle of it");
    log.line(None, why);
    match deaths >= MOST_DEATHS {
        true => Err(set_aside(log)),
        false => Ok(()),
    }
}

/// The sentence is short: it is a commit's status as well.
fn set_aside(log: &DeploymentLog) -> StageError {
    log.line(
        None,
        "other deployments go on; push a commit that can be read, or try this one again by `launchway deploy` once the reason is gone",
    );
    StageError::commit("set aside: what read or planned this commit ended twice in the middle of it")
}

impl Deployer {
    /// Once, before anything is begun: what the process before this one may have died of.
    pub async fn count_what_it_died_of(&self) -> Result<(), crate::store::StoreError> {
        for id in self.store.count_marks().await? {
            tracing::warn!(deployment.id = %id, "The process ended while the commit of a deployment was read or planned");
        }
        Ok(())
    }
}
