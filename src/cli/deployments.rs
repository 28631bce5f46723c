//! `launchway deployments`: deployments, the newest first.

use super::client::{Client, block_on};
use super::look::{self, Look, Mood, ago, mood};
use super::which::Which;
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
    which: Which,
    /// The newest so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Print JSON: a list of deployments
    #[arg(long)]
    json: bool,
}

/// Asks the server, and prints what it says.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    let (named, limit) = (args.which.named()?, args.limit.to_string());
    let mut query = named.query();
    query.push(("limit", &limit));
    block_on(async {
        let list: Vec<DeploymentSummary> = Client::new(config)?.get("/v1/deployments", &query).await?;
        match args.json {
            true => look::print_json(&list)?,
            false => look::print(&text(&list, &Look::of_stdout(), Timestamp::now()))?,
        }
        Ok(ExitCode::SUCCESS)
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
