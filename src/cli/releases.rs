//! `launchway releases`: releases, the newest first.

use super::client::{Client, block_on};
use super::look::{self, Look, Mood, ago};
use super::which::Which;
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
    which: Which,
    /// The newest so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Print JSON: a list of releases
    #[arg(long)]
    json: bool,
}

/// Asks the server, and prints what it says.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    let (named, limit) = (args.which.named()?, args.limit.to_string());
    let mut query = named.query();
    query.push(("limit", &limit));
    block_on(async {
        let list: Vec<ReleaseSummary> = Client::new(config)?.get("/v1/releases", &query).await?;
        match args.json {
            true => look::print_json(&list)?,
            false => look::print(&text(&list, &Look::of_stdout(), Timestamp::now()))?,
        }
        Ok(ExitCode::SUCCESS)
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
