//! `launchway audit`: what people asked for.

use super::client::{Client, block_on};
use super::look::{self, Look, Mood};
use super::which::Which;
use crate::web::wire::AuditReport;
use std::path::Path;
use std::process::ExitCode;

/// List what people asked for: who, what, when and why
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// The newest so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Print JSON: a list
    #[arg(long)]
    json: bool,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let (named, limit) = (args.which.named()?, args.limit.to_string());
        let mut query = named.query();
        query.push(("limit", &limit));
        let list: Vec<AuditReport> = Client::new(config)?.get("/v1/audit", &query).await?;
        match args.json {
            true => look::print_json(&list)?,
            false => look::print(&text(&list, &Look::of_stdout()))?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn text(list: &[AuditReport], look: &Look) -> String {
    if list.is_empty() {
        return "Nobody asked for anything yet\n".into();
    }
    let mut table = look.table(&["when (UTC)", "who", "what", "environment", "deployment", "why"]);
    for entry in list {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        let mood = if entry.action == "deploy-now" { Mood::Busy } else { Mood::Plain };
        table.add_row([
            look.cell(entry.at.strftime("%Y-%m-%d %H:%M:%S").to_string(), Mood::Dim),
            look.cell(entry.by.clone(), Mood::Plain),
            look.cell(entry.action.clone(), mood),
            look.cell(format!("{}/{}", entry.project, entry.environment), Mood::Plain),
            look.cell(or_dash(entry.deployment.map(|id| id.to_string())), Mood::Plain),
            look.cell(or_dash(entry.reason.clone()), Mood::Plain),
        ]);
    }
    look::lines(&table)
}
