//! `launchway cancel`: stops a deployment, and puts the environment back.

use super::client::{Client, block_on};
use super::look::{self, Look};
use super::which::WhichDeployment;
use super::{wait, who};
use crate::model::{DeploymentId, DeploymentState};
use crate::web::wire::{CancelRequest, DeploymentDetails, DeploymentSummary, StatusReport};
use anyhow::bail;
use std::path::Path;
use std::process::ExitCode;

/// Stop a deployment, in whatever stage it is, and put the environment back
///
/// Waits until that is done. Exits 0 when it ended cancelled, and 1 when it ended otherwise before it could be stopped.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment's number, or its number in its environment (production#12); not needed while only one runs or waits
    pub(super) deployment: Option<WhichDeployment>,
    /// Do not wait for the end
    #[arg(long)]
    pub(super) no_wait: bool,
    /// Print the deployment as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Carries the command out and prints what came of it. `config` is the settings file.
///
/// # Errors
/// The server does not answer, or refuses; the message says why.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let client = Client::new(config)?;
        let id = match &args.deployment {
            Some(named) => named.id(&client).await?,
            None => only_open(&client.get("/v1/status", &[]).await?)?,
        };
        let request = CancelRequest { by: who::at_the_command_line() };
        let mut details: DeploymentDetails = client.post(&format!("/v1/deployments/{id}/cancel"), &request).await?;
        if !args.no_wait {
            details = wait::until_end(&client, details).await?;
        }
        match args.json {
            true => look::print_json(&details)?,
            false if args.no_wait => look::print(&format!("Deployment {id} is being cancelled\n"))?,
            false => look::print(&wait::ended(&details, &Look::of_stdout()))?,
        }
        let is_done = args.no_wait || details.summary.state == DeploymentState::Cancelled;
        Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// What runs, where only one does; else what waits, where only one does.
fn only_open(status: &StatusReport) -> anyhow::Result<DeploymentId> {
    let running: Vec<&DeploymentSummary> = status.environments.iter().filter_map(|e| e.running.as_ref()).collect();
    let waiting: Vec<&DeploymentSummary> = status.environments.iter().flat_map(|e| &e.waiting).collect();
    let open = if running.is_empty() { waiting } else { running };
    match open.as_slice() {
        [] => bail!("no deployment runs or waits"),
        [only] => Ok(only.id),
        several => {
            let names: Vec<String> =
                several.iter().map(|d| format!("{} ({}/{}, {})", d.id, d.project, d.in_place(), d.state)).collect();
            bail!("several could be meant; name one: {}", names.join(", "))
        }
    }
}
