//! From a deployment's situation to the status that its commit shows.

use crate::model::{EnvironmentName, Mask, ProjectName};
use crate::report::texts::{Live, Situation};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::log::DeploymentLog;
use crate::store::{self, Announced, Deployment, NewStatus, StatusText};

impl Deployer {
    /// The page of a deployment.
    pub fn page(&self, page_key: &str) -> String {
        format!("{}/deployments/{page_key}", self.config().public_url)
    }

    /// The page of a delivery.
    pub fn delivery_page(&self, page_key: &str) -> String {
        format!("{}/deliveries/{page_key}", self.config().public_url)
    }

    /// The status that says a situation, on the deployment's commit.
    pub fn status(&self, deployment: &Deployment, situation: &Situation, mask: &Mask) -> Option<NewStatus> {
        let said = self.says((&deployment.project, &deployment.environment), situation, mask);
        said.status.map(|status| status.of(deployment))
    }

    /// What a situation says of whatever deployment in the environment a transaction turns out to be about. There is no status
    /// for a project that is not in launchway.toml.
    pub fn says(
        &self,
        (project, environment): (&ProjectName, &EnvironmentName),
        situation: &Situation,
        mask: &Mask,
    ) -> Announced {
        let config = self.config();
        let status = config.projects.get(project).map(|project| StatusText {
            context: config.status_context(project, environment),
            state: situation.state(),
            description: situation.brief(mask),
            pages: format!("{}/deployments", config.public_url),
        });
        Announced { sentence: situation.whole(mask), status }
    }

    /// A further status of a deployment that goes on, and the sentence that describes it.
    pub async fn say(&self, deployment: &Deployment, log: &DeploymentLog, situation: &Situation<'_>) {
        if let Some(status) = self.status(deployment, situation, &log.mask()) {
            if let Err(error) = self.store.queue_status(status, now_ms()).await {
                tracing::warn!(deployment.id = %deployment.id, error = %error, "A status could not be queued");
            }
            self.bells.to_send.notify_one();
        }
        let sentence = situation.whole(&log.mask());
        if let Err(error) = self.store.describe(deployment.id, sentence).await {
            tracing::warn!(deployment.id = %deployment.id, error = %error, "A deployment could not be described");
        }
    }

    /// What is live in the deployment's environment, for the end of a sentence.
    pub async fn live_in(&self, deployment: &Deployment) -> Live<'static> {
        match self.store.live(&deployment.project, &deployment.environment).await {
            Ok(Some(store::Live { release, .. })) => Live::Release(release),
            _ => Live::Nothing,
        }
    }
}
