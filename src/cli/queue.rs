//! `launchway queue`: what runs, whose turn is next, and what waits for something else.

use super::client::{Client, block_on};
use super::look::{self, Look, Mood, ago};
use crate::web::wire::{QueueReport, QueuedReport};
use jiff::Timestamp;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// Show what runs, in which order the rest gets its turn, and what each waits for
///
/// Rollbacks go first. Then three turns of four go by the environment's `priority`, and each fourth to what has a
/// lower one; of one priority, to the project that has the fewest deployments under way.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Carries the command out and prints what came of it. `config` is the settings file.
///
/// # Errors
/// The server does not answer, or refuses; the message says why.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let queue: QueueReport = Client::new(config)?.get("/v1/queue", &[]).await?;
        match args.json {
            true => look::print_json(&queue)?,
            false => look::print(&text(&queue, &Look::of_stdout(), Timestamp::now()))?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn text(queue: &QueueReport, look: &Look, now: Timestamp) -> String {
    let QueueReport { slots, begun, ready, held } = queue;
    if begun.is_empty() && ready.is_empty() && held.is_empty() {
        return format!("Nothing runs or waits; {slots} deployments may run at once\n");
    }
    let mut table = look.table(&[
        "turn",
        "#",
        "in its environment",
        "priority",
        "commit",
        "asked for",
        "what it does or waits for",
    ]);
    let mut row = |turn: String, mood: Mood, queued: &QueuedReport| {
        let d = &queued.summary;
        table.add_row([
            look.cell(turn, mood),
            look.cell(d.id.to_string(), Mood::Plain),
            look.cell(format!("{}/{}", d.project, d.in_place()), Mood::Plain),
            look.cell(queued.priority.to_string(), Mood::Dim),
            look.cell(d.commit.short().to_string(), Mood::Plain),
            look.cell(ago(d.created_at, now), Mood::Dim),
            look.cell(d.description.clone(), Mood::Plain),
        ]);
    };
    begun.iter().for_each(|queued| row("runs".into(), Mood::Busy, queued));
    ready.iter().enumerate().for_each(|(turn, queued)| row((turn + 1).to_string(), Mood::Plain, queued));
    held.iter().for_each(|queued| row("-".into(), Mood::Dim, queued));
    let mut text = look::lines(&table);
    let _ = writeln!(text, "{} of {slots} deployments that may run at once", begun.len());
    text
}

#[cfg(test)]
mod tests;
