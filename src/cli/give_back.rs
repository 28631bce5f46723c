//! `launchway give-back`: an environment goes back to Docker Compose.

use super::client::{Client, block_on};
use super::deploy::How;
use super::which::{Named, Which};
use super::{deploy, look, who};
use crate::web::wire::{GivenBackReport, OrphanReport, StartRequest, StatusReport};
use std::path::Path;
use std::process::ExitCode;

/// Give an environment back to Docker Compose
///
/// Its ports are published by the engine again, its components have their names themselves, and its volumes stay as they
/// are: `docker compose up -d` takes it over. Each port has a short gap, once. From then on nothing is watched or deployed
/// there, until `launchway resume`. Waits for the end. An environment that left launchway.toml is given back as well, and
/// forgotten: nothing has to be put back into the file.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
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
        let Args { which, how } = args;
        let Named { project, environment } = which.named()?;
        let request = StartRequest { project, environment, by: who::at_the_command_line() };
        let status: StatusReport = client.get("/v1/status", &[]).await?;
        let said = Named { project: request.project.clone(), environment: request.environment.clone() };
        let is_set = status.environments.iter().any(|one| said.fits(one.project.as_str(), one.environment.as_str()));
        let is_orphan = |one: &OrphanReport| said.fits(one.project.as_str(), one.environment.as_str());
        if !is_set && status.orphans.iter().any(is_orphan) {
            let report: GivenBackReport = client.post("/v1/give-back-orphan", &request).await?;
            return told(&report, how.json);
        }
        let added = client.post("/v1/give-back", &request).await?;
        deploy::follow(&client, added, how).await
    })
}

fn told(report: &GivenBackReport, json: bool) -> anyhow::Result<ExitCode> {
    match json {
        true => look::print_json(report)?,
        false => look::print(&text(report))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text(report: &GivenBackReport) -> String {
    let GivenBackReport { project, environment, compose_project, running, volumes } = report;
    let running = if running.is_empty() { "nothing".to_string() } else { running.join(", ") };
    let mut text = format!(
        "{project}/{environment} is Docker Compose's again: `docker compose -p {compose_project} up -d` takes it over\n\
         It runs: {running}\n"
    );
    if !volumes.is_empty() {
        text.push_str(&format!("Its volumes are as they were: {}\n", volumes.join(", ")));
    }
    text
}
