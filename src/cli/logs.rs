//! `launchway logs`: the log of a deployment.

use super::client::{Client, block_on};
use super::look;
use crate::model::DeploymentId;
use crate::web::wire::{DeploymentSummary, LogPiece};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Print the log of a deployment
///
/// A line is time (UTC), stage, component (or -) and text.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment's number; the newest where absent
    deployment: Option<DeploymentId>,
    /// Go on printing until the deployment ends
    #[arg(short, long)]
    follow: bool,
    /// The newest of this project
    #[arg(short, long, value_name = "NAME", conflicts_with = "deployment")]
    project: Option<String>,
    /// The newest of this environment
    #[arg(short, long, value_name = "NAME", conflicts_with = "deployment")]
    environment: Option<String>,
    /// The newest of this commit, by its id or the beginning of it
    #[arg(short, long, value_name = "COMMIT", conflicts_with = "deployment")]
    commit: Option<String>,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let client = Client::new(config)?;
        let id = match args.deployment {
            Some(id) => id,
            None => newest(&client, &args).await?,
        };
        let mut offset = 0;
        loop {
            let path = format!("/v1/deployments/{id}/log");
            let piece: LogPiece = client.get(&path, &[("offset", &offset.to_string())]).await?;
            look::print(&piece.text)?;
            let is_dry = piece.text.is_empty();
            offset = piece.next_offset;
            if piece.ended || (is_dry && !args.follow) {
                return Ok(ExitCode::SUCCESS);
            }
            if is_dry {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    })
}

/// The newest deployment that fits; who follows is waited with until there is one, as a push takes a moment to be judged.
async fn newest(client: &Client, args: &Args) -> anyhow::Result<DeploymentId> {
    let mut query = vec![("limit", if args.commit.is_some() { "100" } else { "1" })];
    query.extend(args.project.as_deref().map(|name| ("project", name)));
    query.extend(args.environment.as_deref().map(|name| ("environment", name)));
    loop {
        let list: Vec<DeploymentSummary> = client.get("/v1/deployments", &query).await?;
        let fits =
            |d: &&DeploymentSummary| args.commit.as_ref().is_none_or(|c| d.commit.as_str().starts_with(c.as_str()));
        match list.iter().find(fits) {
            Some(deployment) => return Ok(deployment.id),
            None if args.follow => tokio::time::sleep(LOOK_EVERY).await,
            None => return Err(anyhow::anyhow!("there is no deployment yet")),
        }
    }
}
