//! `launchway promote`: a canary goes on to its next share of the traffic.

use super::client::{Client, block_on};
use super::which::{Named, Which};
use super::{look, who};
use crate::web::wire::{PromoteReport, PromoteRequest};
use std::path::Path;
use std::process::ExitCode;

/// Let a canary that is held go on to its next share of the traffic
///
/// Ends the hold at once, whether it waits for this (`gate: true`, `on-little-traffic: ask`) or not. A release that the
/// verdict finds worse is put back all the same.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Past all holds that are to come too: all of the traffic
    #[arg(long)]
    all: bool,
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
        let Args { which, all, json } = args;
        let Named { project, environment } = which.named()?;
        let by = who::at_the_command_line();
        let request = PromoteRequest { project, environment, to_the_end: all, by };
        let report: PromoteReport = Client::new(config)?.post("/v1/promote", &request).await?;
        if json {
            look::print_json(&report)?;
            return Ok(ExitCode::SUCCESS);
        }
        let PromoteReport { project, environment, deployment, promoted } = report;
        let names: Vec<&str> = promoted.iter().map(|name| name.as_str()).collect();
        let how = if all { "gets all of the traffic" } else { "goes on to its next share" };
        look::print(&format!("Deployment {deployment} in {project}/{environment}: {} {how}\n", names.join(", ")))?;
        Ok(ExitCode::SUCCESS)
    })
}
