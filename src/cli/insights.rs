//! `launchway insights`: where deployments' time goes, how often they fail, and what to change.

use super::client::{Client, block_on};
use super::look::{self, Look, Mood, duration};
use super::which::Which;
use crate::plan::insights::{Insights, Part, Spread};
use crate::web::wire::{EnvironmentInsights, InsightsReport};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Show where deployments' time goes, how often they fail, and what to change
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// How many days to look back
    #[arg(long, default_value_t = 30, value_name = "N")]
    days: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Columns of the page, where the terminal has more.
const WIDTH: u16 = 80;
/// Weeks that are shown; `--json` has all.
const WEEKS: usize = 3;
/// Components and causes that are shown.
const MOST: usize = 5;

/// Carries the command out and prints what came of it. `config` is the settings file.
///
/// # Errors
/// The server does not answer, or refuses; the message says why.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    let Args { which, days, json } = args;
    let (named, days) = (which.named()?, days.to_string());
    let mut query = named.query();
    query.push(("days", &days));
    block_on(async {
        let report: InsightsReport = Client::new(config)?.get("/v1/insights", &query).await?;
        match json {
            true => look::print_json(&report)?,
            false => look::print(&text(&report, &page(Look::of_stdout())))?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// As wide as the terminal, 80 columns at most.
fn page(mut look: Look) -> Look {
    let terminal = look.table(&[]).width().filter(|_| look.is_terminal);
    look.width = Some(terminal.unwrap_or(WIDTH).min(WIDTH));
    look
}

fn text(report: &InsightsReport, look: &Look) -> String {
    let pages: Vec<String> = report.environments.iter().map(|one| environment(one, report.days, look)).collect();
    match pages.is_empty() {
        true => "launchway.toml has no environment.\n".into(),
        false => pages.join("\n"),
    }
}

fn environment(one: &EnvironmentInsights, days: u32, look: &Look) -> String {
    let EnvironmentInsights { project, environment, deployments, more, insights } = one;
    let span = if days == 1 { "the last day".into() } else { format!("the last {days} days") };
    let name = format!("{project}/{environment}, {span}");
    if *deployments == 0 {
        return format!("{name}: no deployment has ended\n");
    }
    let mut text = format!("{name}\n{}\n", outcomes(insights));
    if *more {
        let _ = writeln!(text, "Only the newest {deployments} are looked at");
    }
    let _ = writeln!(text);
    if insights.total.is_some() {
        let _ = writeln!(text, "{}", times(insights, look));
    }
    text.push_str(&facts(insights, look));
    let _ = writeln!(text);
    text.push_str(&findings(insights, look));
    text
}

fn outcomes(insights: &Insights) -> String {
    let all = insights.outcomes;
    let counts = [
        (all.succeeded, "succeeded"),
        (all.failed, "failed"),
        (all.rolled_back, "rolled back"),
        (all.cancelled, "cancelled"),
        (all.superseded, "superseded"),
    ];
    let told = counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    told.collect::<Vec<_>>().join(", ")
}

/// Where the time of what went live goes.
fn times(insights: &Insights, look: &Look) -> String {
    let first = insights.weeks.len().saturating_sub(WEEKS);
    let weeks = &insights.weeks[first..];
    let headings: Vec<String> = (0..weeks.len()).rev().map(week_name).collect();
    let mut all = vec!["time of", "n", "median", "p95"];
    all.extend(headings.iter().map(String::as_str));
    let mut table = look.table(&all);
    let mut row = |name: &str, time: Spread, by_week: Vec<Option<Spread>>| {
        let mut cells = vec![look.cell(name, Mood::Plain), look.cell(time.count.to_string(), Mood::Dim)];
        cells.push(look.cell(duration(time.median_ms), Mood::Plain));
        cells.push(look.cell(duration(time.p95_ms), Mood::Plain));
        let told = |week: Option<Spread>| week.map_or_else(|| "-".into(), |time| duration(time.median_ms));
        cells.extend(by_week.into_iter().map(|week| look.cell(told(week), Mood::Dim)));
        table.add_row(cells);
    };
    for part in Part::ALL {
        let Some(time) = insights.parts.iter().find(|one| one.part == part).map(|one| one.time) else { continue };
        row(part.words(), time, weeks.iter().map(|week| week.part(part)).collect());
    }
    if let Some(total) = insights.total {
        row("push to end", total, weeks.iter().map(|week| week.total).collect());
    }
    look::lines(&table)
}

fn week_name(back: usize) -> String {
    match back {
        0 => "this week".into(),
        back => format!("-{back}"),
    }
}

/// A part of a whole in percent, rounded.
fn percent(part: u64, whole: u64) -> u64 {
    (part * 200 + whole).checked_div(2 * whole).unwrap_or(0)
}

/// What is one line each.
fn facts(insights: &Insights, look: &Look) -> String {
    let mut facts: Vec<(&str, String)> = Vec::new();
    if !insights.longest_path.is_empty() {
        let held = insights.longest_path.iter().take(MOST).map(|one| {
            let name = one.component.as_ref().map_or("no component", |name| name.as_str());
            format!("{name} {} %", one.share)
        });
        facts.push(("Longest path", held.collect::<Vec<_>>().join(", ")));
    }
    let cache = insights.cache;
    if cache.builds > 0 && cache.steps > 0 {
        let share = percent(cache.steps_cached, cache.steps);
        facts.push((
            "Build cache",
            format!("{share} % of the steps; {} of {} builds wholly", cache.builds_cached, cache.builds),
        ));
    }
    let ended: usize = {
        let all = insights.outcomes;
        all.succeeded + all.failed + all.rolled_back
    };
    for failure in insights.failures.iter().take(MOST) {
        let count = failure.deployments.len();
        let newest = failure.deployments.last().map(|id| format!(", last deployment {id}")).unwrap_or_default();
        facts.push((
            "Failed",
            format!(
                "{count} of {ended} ({} %): {}{newest}",
                percent(count as u64, ended as u64),
                failure.cause.words()
            ),
        ));
    }
    let dora = &insights.dora;
    facts.push(("Went live", format!("{:.1} times a week", dora.deployments_per_week)));
    let spread =
        |time: Spread| format!("{} in the middle, 95 % within {}", duration(time.median_ms), duration(time.p95_ms));
    if let Some(lead) = dora.lead_time {
        facts.push(("Push to live", spread(lead)));
    }
    if let Some(rate) = dora.change_failure_rate {
        let (failed, changes) = (dora.failed_changes, dora.changes);
        facts.push(("Changes failed", format!("{failed} of {changes} that reached users ({:.0} %)", rate * 100.0)));
    }
    if let Some(restore) = dora.time_to_restore {
        facts.push(("Well again", spread(restore)));
    }
    for (name, used) in insights.resources.iter().take(MOST) {
        facts.push((
            "Used",
            format!("{name}: {:.0} CPU-seconds, {:.2} GB-hours", used.cpu_seconds, used.memory_gb_hours),
        ));
    }
    columns(facts.iter().map(|(name, text)| (*name, text.as_str(), Mood::Plain)), look)
}

fn findings(insights: &Insights, look: &Look) -> String {
    if insights.findings.is_empty() {
        return "Nothing stands out that could be better.\n".into();
    }
    let mut text = String::new();
    for (at, finding) in insights.findings.iter().enumerate() {
        let number = format!("{}.", at + 1);
        let rows = [
            (number.as_str(), finding.what.as_str(), Mood::Bad),
            ("Seen", finding.evidence.as_str(), Mood::Plain),
            ("Change", finding.change.as_str(), Mood::Good),
        ];
        text.push_str(&columns(rows.into_iter(), look));
    }
    text
}

/// A word and a text that goes on below itself.
fn columns<'a>(rows: impl Iterator<Item = (&'a str, &'a str, Mood)>, look: &Look) -> String {
    let mut table = look.table(&["", ""]);
    for (name, text, mood) in rows {
        table.add_row([look.cell(name, Mood::Dim), look.cell(text, mood)]);
    }
    // Without its empty headings.
    look::lines(&table).lines().skip(1).map(|line| line.to_string() + "\n").collect()
}

#[cfg(test)]
mod tests;
