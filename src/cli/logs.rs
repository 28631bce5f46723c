//! `launchway logs`: the log of a deployment.

use super::client::{Client, block_on};
use super::look;
use super::which::WhichDeployment;
use crate::model::{DeploymentId, plain_line};
use crate::web::wire::{DeliverySummary, DeploymentSummary, LogPiece};
use std::collections::VecDeque;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Print the log of a deployment
///
/// A line is time (UTC), stage, component (or -) and text.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment's number, or its number in its environment (production#12); the newest where absent
    deployment: Option<WhichDeployment>,
    /// Go on printing until the deployment ends
    #[arg(short, long)]
    follow: bool,
    /// Only the last so many lines, and with --follow what comes after them
    #[arg(short = 'n', long, value_name = "N")]
    tail: Option<usize>,
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

/// Carries the command out and prints what came of it. `config` is the settings file.
///
/// # Errors
/// The server does not answer, or refuses; the message says why.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let client = Client::new(config)?;
        let id = match &args.deployment {
            Some(named) => named.id(&client).await?,
            None => {
                if args.follow {
                    until_pushes_are_judged(&client, &args).await?;
                }
                newest(&client, &args).await?
            }
        };
        let mut offset = 0;
        let mut tail = args.tail.map(Tail::new);
        loop {
            let path = format!("/v1/deployments/{id}/log");
            let piece: LogPiece = client.get(&path, &[("offset", &offset.to_string())]).await?;
            match &mut tail {
                Some(tail) => tail.add(&piece.text),
                None => look::print(&piece.text)?,
            }
            if piece.text.is_empty()
                && let Some(tail) = tail.take()
            {
                look::print(&tail.text())?;
            }
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

/// The last lines of what there is at first.
struct Tail {
    most: usize,
    lines: VecDeque<String>,
}

impl Tail {
    fn new(most: usize) -> Self {
        Self { most, lines: VecDeque::new() }
    }

    fn add(&mut self, text: &str) {
        for line in text.lines() {
            self.lines.push_back(format!("{line}\n"));
            if self.lines.len() > self.most {
                self.lines.pop_front();
            }
        }
    }

    fn text(self) -> String {
        self.lines.into_iter().collect()
    }
}

/// Whoever follows right after a push means the deployment of that push, which there is once the push has been judged.
async fn until_pushes_are_judged(client: &Client, args: &Args) -> anyhow::Result<()> {
    let mut query = vec![("limit", "100")];
    query.extend(args.project.as_deref().map(|name| ("project", name)));
    let mut is_told = false;
    loop {
        let list: Vec<DeliverySummary> = client.get("/v1/deliveries", &query).await?;
        let Some(open) = list.iter().find(|delivery| delivery.outcome == "received") else { return Ok(()) };
        if !std::mem::replace(&mut is_told, true) {
            let what = open.reference.as_ref().map(|name| format!("the push of {}", name.short()));
            let what = what.unwrap_or_else(|| format!("delivery {}", open.number));
            eprintln!("{}", plain_line(&format!("Waiting until {what} to {} has been looked at", open.project)));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
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
