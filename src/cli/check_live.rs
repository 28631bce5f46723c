//! `launchway check --live`: a working copy beside what is live, by the settings of its environment.

use super::check_report::{Report, hidden, of_reading};
use super::client::{Client, block_on};
use super::plan_repository::of_settings;
use super::working_copy::place;
use crate::model::{EnvironmentName, Tree};
use crate::run::read_tree;
use crate::source::WorkingCopy;
use crate::web::wire::{CheckReport, CheckRequest};
use std::path::Path;
use std::sync::Arc;

/// Reads the working copy as the server would read its commit, and asks the server what deploying that would ask about.
///
/// # Errors
/// Settings or a folder that cannot be read, and a server that does not answer.
pub fn check(
    config: &Path,
    folder: &Path,
    (project, environment): (Option<&str>, Option<&EnvironmentName>),
) -> anyhow::Result<Report> {
    let found = place(folder)?;
    let (project, environment, edge) = of_settings(config, project, environment.map(EnvironmentName::as_str))?;
    let tree: Arc<dyn Tree> = Arc::new(WorkingCopy::open(&found.repository)?);
    block_on(async {
        let reading = match read_tree(&project, &environment, edge.as_ref(), tree.clone()).await? {
            Ok(reading) => reading,
            Err(problems) => return Ok(Report::of_problems(problems)),
        };
        let stack = reading.stack.clone();
        let hidden = hidden(&environment.names, &project.name, Some(&environment.name), &stack);
        let mut report = of_reading(reading, &hidden, tree.as_ref());
        let (project, environment) = (Some(project.name.to_string()), Some(environment.name.to_string()));
        let request = CheckRequest { project, environment, stack };
        let CheckReport { asks } = Client::new(config)?.post("/v1/check", &request).await?;
        report.add(asks);
        Ok(report)
    })
}
