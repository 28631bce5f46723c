//! `launchway abort`: the deployment that runs in an environment is stopped, and the old release put back.

use super::cancel;
use super::client::{Client, block_on};
use super::which::{Named, Which, WhichDeployment};
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
    #[command(flatten)]
    which: Which,
    /// Do not wait for the end
    #[arg(long)]
    no_wait: bool,
    /// Print the deployment as JSON
    #[arg(long)]
    json: bool,
}

/// Carries the command out and prints what came of it. `config` is the settings file.
///
/// # Errors
/// The server does not answer, or refuses; the message says why.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    let Args { which, no_wait, json } = args;
    let named = which.named()?;
    let id = block_on(async {
        let status: StatusReport = Client::new(config)?.get("/v1/status", &[]).await?;
        running(&status, &named)
    })?;
    cancel::run(config, cancel::Args { deployment: Some(WhichDeployment::Id(id)), no_wait, json })
}

fn running(status: &StatusReport, named: &Named) -> anyhow::Result<DeploymentId> {
    let here: Vec<_> =
        status.environments.iter().filter(|e| named.fits(e.project.as_str(), e.environment.as_str())).collect();
    if here.is_empty() {
        let known = status.environments.iter().map(|e| format!("{}/{}", e.project, e.environment));
        bail!("there is no such environment; there are {}", known.collect::<Vec<_>>().join(", "));
    }
    let found: Vec<_> = here.iter().filter_map(|environment| environment.running.as_ref()).collect();
    match found.as_slice() {
        [] => {
            let names: Vec<String> = here.iter().map(|e| format!("{}/{}", e.project, e.environment)).collect();
            bail!("no deployment runs in {}", names.join(", "))
        }
        [only] => Ok(only.id),
        several => {
            let names: Vec<String> = several.iter().map(|d| format!("{}/{}", d.project, d.environment)).collect();
            bail!("several run; name one: {}", names.join(", "))
        }
    }
}
