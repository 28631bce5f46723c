//! `GET /v1/insights`.

use crate::model::{EnvironmentName, ProjectName};
use crate::plan::insights::Insights;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InsightsReport {
    /// How many days were looked at.
    pub days: u32,
    /// By project and name.
    pub environments: Vec<EnvironmentInsights>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnvironmentInsights {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    /// Deployments that ended in these days and are in the figures.
    pub deployments: usize,
    /// There were more: only the newest are in the figures.
    pub more: bool,
    #[serde(flatten)]
    pub insights: Insights,
}
