//! What a delivery asks for that is done already, as far as can be known without asking the repository.

use crate::config::Project;
use crate::model::{CommitId, RefChange};
use crate::run::ground::deployer::Deployer;
use crate::store::StoreError;

impl Deployer {
    /// Why nothing will start for a change in any environment of the project: its commit is live, or older than what
    /// is live. A force push back to an older commit is not older: its tip is the newest.
    pub async fn already(&self, project: &Project, change: &RefChange) -> Result<Option<String>, StoreError> {
        let Some(named) = self.named_commit(project, change).await else { return Ok(None) };
        if !self.deployed_commits.has(&project.name, &named) {
            return Ok(None);
        }
        let open = self.store.open_deployments().await?;
        let mut reasons = Vec::new();
        for environment in project.wanting(&change.reference) {
            if open.iter().any(|d| d.project == project.name && d.environment == environment.name) {
                return Ok(None);
            }
            let Some(live) = self.store.live(&project.name, &environment.name).await? else { return Ok(None) };
            let Some(release) = self.store.release(live.release).await? else { return Ok(None) };
            let commit = named.short();
            if release.commit == named {
                reasons.push(format!("{commit} is live already in {} (release {})", environment.name, release.id));
            } else if self.is_older(project, change, &release.commit).await {
                reasons.push(format!(
                    "{commit} is older than {}, which is live in {} (release {})",
                    release.commit.short(),
                    environment.name,
                    release.id
                ));
            } else {
                return Ok(None);
            }
        }
        Ok((!reasons.is_empty()).then(|| reasons.join("; ")))
    }

    /// The commit that a change names. Of a tag of which the forge does not say it, the mirror may know it from before.
    async fn named_commit(&self, project: &Project, change: &RefChange) -> Option<CommitId> {
        if let Some(known) = change.known_commit() {
            return Some(known.clone());
        }
        let (mirrors, project, object) = (self.mirrors.clone(), project.name.clone(), change.after.clone());
        let peeled = tokio::task::spawn_blocking(move || mirrors.peeled(&project, &object)).await;
        peeled.ok()?.ok()?
    }

    /// Whether the change went forwards to a commit that lies behind the live one.
    async fn is_older(&self, project: &Project, change: &RefChange, live: &CommitId) -> bool {
        let Some(before) = change.before.clone() else { return false };
        let (mirrors, project, change, live) =
            (self.mirrors.clone(), project.name.clone(), change.clone(), live.clone());
        let older = move || {
            Ok::<_, crate::source::MirrorError>(
                mirrors.is_ancestor(&project, &change.commit, &live)?
                    && mirrors.contains(&project, &change.reference, &live)?
                    && mirrors.is_ancestor(&project, &before, &change.commit)?,
            )
        };
        matches!(tokio::task::spawn_blocking(older).await, Ok(Ok(true)))
    }
}
