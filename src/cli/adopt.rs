//! `launchway adopt`.

use super::client::{Client, block_on};
use super::which::{Named, Which};
use super::{look, who};
use crate::web::wire::{AdoptReport, AdoptRequest};
use std::path::Path;
use std::process::ExitCode;

/// Take what another Launchway made for an environment
///
/// After a new beginning with an empty data directory the containers, networks and volumes of before belong to a store that is
/// gone, and a deployment ends before it touches them. This takes them over: those under the environment's Compose project.
/// Nothing is stopped or removed by it; the next deployment goes on from there, and goes back to them where it fails. A Launchway
/// that still runs with the other store goes on believing that they are its own: stop it first.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// The id of the other Launchway's store, as the deployment that ended names it; needed where there are several
    #[arg(long, value_name = "STORE")]
    from: Option<String>,
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
        let Args { which, from, json } = args;
        let Named { project, environment } = which.named()?;
        let request = AdoptRequest { project, environment, from, by: who::at_the_command_line() };
        let report: AdoptReport = Client::new(config)?.post("/v1/adopt", &request).await?;
        if json {
            look::print_json(&report)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut text = format!("{}/{} has taken over:\n", report.project, report.environment);
        for thing in &report.adopted {
            text.push_str(&format!("  {} {}\n", thing.kind, thing.name));
        }
        look::print(text.trim_end())?;
        Ok(ExitCode::SUCCESS)
    })
}
