//! What a deployment tells beside its sentence: what it asks, and what the component that failed had said last.

use super::row::to_json;
use super::{Store, StoreError};
use crate::model::{ComponentName, DeploymentId};
use serde::{Deserialize, Serialize};

/// What was said last where a deployment failed, the newest last, without secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastLines {
    /// Who said it: a container of this component, or its build. `None` where the commit's files are what is wrong.
    pub component: Option<ComponentName>,
    pub lines: Vec<String>,
}

impl Store {
    /// Notes what a deployment would leave behind, without secrets.
    pub async fn note_asks(&self, id: DeploymentId, asks: Vec<String>) -> Result<(), StoreError> {
        let asks = to_json(&asks)?;
        self.write("note what is asked", move |c| {
            Box::pin(async move {
                sqlx::query("UPDATE deployments SET asks = ? WHERE id = ?").bind(asks).bind(id.0).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Notes what was said last where a deployment failed.
    pub async fn note_last_lines(&self, id: DeploymentId, last_lines: LastLines) -> Result<(), StoreError> {
        let last_lines = to_json(&last_lines)?;
        self.write("note what was said last", move |c| {
            Box::pin(async move {
                let sql = "UPDATE deployments SET last_lines = ? WHERE id = ?";
                sqlx::query(sql).bind(last_lines).bind(id.0).execute(c).await?;
                Ok(())
            })
        })
        .await
    }
}
