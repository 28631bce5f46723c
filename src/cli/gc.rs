//! `launchway gc`.

use super::client::{Client, block_on};
use super::look;
use crate::model::{bytes_text, plain_line};
use crate::web::wire::{CollectLine, CollectReport, CollectRequest, CollectedReport};
use anyhow::{Context, anyhow};
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Take away what is not needed any more
///
/// Images and files of releases that `[keep]` does not keep, old deployments with their logs, and mirrors of projects
/// that left launchway.toml. What runs, what can be put back, and what Launchway did not make stays. The server does the
/// same by itself after each deployment and every hour.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Take nothing away, only say what would go
    #[arg(long)]
    dry_run: bool,
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
        let Args { dry_run, json } = args;
        let client = Client::new(config)?;
        let spinner = match std::io::stderr().is_terminal() && !json {
            true => indicatif::ProgressBar::new_spinner().with_message("looking at the store and the engine"),
            false => indicatif::ProgressBar::hidden(),
        };
        spinner.enable_steady_tick(Duration::from_millis(120));
        let mut last = None;
        let asked = CollectRequest { dry_run, follow: true };
        let followed = client.follow("/v1/gc", &asked, |line| match line {
            CollectLine::Doing(what) => spinner.set_message(plain_line(&what).into_owned()),
            CollectLine::Report(report) => last = Some(Ok(report)),
            CollectLine::Failed(why) => last = Some(Err(anyhow!(why))),
        });
        let followed = followed.await;
        spinner.finish_and_clear();
        followed?;
        let report = last.context("the server broke its answer off: does it still run?")??;
        match json {
            true => look::print_json(&report)?,
            false => look::print(&text(&report))?,
        }
        Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn text(report: &CollectReport) -> String {
    let mut text = String::new();
    let list = |text: &mut String, things: &[CollectedReport]| {
        for CollectedReport { what, why, size_bytes } in things {
            let size = size_bytes.map_or_else(|| "?".to_string(), bytes_text);
            let _ = writeln!(text, "  {size:>8}  {what}: {why}");
        }
    };
    let total = bytes_text(report.removed_bytes);
    let _ = match (report.removed.len(), report.dry_run) {
        (0, true) => writeln!(text, "Nothing would be removed."),
        (0, false) => writeln!(text, "Nothing had to be removed."),
        (count, true) => writeln!(text, "Would be removed: {count}, {total} at most (images share layers)"),
        (count, false) => writeln!(text, "Removed: {count}, {total} at most (images share layers)"),
    };
    list(&mut text, &report.removed);
    if !report.kept.is_empty() {
        let _ = writeln!(text, "Kept:");
        list(&mut text, &report.kept);
    }
    let _ = match (report.build_cache_bytes, report.build_cache_most_bytes) {
        (None, _) => writeln!(text, "How large the engine's build cache is, is not known."),
        (Some(bytes), Some(most)) => {
            writeln!(text, "The engine's build cache has {}, {} at most.", bytes_text(bytes), bytes_text(most))
        }
        (Some(bytes), None) => writeln!(
            text,
            "The engine's build cache has {} and is not touched, as it may be somebody else's. `build-cache = \"20GB\"` in [keep] of launchway.toml sets what it may take.",
            bytes_text(bytes)
        ),
    };
    for disk in &report.disks {
        let (free, total) = (bytes_text(disk.free_bytes), bytes_text(disk.total_bytes));
        let _ = writeln!(text, "Free: {free} of {total} on the disk of {} ({})", disk.of, disk.folder.display());
    }
    if !report.disks.iter().any(|disk| disk.of == "the engine") {
        let _ = writeln!(text, "How much is free on the engine's disk cannot be seen from here.");
    }
    for problem in &report.problems {
        let _ = writeln!(text, "Not done: {problem}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_and_what_stays_is_told_with_sizes_and_reasons() {
        let thing =
            |what: &str, why: &str, size_bytes| CollectedReport { what: what.into(), why: why.into(), size_bytes };
        let report = CollectReport {
            dry_run: true,
            removed: vec![
                thing("image launchway/shop/web:1a", "no release that is kept needs it", Some(120_000_000)),
                thing("volume launchway-file-2b", "it holds files of a commit that no kept release mounts", None),
            ],
            removed_bytes: 120_000_000,
            kept: vec![thing("image launchway/shop/web:3c", "release 4 is live in shop/production", Some(9_000_000))],
            problems: vec!["could not list the images: no".into()],
            disks: Vec::new(),
            build_cache_bytes: Some(3_000_000_000),
            build_cache_most_bytes: None,
        };
        insta::assert_snapshot!(text(&report), @r#"
        Would be removed: 2, 120 MB at most (images share layers)
            120 MB  image launchway/shop/web:1a: no release that is kept needs it
                 ?  volume launchway-file-2b: it holds files of a commit that no kept release mounts
        Kept:
            9.0 MB  image launchway/shop/web:3c: release 4 is live in shop/production
        The engine's build cache has 3.0 GB and is not touched, as it may be somebody else's. `build-cache = "20GB"` in [keep] of launchway.toml sets what it may take.
        How much is free on the engine's disk cannot be seen from here.
        Not done: could not list the images: no
        "#);
    }
}
