//! Accounts of registries, for whoever needs one.

use crate::build::Accounts;
use crate::engine::Engine;
use crate::model::{ProjectName, RegistryCredentials};
use crate::run::ground::log::DeploymentLog;
use std::sync::Arc;

/// What the engine would sign in with when it pulls for the project serves the project's builds too.
pub struct EngineAccounts {
    pub engine: Arc<dyn Engine>,
    pub project: ProjectName,
    pub log: DeploymentLog,
}

#[async_trait::async_trait]
impl Accounts for EngineAccounts {
    async fn of(&self, registry: &str) -> Option<RegistryCredentials> {
        match self.engine.account(registry, &self.project).await {
            Ok(account) => account,
            Err(error) => {
                // The registry may not insist; if it does, the build's own error follows.
                self.log.line(None, &format!("going on without an account at {registry}: {error}"));
                None
            }
        }
    }
}
