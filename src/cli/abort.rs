//! `launchway abort`: the deployment that runs in an environment is stopped, and the old release put back.

use super::cancel;
use super::client::{Client, block_on};
use crate::model::DeploymentId;
use crate::web::wire::StatusReport;
use anyhow::bail;
use std::path::Path;
use std::process::ExitCode;

/// Stop the deployment that runs in an environment, and put the old release back
///
/// The same as `launchway cancel`, by the environment's name: all traffic goes back to the old release at once. Waits
/// until that is done.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which environment; not needed while only one deployment runs
    environment: Option<String>,
    /// Which project; not needed where only one has the environment
    #[arg(short, long, value_name = "NAME")]
    project: Option<String>,
    /// Do not wait for the end
    #[arg(long)]
    no_wait: bool,
    /// Print the deployment as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    let Args { environment, project, no_wait, json } = args;
    let id = block_on(async {
        let status: StatusReport = Client::new(config)?.get("/v1/status", &[]).await?;
        running(&status, project.as_deref(), environment.as_deref())
    })?;
    cancel::run(config, cancel::Args { deployment: Some(id), no_wait, json })
}

fn running(status: &StatusReport, project: Option<&str>, environment: Option<&str>) -> anyhow::Result<DeploymentId> {
    let fits = |wanted: Option<&str>, name: &str| wanted.is_none_or(|wanted| wanted == name);
    let all = status.environments.iter().filter_map(|environment| environment.running.as_ref());
    let found: Vec<_> =
        all.filter(|d| fits(project, d.project.as_str()) && fits(environment, d.environment.as_str())).collect();
    match found.as_slice() {
        [] => bail!("no deployment runs{}", environment.map(|name| format!(" in {name}")).unwrap_or_default()),
        [only] => Ok(only.id),
        several => {
            let names: Vec<String> = several.iter().map(|d| format!("{}/{}", d.project, d.environment)).collect();
            bail!("several run; name one: {}", names.join(", "))
        }
    }
}
