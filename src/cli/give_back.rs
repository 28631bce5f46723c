//! `launchway give-back`: an environment goes back to Docker Compose.

use super::client::{Client, block_on};
use super::deploy::How;
use super::which::{Named, Which};
use super::{deploy, who};
use crate::web::wire::StartRequest;
use std::path::Path;
use std::process::ExitCode;

/// Give an environment back to Docker Compose
///
/// Its ports are published by the engine again, its components have their names themselves, and its volumes stay as they
/// are: `docker compose up -d` takes it over. Each port has a short gap, once. From then on nothing is watched or deployed
/// there, until `launchway resume`. Waits for the end.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    how: How,
}

/// Carries the command out and prints what came of it. `config` is the settings file.
///
/// # Errors
/// The server does not answer, or refuses; the message says why.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let client = Client::new(config)?;
        let Args { which, how } = args;
        let Named { project, environment } = which.named()?;
        let request = StartRequest { project, environment, by: who::at_the_command_line() };
        let added = client.post("/v1/give-back", &request).await?;
        deploy::follow(&client, added, how).await
    })
}
