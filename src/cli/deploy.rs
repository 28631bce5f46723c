//! `launchway deploy`: deploys a commit now, and waits for the end.

use super::client::{Client, block_on};
use super::look::{self, Look};
use super::which::{Named, Which};
use super::{exit, wait, who};
use crate::web::wire::{DeployRequest, DeploymentDetails};
use std::path::Path;
use std::process::ExitCode;

/// Deploy a commit now
///
/// Without --commit it is the newest commit of the environment's branch. Waits for the end; Ctrl-C ends the waiting,
/// not the deployment. A commit has to be on a branch or tag that deploys to the environment.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// The commit: its full id, or at least 7 digits of it
    #[arg(long, value_name = "COMMIT")]
    commit: Option<String>,
    /// Pull base images and build everything anew
    #[arg(long)]
    rebuild: bool,
    /// Pull the images that the Compose file only names, also where their tags stay the same
    #[arg(long)]
    pull: bool,
    /// Wait neither for windows and freezes nor for somebody's yes; who said so and why is noted
    #[arg(long, requires = "reason")]
    now: bool,
    /// Why it is not to wait, with --now
    #[arg(long, requires = "now", value_name = "TEXT")]
    reason: Option<String>,
    /// Let a component start on this in place of what it has written to: a volume by its name on the engine or its key in
    /// the Compose file, or COMPONENT:PATH where that has no name. Once for each, and noted; nothing is removed
    #[arg(long = "fresh-volume", value_name = "NAME")]
    fresh_volumes: Vec<String>,
    #[command(flatten)]
    how: How,
}

/// Carries the command out and prints what came of it. `config` is the settings file.
///
/// # Errors
/// The server does not answer, or refuses; the message says why.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let client = Client::new(config)?;
        let by = who::at_the_command_line();
        let Args { which, commit, rebuild, pull, now: _, reason, fresh_volumes, how } = args;
        let Named { project, environment } = which.named()?;
        let now_reason = reason;
        let request = DeployRequest { project, environment, commit, rebuild, pull, now_reason, fresh_volumes, by };
        let added = client.post("/v1/deploy", &request).await?;
        follow(&client, added, how).await
    })
}

/// How a deployment that was asked for is shown.
#[derive(Debug, clap::Args)]
pub struct How {
    /// Do not wait for the end
    #[arg(long)]
    no_wait: bool,
    /// Print the deployment as JSON: once it has ended, or at once with --no-wait
    #[arg(long)]
    pub(super) json: bool,
}

/// Shows a deployment that was asked for, to its end unless that is not wanted.
pub async fn follow(client: &Client, added: DeploymentDetails, how: How) -> anyhow::Result<ExitCode> {
    let How { no_wait, json } = how;
    if no_wait {
        match json {
            true => look::print_json(&added)?,
            false => look::print(&wait::begins(&added))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !json {
        look::print(&wait::begins(&added))?;
    }
    let ended = wait::until_end(client, added).await?;
    match json {
        true => look::print_json(&ended)?,
        false => look::print(&wait::ended(&ended, &Look::of_stdout()))?,
    }
    Ok(exit::of_state(ended.summary.state))
}
