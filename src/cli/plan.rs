//! `launchway plan`: what deploying a commit would do, without doing it.

use super::client::{Client, as_plain, block_on};
use super::look::{self, Look, Mood};
use super::plan_repository;
use crate::web::wire::{PlanReport, PlanRequest};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Show which components a commit would change and why, in which order and by which method
///
/// Nothing is built, pulled or changed. Through the server, the steps from what runs now are shown too. With
/// --repository no server is needed: two commits of a local repository are compared by their files.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The commit: a full id or at least 7 digits of it; the newest of the environment's branch where absent. With
    /// --repository any revision
    #[arg(value_name = "COMMIT")]
    pub positional: Option<String>,
    /// The same as COMMIT
    #[arg(long, value_name = "COMMIT", conflicts_with = "positional")]
    pub commit: Option<String>,
    /// The commit to compare with; what is live where absent, and with --repository nothing
    #[arg(long, value_name = "COMMIT")]
    pub live: Option<String>,
    /// Which project; not needed where only one is set. With --repository: take its settings from launchway.toml
    #[arg(short, long, value_name = "NAME")]
    pub project: Option<String>,
    /// Which environment; not needed where the project has only one
    #[arg(short, long, value_name = "NAME")]
    pub environment: Option<String>,
    /// A local git repository, instead of asking the server
    #[arg(long, value_name = "PATH")]
    pub repository: Option<PathBuf>,
    /// The folder of the repository that holds the Compose file
    #[arg(long, value_name = "DIR", requires = "repository")]
    pub project_path: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Carries the command out and prints what came of it. `config` is the settings file.
///
/// # Errors
/// The server does not answer, or refuses; the message says why.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let commit = args.positional.clone().or(args.commit.clone());
        let report = match &args.repository {
            Some(repository) => {
                let asked = plan_repository::Asked {
                    repository,
                    commit: commit.as_deref(),
                    live: args.live.as_deref(),
                    project: args.project.as_deref(),
                    environment: args.environment.as_deref(),
                    folder: args.project_path.as_deref(),
                };
                as_plain(&plan_repository::plan(&asked, config).await?)?
            }
            None => {
                let (project, environment) = (args.project.clone(), args.environment.clone());
                let request = PlanRequest { project, environment, commit, against: args.live.clone() };
                Client::new(config)?.post("/v1/plan", &request).await?
            }
        };
        match args.json {
            true => look::print_json(&report)?,
            false => look::print(&text(&report, &Look::of_stdout()))?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn text(report: &PlanReport, look: &Look) -> String {
    let mut text = format!("{}/{}: {} {}\n", report.project, report.environment, report.commit.short(), report.subject);
    let _ = match &report.against {
        Some(against) => match against.release {
            Some(release) => writeln!(text, "Compared with release {release} of {}", against.commit.short()),
            None => writeln!(text, "Compared with {}", against.commit.short()),
        },
        None => writeln!(text, "Nothing is live yet"),
    };
    let mut table = look.table(&["component", "change", "method", "why"]);
    for component in &report.components {
        let mood = match component.change.as_str() {
            "new" | "changed" => Mood::Busy,
            "removed" => Mood::Bad,
            _ => Mood::Dim,
        };
        let mut why: Vec<String> = component.reasons.clone();
        why.extend(component.uses_build_of.iter().map(|builder| format!("uses the build of {builder}")));
        let mut why = why.join("; ");
        let is_touched = !component.reasons.is_empty();
        if let (Some(method), Some(reason), true) = (&component.method, &component.method_reason, is_touched) {
            let _ = write!(why, "; {method} because {reason}");
        }
        if component.release_command {
            why.push_str("; its release command runs first");
        }
        table.add_row([
            look.cell(component.name.to_string(), Mood::Plain),
            look.cell(component.change.clone(), mood),
            look.cell(component.method.clone().unwrap_or_else(|| "-".into()), Mood::Plain),
            look.cell(if why.is_empty() { "-".into() } else { why }, Mood::Plain),
        ]);
    }
    let _ = write!(text, "\n{}", look::lines(&table));
    let levels: Vec<String> =
        report.order.iter().map(|level| level.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")).collect();
    let _ = writeln!(text, "\nOrder: {}", levels.join(" -> "));
    match report.steps.as_deref() {
        Some([]) => text.push_str("\nNo step is needed: everything runs as it should\n"),
        Some(steps) => {
            text.push_str("\nSteps:\n");
            for step in steps {
                let _ = writeln!(text, "  {step}");
            }
        }
        None => {}
    }
    if !report.to_pull.is_empty() {
        let images = report.to_pull.join(", ");
        let _ = writeln!(text, "\nWould be pulled first, and may then turn out to have changed: {images}");
    }
    for ask in &report.asks {
        let _ = writeln!(text, "\nEnds before anything is touched: {ask}");
    }
    if let Some(waits) = &report.waits {
        let _ = writeln!(text, "\nA push now: {waits}");
    }
    for note in &report.notes {
        let _ = writeln!(text, "Note: {note}");
    }
    text
}

#[cfg(test)]
mod tests;
