//! `launchway deployments`: deployments, the newest first.

use super::look::{self, Look, Mood, ago, mood};
use super::newest::{self, Newest};
use crate::web::wire::DeploymentSummary;
use jiff::Timestamp;
use std::path::Path;
use std::process::ExitCode;

/// List deployments, the newest first: what each does or how it ended
///
/// `logs`, `cancel` and `approve` take the number, or the number in the environment (production#12).
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    newest: Newest,
    /// Print JSON: a list of deployments
    #[arg(long)]
    json: bool,
}

/// Asks the server, and prints what it says.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    newest::print(config, "/v1/deployments", args.newest, args.json, |list: &[DeploymentSummary], look| {
        text(list, look, Timestamp::now())
    })
}

fn text(list: &[DeploymentSummary], look: &Look, now: Timestamp) -> String {
    if list.is_empty() {
        return "There is no deployment yet\n".into();
    }
    let mut table = look.table(&["#", "in its environment", "commit", "asked for", "what it does or how it ended"]);
    for d in list {
        table.add_row([
            look.cell(d.id.to_string(), Mood::Plain),
            look.cell(format!("{}/{}", d.project, d.in_place()), Mood::Plain),
            look.cell(format!("{} {}", d.commit.short(), d.subject), Mood::Plain),
            look.cell(ago(d.created_at, now), Mood::Dim),
            look.cell(look::told(d.state, &d.description), mood(d.state)),
        ]);
    }
    look::lines(&table)
}
