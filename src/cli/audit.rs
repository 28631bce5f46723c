//! `launchway audit`: what people asked for.

use super::look::{self, Look, Mood};
use super::newest::{self, Newest};
use crate::web::wire::AuditReport;
use std::path::Path;
use std::process::ExitCode;

/// List what people asked for: who, what, when and why
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    newest: Newest,
    /// Print JSON: a list
    #[arg(long)]
    json: bool,
}

/// Carries the command out and prints what came of it. `config` is the settings file.
///
/// # Errors
/// The server does not answer, or refuses; the message says why.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    newest::print(config, "/v1/audit", args.newest, args.json, |list: &[AuditReport], look| text(list, look))
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
