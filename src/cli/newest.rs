//! Lists of what a server has, the newest first.

use super::client::{Client, block_on};
use super::look::{self, Look};
use super::which::Which;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::process::ExitCode;

/// Of which environment, and how many.
#[derive(Debug, clap::Args)]
pub struct Newest {
    #[command(flatten)]
    which: Which,
    /// The newest so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

/// Asks the server for what it has at `path`, and prints it.
pub fn print<T: Serialize + DeserializeOwned>(
    config: &Path,
    path: &str,
    newest: Newest,
    json: bool,
    text: impl Fn(&[T], &Look) -> String,
) -> anyhow::Result<ExitCode> {
    block_on(async {
        let (named, limit) = (newest.which.named()?, newest.limit.to_string());
        let mut query = named.query();
        query.push(("limit", &limit));
        let list: Vec<T> = Client::new(config)?.get(path, &query).await?;
        match json {
            true => look::print_json(&list)?,
            false => look::print(&text(&list, &Look::of_stdout()))?,
        }
        Ok(ExitCode::SUCCESS)
    })
}
