//! `launchway status`: what is live where, what runs and waits.

use super::client::{Client, block_on};
use super::look::{self, Look, Mood, ago, mood};
use crate::model::DeploymentState;
use crate::web::wire::{EnvironmentReport, StatusReport};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Show what is live in each environment, what runs and what waits
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let status: StatusReport = Client::new(config)?.get("/v1/status", &[]).await?;
        match args.json {
            true => look::print_json(&status)?,
            false => look::print(&text(&status, &Look::of_stdout(), Timestamp::now()))?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn text(status: &StatusReport, look: &Look, now: Timestamp) -> String {
    let mut table = look.table(&["environment", "live", "since", "now"]);
    for environment in &status.environments {
        let since = environment.live.as_ref().and_then(|live| live.since).map(|since| ago(since, now));
        let (doing, mood) = doing(environment, now);
        table.add_row([
            look.cell(format!("{}/{}", environment.project, environment.environment), Mood::Plain),
            look.cell(live(environment), Mood::Plain),
            look.cell(since.unwrap_or_else(|| "-".into()), Mood::Dim),
            look.cell(doing, mood),
        ]);
    }
    let mut text = look::lines(&table);
    for deployment in status.environments.iter().filter_map(|e| e.running.as_ref().or(e.last.as_ref())) {
        let _ = writeln!(text, "Deployment {}: {}", deployment.id, deployment.page);
    }
    if !status.engine.answers {
        let why = status.engine.problem.as_deref().unwrap_or("it does not say why");
        let _ = writeln!(text, "The engine does not answer: {why}");
    }
    if status.outbox.unsent > 0 {
        let (number, verb) = match status.outbox.unsent {
            1 => ("1 status".to_string(), "has"),
            number => (format!("{number} statuses"), "have"),
        };
        let why = status.outbox.last_error.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        let _ = writeln!(text, "{number} {verb} not reached the forge yet{why}");
    }
    text
}

fn live(environment: &EnvironmentReport) -> String {
    match &environment.live {
        Some(live) => format!("release {}, {} {}", live.release, live.commit.short(), live.subject),
        None => format!("nothing yet; {} deploys here", environment.deploys.join(", ")),
    }
}

fn doing(environment: &EnvironmentReport, now: Timestamp) -> (String, Mood) {
    let waiting = match environment.waiting.as_slice() {
        [] => String::new(),
        [first, ..] => format!("deployment {} waits", first.id),
    };
    let (what, mood) = match (&environment.running, &environment.last) {
        (Some(running), _) => {
            let what = format!("deployment {} {}: {}", running.id, running.state, running.description);
            (what, mood(running.state))
        }
        (None, _) if !waiting.is_empty() => (String::new(), Mood::Busy),
        (None, Some(last)) if last.state != DeploymentState::Succeeded => {
            let when = last.ended_at.map(|ended| format!(" {}", ago(ended, now))).unwrap_or_default();
            (format!("deployment {} {}{when}: {}", last.id, last.state, last.description), mood(last.state))
        }
        (None, Some(_)) => ("idle".into(), Mood::Good),
        (None, None) => ("idle".into(), Mood::Dim),
    };
    let parts: Vec<String> = [what, waiting].into_iter().filter(|part| !part.is_empty()).collect();
    (parts.join("; "), mood)
}

#[cfg(test)]
mod tests;
