//! `launchway edge`: the reverse proxy, until it is told to end.

use super::log::{hide, start_log};
use crate::{config, edge};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::ExitCode;

/// Run the reverse proxy in front of components
///
/// A process of its own: restarting `serve` cuts nothing. What it serves it keeps in the data directory.
#[derive(clap::Args)]
pub struct Args {
    /// Write the log as JSON, one object a line.
    #[arg(long)]
    pub log_json: bool,
}

/// Serves as the edge until it is ended.
///
/// # Errors
/// Settings without `[edge]`, and what keeps the edge from beginning.
pub fn run(config_path: &Path, args: Args) -> Result<ExitCode> {
    start_log(args.log_json);
    let config = config::load(config_path)?;
    hide(&config.secrets());
    let settings = config.edge.with_context(|| {
        format!(
            "{} sets no edge. Add a table [edge], with `listen = \":80\"` where hosts are routed",
            config_path.display()
        )
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(edge::run(settings, &config.data))?;
    Ok(ExitCode::SUCCESS)
}
