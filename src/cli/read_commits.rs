//! `launchway read-commits`: what `serve` starts to read a project's commits (`run::ground::reading`).

use anyhow::Result;
use std::process::ExitCode;

/// Read commits for a server, which asks on standard input
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_: Args) -> Result<ExitCode> {
    crate::run::serve_reader()?;
    Ok(ExitCode::SUCCESS)
}
