//! `launchway start`: starts what somebody stopped by hand.

use super::client::{Client, block_on};
use super::which::{Named, Which};
use super::{look, who};
use crate::web::wire::{StartReport, StartRequest};
use std::path::Path;
use std::process::ExitCode;

/// Start what of the live release does not run
///
/// What somebody stopped by hand stays stopped until this, or the next deployment. Waits until it is ready.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Carries the command out and prints what came of it. `config` is the settings file.
///
/// # Errors
/// The server does not answer, or refuses; the message says why.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let Args { which, json } = args;
        let Named { project, environment } = which.named()?;
        let request = StartRequest { project, environment, by: who::at_the_command_line() };
        let report: StartReport = Client::new(config)?.post("/v1/start", &request).await?;
        if json {
            look::print_json(&report)?;
            return Ok(ExitCode::SUCCESS);
        }
        let StartReport { project, environment, started } = report;
        let names: Vec<&str> = started.iter().map(|name| name.as_str()).collect();
        look::print(&match names.is_empty() {
            true => format!("Nothing of {project}/{environment} had to be started\n"),
            false => format!("Started in {project}/{environment}: {}\n", names.join(", ")),
        })?;
        Ok(ExitCode::SUCCESS)
    })
}
