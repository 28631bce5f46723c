//! `launchway fetch-refs`: what `serve` starts to fetch a project's refs (`source::fetcher`).

use anyhow::Result;
use std::process::ExitCode;

/// Fetch refs for a server, which says on standard input what and where to
#[derive(clap::Args)]
pub struct Args {}

/// Runs it.
pub fn run(_: Args) -> Result<ExitCode> {
    crate::source::serve_fetch()?;
    Ok(ExitCode::SUCCESS)
}
