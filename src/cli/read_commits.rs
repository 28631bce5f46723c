//! `launchway read-commits`: what `serve` starts to read a project's commits (`run::ground::reading`).

use anyhow::Result;
use std::process::ExitCode;

/// Read commits for a server, which asks on standard input
#[derive(clap::Args)]
pub struct Args {}

/// Reads commits for the server that began it, until that closes its standard input.
pub fn run(_: Args) -> Result<ExitCode> {
    crate::run::serve_reader()?;
    Ok(ExitCode::SUCCESS)
}
