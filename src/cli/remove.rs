//! `launchway remove`: takes away what runs of an environment that left launchway.toml.

use super::client::{Client, block_on};
use super::which::{Named, Which};
use super::{look, who};
use crate::web::wire::{RemoveReport, StartRequest};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Take away what runs of an environment that left launchway.toml
///
/// Its containers and networks go, and what leads to it. Its volumes stay: `docker volume rm` removes them one by one.
/// `launchway status` lists such environments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Say that you know it: volumes stay
    #[arg(long, required = true)]
    keep_volumes: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Asks the server, and prints what it says.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    let Args { which, keep_volumes: _, json } = args;
    let Named { project, environment } = which.named()?;
    block_on(async {
        let request = StartRequest { project, environment, by: who::at_the_command_line() };
        let report: RemoveReport = Client::new(config)?.post("/v1/remove", &request).await?;
        match json {
            true => look::print_json(&report)?,
            false => look::print(&text(&report))?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn text(report: &RemoveReport) -> String {
    let RemoveReport { project, environment, removed, volumes } = report;
    let mut text = match removed.is_empty() {
        true => format!("Nothing of {project}/{environment} ran any more; it is forgotten\n"),
        false => format!("Removed of {project}/{environment}: {}\n", removed.join(", ")),
    };
    if !volumes.is_empty() {
        let _ = writeln!(text, "Its volumes stay: {}", volumes.join(", "));
    }
    text
}
