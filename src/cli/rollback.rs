//! `launchway rollback`: puts an earlier release back.

use super::client::{Client, block_on};
use super::deploy::How;
use super::which::{Named, Which, WhichRelease};
use super::{deploy, look, who};
use crate::model::plain;
use crate::web::wire::{ComponentPlan, RollbackRelease, RollbackReport, RollbackRequest};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Put an earlier release back
///
/// Without --to it is the nearest release before the live one that differs from it: commits that changed no component are
/// passed over, and going back twice goes back two. Says which it is and what will change, then builds nothing, runs no
/// release commands, and comes first: what runs or waits in the environment is cancelled. Waits for the end. Where nothing
/// would change it says so and exits 1.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// The release to put back, or the deployment whose release it is, by its number in its environment (production#12)
    #[arg(long, value_name = "RELEASE")]
    to: Option<WhichRelease>,
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
        let Args { which, to, how } = args;
        let Named { project, environment } = which.named()?;
        let to = match to {
            Some(named) => Some(named.id(&client).await?),
            None => None,
        };
        let mut request = RollbackRequest { project, environment, to, from: None, by: who::at_the_command_line() };
        let plan: RollbackReport = client.post("/v1/rollback/plan", &request).await?;
        let text = text(&plan);
        match how.json {
            // Standard output is one JSON object.
            true => eprint!("{}", plain(&text)),
            false => look::print(&text)?,
        }
        // What was told is done, or nothing.
        (request.to, request.from) = (Some(plan.to.release), Some(plan.from.release));
        let added = client.post("/v1/rollback", &request).await?;
        deploy::follow(&client, added, how).await
    })
}

fn text(plan: &RollbackReport) -> String {
    let RollbackReport { project, environment, from, to, same, components, rules, cancels } = plan;
    let mut text = match from.release == to.release {
        true => format!("{project}/{environment} stays at {}\n", named(to)),
        false => format!("{project}/{environment} goes back from {} to {}\n", named(from), named(to)),
    };
    if !same.is_empty() {
        let names: Vec<String> = same.iter().map(ToString::to_string).collect();
        let (releases, are) = if same.len() == 1 { ("Release", "is") } else { ("Releases", "are") };
        let _ = writeln!(text, "{releases} {} in between {are} the same as release {}", names.join(", "), from.release);
    }
    if let Some(deployment) = cancels {
        let _ = writeln!(text, "Deployment {deployment}, which runs there, is cancelled");
    }
    let (stays, changes): (Vec<&ComponentPlan>, Vec<_>) = components.iter().partition(|c| c.change == "unchanged");
    for ComponentPlan { name, change, reasons, .. } in changes {
        let _ = writeln!(text, "  {name}: {change} ({})", reasons.join("; "));
    }
    for rule in rules {
        let _ = writeln!(text, "  {rule}: as release {} has it", to.release);
    }
    if !stays.is_empty() {
        let names: Vec<&str> = stays.iter().map(|component| component.name.as_str()).collect();
        let _ = writeln!(text, "  unchanged: {}", names.join(", "));
    }
    text
}

fn named(release: &RollbackRelease) -> String {
    let subject = if release.subject.is_empty() { String::new() } else { format!(", {}", release.subject) };
    format!("release {} ({}{subject})", release.release, release.commit.short())
}
