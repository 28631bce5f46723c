//! `launchway deliveries`: what the forges sent, and what became of it.

use super::client::{Client, block_on};
use super::look::{self, Look, Mood, ago};
use crate::web::wire::DeliverySummary;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::Path;
use std::process::ExitCode;

/// List what the forges sent, what became of each delivery, and why
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only those of this project
    #[arg(short, long, value_name = "NAME")]
    project: Option<String>,
    /// The newest so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Look at this delivery again as if it came now: its number, or the forge's id
    #[arg(long, value_name = "ID")]
    redeliver: Option<String>,
    /// Print JSON: a list of deliveries
    #[arg(long)]
    json: bool,
}

/// Carries the command out and prints what came of it. `config` is the settings file.
///
/// # Errors
/// The server does not answer, or refuses; the message says why.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let client = Client::new(config)?;
        let list: Vec<DeliverySummary> = match &args.redeliver {
            Some(id) => {
                let id = utf8_percent_encode(id.trim_start_matches('#'), NON_ALPHANUMERIC);
                client.post(&format!("/v1/deliveries/{id}/redeliver"), &()).await?
            }
            None => {
                let limit = args.limit.to_string();
                let mut query = vec![("limit", limit.as_str())];
                query.extend(args.project.as_deref().map(|name| ("project", name)));
                client.get("/v1/deliveries", &query).await?
            }
        };
        match (args.json, args.redeliver.is_some()) {
            (true, _) => look::print_json(&list)?,
            (false, true) => look::print(&again(&list))?,
            (false, false) => look::print(&text(&list, &Look::of_stdout(), Timestamp::now()))?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn again(list: &[DeliverySummary]) -> String {
    let line = |delivery: &DeliverySummary| {
        format!("Delivery {} of {} is looked at again\n{}\n", delivery.number, delivery.project, delivery.page)
    };
    list.iter().map(line).collect()
}

fn text(list: &[DeliverySummary], look: &Look, now: Timestamp) -> String {
    if list.is_empty() {
        return "Nothing came yet. The hook's URL is <public-url>/hooks/<project>; refused requests would be listed too.\n"
            .into();
    }
    let mut table = look.table(&["#", "received", "project", "event", "ref", "commit", "outcome", "why"]);
    for delivery in list {
        let or_dash = |text: Option<&str>| text.unwrap_or("-").to_string();
        let event = if delivery.found { format!("{} (found)", delivery.kind) } else { delivery.kind.clone() };
        table.add_row([
            look.cell(delivery.number.to_string(), Mood::Plain),
            look.cell(ago(delivery.received_at, now), Mood::Dim),
            look.cell(delivery.project.to_string(), Mood::Plain),
            look.cell(event, Mood::Plain),
            look.cell(or_dash(delivery.reference.as_ref().map(|r| r.short())), Mood::Plain),
            look.cell(or_dash(delivery.commit.as_ref().map(|commit| commit.short())), Mood::Plain),
            look.cell(delivery.outcome.clone(), mood(&delivery.outcome)),
            look.cell(delivery.reason.clone(), Mood::Plain),
        ]);
    }
    look::lines(&table)
}

fn mood(outcome: &str) -> Mood {
    match outcome {
        "deploys" => Mood::Good,
        "received" => Mood::Busy,
        "failed" | "invalid" | "refused" => Mood::Bad,
        _ => Mood::Dim,
    }
}

#[cfg(test)]
mod tests;
