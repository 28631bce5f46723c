//! `launchway rollback`: puts an earlier release back.

use super::client::{Client, block_on};
use super::which::Which;
use super::{deploy, who};
use crate::model::ReleaseId;
use crate::web::wire::RollbackRequest;
use std::path::Path;
use std::process::ExitCode;

/// Put an earlier release back
///
/// Without --to it is the release that was live before the live one. Builds nothing, runs no release commands, and
/// comes first: what runs or waits in the environment is cancelled. Waits for the end.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// The release to put back
    #[arg(long, value_name = "RELEASE")]
    to: Option<ReleaseId>,
    /// Do not wait for the end
    #[arg(long)]
    no_wait: bool,
    /// Print the deployment as JSON: once it has ended, or at once with --no-wait
    #[arg(long)]
    json: bool,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let client = Client::new(config)?;
        let Args { which: Which { environment, project }, to, no_wait, json } = args;
        let request = RollbackRequest { project, environment, to, by: who::at_the_command_line() };
        let added = client.post("/v1/rollback", &request).await?;
        deploy::follow(&client, added, no_wait, json).await
    })
}
