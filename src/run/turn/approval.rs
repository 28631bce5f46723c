//! A yes on the page of a deployment: who says it is known by their code (`approvers` in launchway.toml). The page's
//! address alone, which whoever sees the commit's status has, does not do.

use crate::model::{DeploymentState, Secret};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::refusal::Refusal;
use crate::store::{Deployment, StoreError};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::time::Instant;

impl Deployer {
    /// Whether the page of a deployment asks for a yes: it waits for one, and somebody has a code.
    pub async fn page_asks_for_yes(&self, deployment: &Deployment) -> Result<bool, StoreError> {
        if deployment.state != DeploymentState::Waiting || self.approvers(deployment).is_empty() {
            return Ok(false);
        }
        Ok(self.held_deployment(deployment).await?.is_some_and(|held| held.needs_yes))
    }

    fn approvers(&self, deployment: &Deployment) -> Vec<(String, Secret)> {
        let config = self.config();
        let found = config.environment(&deployment.project, &deployment.environment);
        found.map(|(_, environment)| environment.approvers.clone().into_iter().collect()).unwrap_or_default()
    }

    /// A yes on the page under a key, by whoever has this code; `None` where there is no such page.
    pub async fn approve_on_page(&self, page_key: &str, code: &str) -> Result<Option<Deployment>, Refusal> {
        let Some(deployment) = self.store.deployment_by_key(page_key).await? else { return Ok(None) };
        self.fresh_config().await;
        let now = Instant::now();
        if self.wrong_codes.too_many(page_key, now) {
            let why =
                "too many wrong codes were given here: try again in ten minutes, or `launchway approve` on the server";
            return Err(Refusal::Impossible(why.into()));
        }
        // All are compared, each in constant time.
        let approvers = self.approvers(&deployment);
        let known: Vec<&String> =
            approvers.iter().filter(|(_, known)| is_same(known.expose(), code)).map(|(name, _)| name).collect();
        let Some(name) = known.first() else {
            self.wrong_codes.note(page_key, now);
            tracing::warn!(deployment.id = %deployment.id, "A wrong code was given on the page of a deployment");
            return Err(Refusal::Impossible("that is nobody's code".into()));
        };
        self.ask_to_approve(deployment.id, &format!("{name} on the page")).await.map(Some)
    }
}

/// Takes as long for any code of the same length.
fn is_same(known: &str, code: &str) -> bool {
    let keyed = || Hmac::<Sha256>::new_from_slice(b"an approver's code").ok();
    let Some((known_mac, code_mac)) = keyed().zip(keyed()) else { return false };
    let sum = known_mac.chain_update(known.as_bytes()).finalize().into_bytes();
    code_mac.chain_update(code.as_bytes()).verify_slice(&sum).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_same_or_not() {
        assert!(is_same("0123456789ab", "0123456789ab"));
        assert!(!is_same("0123456789ab", "0123456789aB"));
        assert!(!is_same("0123456789ab", ""));
    }
}
