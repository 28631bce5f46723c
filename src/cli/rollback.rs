//! `launchway rollback`: puts an earlier release back.

use super::client::{Client, block_on};
use super::deploy::How;
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
    #[command(flatten)]
    how: How,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let client = Client::new(config)?;
        let Args { which: Which { environment, project }, to, how } = args;
        let request = RollbackRequest { project, environment, to, by: who::at_the_command_line() };
        let added = client.post("/v1/rollback", &request).await?;
        deploy::follow(&client, added, how).await
    })
}
