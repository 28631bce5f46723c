//! `launchway status`: what is live where, what runs and waits.

use super::client::{Client, block_on};
use super::look::{self, Look, Mood, ago, mood};
use crate::model::DeploymentState;
use crate::web::wire::{EnvironmentReport, OrphanReport, StatusReport};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Show what is live in each environment, what runs and what waits
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show what was changed by hand too
    #[arg(long)]
    drift: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Carries the command out and prints what came of it. `config` is the settings file.
///
/// # Errors
/// The server does not answer, or refuses; the message says why.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    let query: &[(&str, &str)] = if args.drift { &[("drift", "true")] } else { &[] };
    block_on(async {
        let status: StatusReport = Client::new(config)?.get("/v1/status", query).await?;
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
    text.push_str(&components(status, look));
    for environment in &status.environments {
        text.push_str(&details(environment, now));
    }
    for orphan in &status.orphans {
        text.push_str(&orphaned(orphan));
    }
    for deployment in status.environments.iter().filter_map(|e| e.running.as_ref().or(e.last.as_ref())) {
        let _ = writeln!(text, "Deployment {}: {}", deployment.named(), deployment.page);
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
        [first, ..] => format!("deployment {} waits", first.named()),
    };
    let (mut what, mut mood) = match (&environment.running, &environment.last) {
        (Some(running), _) => {
            let what = format!("deployment {}: {}", running.named(), look::told(running.state, &running.description));
            (what, mood(running.state))
        }
        (None, _) if !waiting.is_empty() => (String::new(), Mood::Busy),
        (None, Some(last)) if last.state != DeploymentState::Succeeded => {
            let when = last.ended_at.map(|ended| format!(" {}", ago(ended, now))).unwrap_or_default();
            let told = match last.state {
                // Its sentence begins with that.
                DeploymentState::Cancelled | DeploymentState::Superseded => {
                    format!("deployment {}{when}", last.named())
                }
                state => format!("deployment {} {state}{when}", last.named()),
            };
            (format!("{told}: {}", last.description), mood(last.state))
        }
        (None, Some(_)) => ("idle".into(), Mood::Good),
        (None, None) => ("idle".into(), Mood::Dim),
    };
    let mut parts = Vec::new();
    if environment.paused.is_some() {
        parts.push("paused".to_string());
    }
    // While a deployment runs, what is down is what it replaces.
    let down = if environment.running.is_none() { down(environment) } else { Vec::new() };
    if environment.running.is_none() && !environment.degraded.is_empty() {
        parts.push("degraded".into());
    } else if !down.is_empty() {
        parts.push(format!("{} down", down.join(", ")));
    }
    if !parts.is_empty() && what == "idle" {
        what.clear();
        mood = if parts == ["paused"] { Mood::Dim } else { Mood::Bad };
    }
    parts.extend([what, waiting].into_iter().filter(|part| !part.is_empty()));
    (parts.join("; "), mood)
}

/// Components of which not everything runs.
fn down(environment: &EnvironmentReport) -> Vec<&str> {
    let components = environment.components.iter().flatten();
    components.filter(|one| one.running < one.wanted).map(|one| one.name.as_str()).collect()
}

/// What runs of each live release.
fn components(status: &StatusReport, look: &Look) -> String {
    let mut table = look.table(&["environment", "component", "running", "health", "restarts", ""]);
    for environment in &status.environments {
        for one in environment.components.iter().flatten() {
            let running = if one.wanted == 0 { "-".to_string() } else { format!("{} of {}", one.running, one.wanted) };
            let mood = if one.running < one.wanted { Mood::Bad } else { Mood::Plain };
            table.add_row([
                look.cell(format!("{}/{}", environment.project, environment.environment), Mood::Plain),
                look.cell(one.name.as_str(), Mood::Plain),
                look.cell(running, mood),
                look.cell(one.health.as_deref().unwrap_or("-"), Mood::Plain),
                look.cell(one.restarts.to_string(), Mood::Dim),
                look.cell(one.note.as_deref().unwrap_or_default(), mood),
            ]);
        }
    }
    if table.row_count() == 0 { String::new() } else { format!("\n{}\n", look::lines(&table)) }
}

/// How many of its last lines are shown of what is degraded.
const LAST_LINES: usize = 5;

/// What is left of an environment that is no longer in launchway.toml, and the ways out.
fn orphaned(orphan: &OrphanReport) -> String {
    let OrphanReport { project, environment, release, running, ports, hosts, volumes } = orphan;
    let name = format!("{project}/{environment}");
    let mut text =
        format!("{name} is not in launchway.toml any more; release {release} of it is live, and nobody watches it\n");
    let running = match running.as_deref() {
        None => "not known, as the engine does not answer".to_string(),
        Some([]) => "nothing".to_string(),
        Some(running) => running.join(", "),
    };
    let _ = writeln!(text, "  runs: {running}");
    for (what, held) in [("ports", ports), ("hosts", hosts), ("volumes", volumes)] {
        if !held.is_empty() {
            let _ = writeln!(text, "  holds the {what} {}", held.join(", "));
        }
    }
    let _ = writeln!(
        text,
        "  `launchway remove {name} --keep-volumes` takes it away but for its volumes, and `launchway give-back {name}` gives it \
         back to Docker Compose; put back into launchway.toml, it is watched again"
    );
    text
}

/// Why it is degraded or paused, and what was changed by hand.
fn details(environment: &EnvironmentReport, now: Timestamp) -> String {
    let name = format!("{}/{}", environment.project, environment.environment);
    let mut text = String::new();
    if let Some(paused) = &environment.paused {
        let reason = paused.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let since = ago(paused.since, now);
        let _ = writeln!(text, "{name} was paused {since} by {}{reason}", paused.by);
    }
    for one in &environment.degraded {
        let _ = writeln!(text, "{name} is degraded (since {}): {}", ago(one.since, now), one.why);
        let from = one.last_lines.len().saturating_sub(LAST_LINES);
        for line in &one.last_lines[from..] {
            let _ = writeln!(text, "  | {line}");
        }
    }
    if let Some(beyond) = &environment.beyond {
        let _ = writeln!(text, "{name} uses more than launchway.toml allows; its next deployment is refused:");
        for what in &beyond.what {
            let _ = writeln!(text, "  {what}");
        }
        if !beyond.lines.is_empty() {
            let _ = writeln!(
                text,
                "To allow it, launchway.toml needs these lines (each in the place of its line of before):"
            );
            for line in &beyond.lines {
                let _ = writeln!(text, "  {line}");
            }
        }
    }
    match (environment.drift.as_deref(), &environment.live) {
        (Some([]), Some(live)) => drop(writeln!(text, "{name} is as release {} says", live.release)),
        (Some(drift), Some(live)) => {
            let _ = writeln!(text, "{name} differs from release {}:", live.release);
            for one in drift {
                let _ = writeln!(text, "  {} {}", one.subject, one.how);
            }
        }
        _ => {}
    }
    let left = environment.left_volumes.as_deref().unwrap_or_default();
    if !left.is_empty() {
        let _ = writeln!(
            text,
            "{name} has volumes that no live release names, with what was written there (`docker volume rm` removes one):"
        );
    }
    for one in left {
        let was = if one.was.is_empty() { String::new() } else { format!(", once of {}", one.was.join(" and ")) };
        let _ = writeln!(text, "  {}{was}", one.name);
    }
    for warning in &environment.warnings {
        let _ = writeln!(text, "{name}: warning: {warning}");
    }
    text
}

#[cfg(test)]
mod tests;
