//! Watching a deployment until it ends: a spinner with what it does on a terminal, a line for each change elsewhere.

use super::client::{Client, ClientError};
use super::look::{self, Look};
use crate::model::plain_line;
use crate::web::wire::DeploymentDetails;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(300);
/// A server that is restarted goes on with the deployment.
const SERVER_MAY_BE_AWAY: Duration = Duration::from_secs(60);

/// Waits for the end; what happens is shown on standard error. Only the deployment's own limits end the waiting.
pub async fn until_end(client: &Client, first: DeploymentDetails) -> anyhow::Result<DeploymentDetails> {
    let path = format!("/v1/deployments/{}", first.summary.id);
    let show = Show::new();
    let mut now = first;
    let mut answered = Instant::now();
    loop {
        show.step(&now);
        if now.summary.ended {
            return Ok(now);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        match client.get(&path, &[]).await {
            Ok(fresh) => {
                now = fresh;
                answered = Instant::now();
            }
            Err(ClientError::NoServer { .. }) if answered.elapsed() < SERVER_MAY_BE_AWAY => {
                show.line("The server does not answer; it goes on with the deployment when it is back");
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Begins with what was asked for; used before waiting.
pub fn begins(details: &DeploymentDetails) -> String {
    let summary = &details.summary;
    format!(
        "Deployment {} ({}) of {}{} to {}/{}\n{}\n",
        summary.id,
        summary.in_place(),
        summary.commit.short(),
        if summary.subject.is_empty() { String::new() } else { format!(" ({})", summary.subject) },
        summary.project,
        summary.environment,
        summary.page
    )
}

/// Shows the end; says where to read on when it did not go well.
pub fn ended(details: &DeploymentDetails, look: &Look) -> String {
    let summary = &details.summary;
    let mut table = look.table(&["stage", "took", "outcome"]);
    for stage in &details.stages {
        let outcome = stage.outcome.as_deref().unwrap_or("running").replace('_', " ");
        table.add_row([stage.stage.word().to_string(), look::duration(stage.took_ms), outcome]);
    }
    let stages = if details.stages.is_empty() { String::new() } else { look::lines(&table) };
    let more = match summary.state == crate::model::DeploymentState::Succeeded {
        true => String::new(),
        false => format!("`launchway logs {}` shows its log\n", summary.id),
    };
    let said_last = said_last(details);
    let asks: String = details.asks.iter().map(|ask| format!("  {ask}\n")).collect();
    format!("{stages}{}\n{said_last}{asks}{more}", look::told(summary.state, &summary.description))
}

/// What was said last where it failed.
fn said_last(details: &DeploymentDetails) -> String {
    if details.last_lines.is_empty() {
        return String::new();
    }
    let heading = match &details.last_lines_of {
        Some(component) => format!("What {component} said last:"),
        None => "What is wrong:".to_string(),
    };
    let lines: String = details.last_lines.iter().map(|line| format!("  | {line}\n")).collect();
    format!("{heading}\n{lines}")
}

struct Show {
    spinner: Option<ProgressBar>,
    last: std::cell::RefCell<String>,
}

impl Show {
    fn new() -> Self {
        let spinner = std::io::stderr().is_terminal().then(|| {
            let spinner = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
                spinner.set_style(style);
            }
            spinner.enable_steady_tick(Duration::from_millis(120));
            spinner
        });
        Self { spinner, last: Default::default() }
    }

    fn step(&self, details: &DeploymentDetails) {
        let summary = &details.summary;
        if summary.ended {
            // The end is told on standard output.
            if let Some(spinner) = &self.spinner {
                spinner.finish_and_clear();
            }
            return;
        }
        self.line(&look::told(summary.state, &summary.description));
    }

    fn line(&self, text: &str) {
        let text = &*plain_line(text);
        if self.last.replace(text.to_string()) == text {
            return;
        }
        match &self.spinner {
            Some(spinner) => spinner.set_message(text.to_string()),
            None => eprintln!("{text}"),
        }
    }
}
