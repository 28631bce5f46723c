//! `launchway approve`: somebody's yes to a deployment that waits for one.

use super::client::{Client, block_on};
use super::which::WhichDeployment;
use super::{look, who};
use crate::web::wire::{CancelRequest, DeploymentDetails, QueueReport};
use std::path::Path;
use std::process::ExitCode;

/// Say yes to a deployment that waits for somebody's yes
///
/// Without a number, lists what waits for a yes. The yes is for that one commit: a newer push asks again. Who said it is
/// noted (`launchway audit`).
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment's number, or its number in its environment (production#12)
    deployment: Option<WhichDeployment>,
    /// Print JSON: the deployment, or the list of those that wait
    #[arg(long)]
    json: bool,
}

/// Carries the command out and prints what came of it. `config` is the settings file.
///
/// # Errors
/// The server does not answer, or refuses; the message says why.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let client = Client::new(config)?;
        let Some(named) = &args.deployment else { return list(&client, args.json).await };
        let id = named.id(&client).await?;
        let request = CancelRequest { by: who::at_the_command_line() };
        let details: DeploymentDetails = client.post(&format!("/v1/deployments/{id}/approve"), &request).await?;
        if args.json {
            look::print_json(&details)?;
            return Ok(ExitCode::SUCCESS);
        }
        let summary = &details.summary;
        let place = format!("{}/{}", summary.project, summary.environment);
        let (named, commit) = (summary.named(), summary.commit.short());
        look::print(&format!("Yes to deployment {named} of {commit} to {place}\n{}\n", summary.page))?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn list(client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let mut queue: QueueReport = client.get("/v1/queue", &[]).await?;
    queue.held.retain(|queued| queued.waits_for_yes);
    if json {
        look::print_json(&queue.held)?;
        return Ok(ExitCode::SUCCESS);
    }
    if queue.held.is_empty() {
        look::print("Nothing waits for somebody's yes\n")?;
    }
    for queued in &queue.held {
        let d = &queued.summary;
        let what = format!("{} {} ({}, by {})", d.commit.short(), d.subject, d.trigger, d.asked_by);
        look::print(&format!("`launchway approve {}`: {}/{} {what}\n", d.id, d.project, d.in_place()))?;
    }
    Ok(ExitCode::SUCCESS)
}
