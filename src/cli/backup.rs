//! `launchway backup`: a copy of the store.

use super::client::{Client, ClientError, block_on};
use super::look;
use crate::config;
use crate::store::Store;
use crate::web::wire::BackupRequest;
use anyhow::ensure;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write a copy of the store to a file
///
/// It holds what cannot be had again: which releases there are and what is live, deployments and deliveries. Mirrors of
/// repositories are fetched again by themselves; logs lie in the data directory as text files. The copy is consistent
/// while the server works, which writes it itself, on its own machine. It holds the environments' secrets.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to; nothing may be there yet
    file: PathBuf,
}

/// Carries the command out and prints what came of it. `config` is the settings file.
///
/// # Errors
/// The server does not answer, or refuses; the message says why.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let file = std::path::absolute(&args.file)?;
        let client = Client::new(config)?;
        match client.post::<serde_json::Value>("/v1/backup", &BackupRequest { file: file.clone() }).await {
            Err(ClientError::NoServer { .. }) => offline(config, &file).await?,
            other => drop(other?),
        }
        look::print(&format!("The store is copied to {}\n", file.display()))?;
        Ok(ExitCode::SUCCESS)
    })
}

/// While no server runs.
async fn offline(config: &Path, file: &Path) -> anyhow::Result<()> {
    let data = config::data_directory(config)?;
    ensure!(data.join("launchway.db").is_file(), "there is no store in {} to back up", data.display());
    let store = Store::open(&data).await?;
    let result = store.backup(file).await;
    store.close().await;
    Ok(result?)
}
