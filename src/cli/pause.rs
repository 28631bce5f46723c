//! `launchway pause` and `launchway resume`.

use super::client::{Client, block_on};
use super::which::{Named, Which};
use super::{look, who};
use crate::web::wire::{PauseReport, PauseRequest, StartRequest};
use std::path::Path;
use std::process::ExitCode;

/// Stop watching and deploying in an environment
///
/// Pushes wait, and their statuses say so. What runs goes on running; a deployment that has begun goes on to its end, and
/// `launchway rollback` works all the same. Lasts until `launchway resume`, also over restarts.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Why, for those who wait
    #[arg(long)]
    reason: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Watch and deploy again in an environment that was paused
#[derive(Debug, clap::Args)]
pub struct ResumeArgs {
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
        let Args { which, reason, json } = args;
        let Named { project, environment } = which.named()?;
        let request = PauseRequest { project, environment, reason, by: who::at_the_command_line() };
        let report: PauseReport = Client::new(config)?.post("/v1/pause", &request).await?;
        tell(&report, json)
    })
}

/// Carries `launchway resume` out. `config` is the settings file.
///
/// # Errors
/// The server does not answer, or refuses; the message says why.
pub fn resume(config: &Path, args: ResumeArgs) -> anyhow::Result<ExitCode> {
    block_on(async {
        let ResumeArgs { which, json } = args;
        let Named { project, environment } = which.named()?;
        let request = StartRequest { project, environment, by: who::at_the_command_line() };
        let report: PauseReport = Client::new(config)?.post("/v1/resume", &request).await?;
        tell(&report, json)
    })
}

fn tell(report: &PauseReport, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        look::print_json(report)?;
        return Ok(ExitCode::SUCCESS);
    }
    let PauseReport { project, environment, paused } = report;
    look::print(&match paused {
        Some(_) => format!(
            "{project}/{environment} is paused: nothing is watched or deployed there until `launchway resume {environment}`\n"
        ),
        None => format!("{project}/{environment} is watched and deployed to again\n"),
    })?;
    Ok(ExitCode::SUCCESS)
}
