//! `launchway config check`: whether the settings are right, without starting anything.

use super::look;
use crate::config::{self, Config};
use crate::model::{Problem, Severity};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Check launchway.toml and the files that it names, without a server
///
/// Prints every mistake with its line, and what is right and may not be meant. Reads what a start would read, opens no port and
/// changes nothing. Exits 0 without mistakes, 1 with.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Reads the settings and prints what is wrong with them; exits 1 where something is.
pub fn run(config_path: &Path, Args {}: Args) -> anyhow::Result<ExitCode> {
    let (problems, holds) = match config::load(config_path) {
        Ok(mut config) => {
            let unreadable = unreadable_files(&config);
            config.warnings.extend(unreadable);
            let environments = config.projects.values().map(|project| project.environments.len()).sum();
            let holds = [counted(config.projects.len(), "project"), counted(environments, "environment")].join(", ");
            (config.warnings, Some(holds))
        }
        Err(error) => (error.problems, None),
    };
    let failed = holds.is_none();
    look::print(&text(config_path, &problems, holds))?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Files that are read only once a deployment needs them.
fn unreadable_files(config: &Config) -> Vec<Problem> {
    let mut found = Vec::new();
    for project in config.projects.values() {
        for environment in project.environments.values() {
            for (name, file) in &environment.files {
                if let Err(error) = std::fs::File::open(file) {
                    let key = format!("projects.{}.environments.{}.files.{name}", project.name, environment.name);
                    let message = format!("the file {} cannot be read: {error}", file.display());
                    found.push(Problem::warning(None, key, message));
                }
            }
        }
    }
    found
}

fn text(path: &Path, problems: &[Problem], holds: Option<String>) -> String {
    let mut text = String::new();
    for problem in problems {
        let word = if problem.severity == Severity::Error { "error" } else { "warning" };
        let _ = writeln!(text, "{word}: {problem}");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let found = format!("{}, {}", counted(errors, "error"), counted(problems.len() - errors, "warning"));
    let _ = match holds {
        Some(holds) => writeln!(text, "{}: {holds}; {found}", path.display()),
        None => writeln!(text, "{}: {found}", path.display()),
    };
    text
}

fn counted(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}
