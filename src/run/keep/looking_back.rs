//! What an earlier version, which sealed nothing, made on the engine: recorded once, before anything is looked at.

use crate::config::{Environment, Project};
use crate::engine::EngineError;
use crate::model::{Holdings, Observed};
use crate::plan::looking_back::Past;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::place::scope;
use crate::store::{Came, StoreError};

impl Deployer {
    /// What the engine has of an environment, without its edge and what its fronts say.
    pub async fn snapshot(&self, project: &Project, environment: &Environment) -> Result<Observed, EngineError> {
        self.look_back().await?;
        self.engine.observe(&scope(project, environment)).await
    }

    pub(in crate::run) async fn holdings(&self) -> Result<Holdings, EngineError> {
        self.look_back().await?;
        self.engine.holdings().await
    }

    /// An engine that is away is asked again by the next who looks.
    pub(in crate::run) async fn look_back(&self) -> Result<(), EngineError> {
        self.looked_back.get_or_try_init(|| self.record_what_was_made()).await.map(drop)
    }

    async fn record_what_was_made(&self) -> Result<(), EngineError> {
        let failed = |error: StoreError| EngineError::Refused {
            attempted: "note what an earlier version made on the engine".into(),
            why: error.to_string(),
        };
        if self.store.identity().await.map_err(failed)?.looked_back {
            return Ok(());
        }
        let mut past = Past::new(self.store.newest_deployment().await.map_err(failed)?);
        for id in self.store.release_ids().await.map_err(failed)? {
            if let Some(release) = self.store.release(id).await.map_err(failed)? {
                past.add(&release);
            }
        }
        let unsealed = self.engine.unsealed().await?;
        let found = unsealed.len();
        let made = past.made(unsealed);
        let (known, names) = (made.len(), made.iter().map(|thing| thing.name.clone()).collect::<Vec<_>>().join(", "));
        self.store.own(made.clone(), Came::Earlier, now_ms()).await.map_err(failed)?;
        self.engine.record(made);
        if found > 0 {
            tracing::info!(
                known,
                unknown = found - known,
                names,
                "What an earlier version of Launchway made on the engine is known; what only claims to be its own stays alone"
            );
        }
        Ok(())
    }
}
