//! From a deployment's situation to the status that its commit shows.

use crate::model::{CommitStatus, Mask};
use crate::report::texts::{Live, Situation};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::log::DeploymentLog;
use crate::store::{self, Deployment, NewStatus, StatusFor};

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
        self.says(situation, mask)(deployment)
    }

    /// The status for whatever deployment a transaction turns out to be about.
    pub fn says(&self, situation: &Situation, mask: &Mask) -> StatusFor {
        let (state, sentence) = (situation.state(), situation.sentence_masked(mask));
        let (config, url) = (self.config(), self.config().public_url.clone());
        Box::new(move |deployment| {
            let project = config.projects.get(&deployment.project)?;
            Some(NewStatus {
                project: deployment.project.clone(),
                deployment: Some(deployment.id),
                status: CommitStatus {
                    commit: deployment.commit.clone(),
                    context: config.status_context(project, &deployment.environment),
                    state,
                    description: sentence.clone(),
                    target_url: Some(format!("{url}/deployments/{}", deployment.page_key)),
                    reference: deployment.reference.as_ref().map(|reference| reference.short().to_string()),
                },
            })
        })
    }

    /// A further status of a deployment that goes on, and the sentence that describes it.
    pub async fn say(&self, deployment: &Deployment, log: &DeploymentLog, situation: &Situation<'_>) {
        if let Some(status) = self.status(deployment, situation, &log.mask()) {
            if let Err(error) = self.store.queue_status(status, now_ms()).await {
                tracing::warn!(deployment.id = %deployment.id, error = %error, "A status could not be queued");
            }
            self.bells.to_send.notify_one();
        }
        let sentence = situation.sentence_masked(&log.mask());
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
