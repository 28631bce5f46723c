//! `launchway releases`: releases, the newest first.

use super::look::{self, Look, Mood, ago};
use super::newest::{self, Newest};
use crate::web::wire::ReleaseSummary;
use jiff::Timestamp;
use std::path::Path;
use std::process::ExitCode;

/// List releases, the newest first: which one is live, and which ones were
///
/// `launchway rollback --to 12` takes the number of one that was live.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    newest: Newest,
    /// Print JSON: a list of releases
    #[arg(long)]
    json: bool,
}

/// Asks the server, and prints what it says.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    newest::print(config, "/v1/releases", args.newest, args.json, |list: &[ReleaseSummary], look| {
        text(list, look, Timestamp::now())
    })
}

fn text(list: &[ReleaseSummary], look: &Look, now: Timestamp) -> String {
    if list.is_empty() {
        return "There is no release yet\n".into();
    }
    let mut table = look.table(&["release", "environment", "commit", "made", "live", "deployment"]);
    for one in list {
        let (live, mood) = match (one.live, one.live_at) {
            (true, Some(at)) => (format!("is live, since {}", ago(at, now)), Mood::Good),
            (true, None) => ("is live".to_string(), Mood::Good),
            (false, Some(at)) => (format!("went live {}", ago(at, now)), Mood::Plain),
            (false, None) => ("never was".to_string(), Mood::Dim),
        };
        table.add_row([
            look.cell(one.release.to_string(), Mood::Plain),
            look.cell(format!("{}/{}", one.project, one.environment), Mood::Plain),
            look.cell(format!("{} {}", one.commit.short(), one.subject), Mood::Plain),
            look.cell(ago(one.created_at, now), Mood::Dim),
            look.cell(live, mood),
            look.cell(one.deployment.map_or_else(|| "-".to_string(), |id| id.to_string()), Mood::Dim),
        ]);
    }
    look::lines(&table)
}
