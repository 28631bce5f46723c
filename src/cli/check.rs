//! `launchway check`: what Launchway would make of a working copy, without a server.

use super::check_report::{Report, hidden, of_stacks};
use super::working_copy::{Project, place};
use super::{check_live, look};
use crate::compose::{self, ReadRequest};
use crate::model::{EdgeAddress, EdgeSettings, EnvironmentName, MaskNames, Permissions, ProjectName, RepoPath};
use crate::plan::routing::give_to_edge;
use crate::run::left_out;
use crate::source::WorkingCopy;
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Check how a working copy would be deployed, without a server
///
/// Reads the Compose file (else the Dockerfile, else a template is chosen) as it would be committed: files that git
/// ignores do not count. Prints the components in their order, with the method of each and why, what would be masked
/// because it looks secret (names, never values), and every problem with its file, line and key. What only launchway.toml
/// can allow (paths of the host, privileged, ...) is refused here. With --live it is read by the settings of an
/// environment, and compared with what is live there. Exits 0 without errors, 1 with.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project's folder, or its Compose file
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Compose file, relative to the project's folder; several are merged in order
    #[arg(long = "file", short, value_name = "FILE")]
    files: Vec<String>,
    /// The environment whose overrides in x-launchway count
    #[arg(short, long, value_name = "NAME")]
    pub environment: Option<EnvironmentName>,
    /// Ask the server, too, what components would start on in place of what they have written to; launchway.toml says the rest
    #[arg(long, conflicts_with_all = ["files", "variables", "profiles", "edge"])]
    live: bool,
    /// Which project, with --live; not needed where only one is set
    #[arg(short, long, requires = "live", value_name = "NAME")]
    pub project: Option<String>,
    /// A variable as launchway.toml would set it
    #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = variable)]
    variables: Vec<(String, String)>,
    /// A profile whose services count
    #[arg(long = "profile", value_name = "NAME")]
    profiles: Vec<String>,
    /// As on a server with an edge (`[edge]` in launchway.toml)
    #[arg(long)]
    edge: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Look at this server instead: whether apps and builds reach the metadata address of its cloud, and the rule that
    /// forbids it. As root
    #[arg(long, conflicts_with_all = ["path", "files", "environment", "live", "project", "variables", "profiles", "edge", "json"])]
    server: bool,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_string(), value.to_string())),
        _ => Err("write NAME=VALUE".to_string()),
    }
}

/// Checks one working copy and prints what was found on standard output.
///
/// # Errors
/// A folder that cannot be read. What is wrong with its files is part of the report.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    if args.server {
        return Ok(super::check_server::run());
    }
    let report = match args.live {
        true => {
            let asked = (args.project.as_deref(), args.environment.as_ref());
            check_live::check(config, &args.path, asked)?
        }
        false => check(&args)?,
    };
    if args.json {
        look::print_json_line(&report)?;
    } else {
        look::print(&report.text())?;
    }
    Ok(if report.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn check(args: &Args) -> anyhow::Result<Report> {
    let place = place(&args.path)?;
    let tree = WorkingCopy::open(&place.repository)?;
    let project = project_name(&place);
    let mut files: Vec<RepoPath> = place.file.into_iter().collect();
    for file in &args.files {
        files.push(place.folder.join(file).with_context(|| format!("--file {file}"))?);
    }
    let mut variables: BTreeMap<String, String> = args.variables.iter().cloned().collect();
    // Only a server knows the commit; whatever stands here is as good as another one.
    variables.entry("LAUNCHWAY_COMMIT".into()).or_insert_with(|| "0".repeat(40));
    let reading = compose::read(&ReadRequest {
        tree: &tree,
        root: place.folder,
        files,
        project: &project,
        compose_project: project.to_string(),
        environment: args.environment.as_ref(),
        profiles: args.profiles.clone(),
        variables,
        secret_values: Vec::new(),
        line_ends: BTreeMap::new(),
        names: MaskNames::default(),
        outside_files: BTreeMap::new(),
        allowed: Permissions::default(),
        // How long a deployment may take, only a server knows.
        longest: Duration::MAX,
    });
    Ok(match reading {
        Ok(mut reading) => {
            // What a server's edge listens on itself, only that server knows.
            let nowhere = EdgeAddress { host_ip: None, port: 0 };
            let edge = EdgeSettings { listen: vec![nowhere], ..EdgeSettings::default() };
            let hidden = hidden(&MaskNames::default(), &project, args.environment.as_ref(), &reading.stack);
            let mut led = reading.stack.clone();
            let problems = give_to_edge(&mut led, &edge);
            reading.problems.extend(problems);
            reading.problems.extend(left_out(&reading.stack, &tree));
            let shown = if args.edge { led.clone() } else { reading.stack };
            of_stacks(shown, led, reading.problems, &tree).guessed(&hidden)
        }
        Err(problems) => Report::of_problems(problems),
    })
}

/// The folder's name, as far as a project can have it.
fn project_name(place: &Project) -> ProjectName {
    let folder = place.repository.join(place.folder.as_str());
    let name = folder.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let slug: String = name.chars().map(allowed).take(63).collect();
    let slug = slug.trim_start_matches(['-', '_']);
    match ProjectName::new(slug).or_else(|_| ProjectName::new("project")) {
        Ok(name) => name,
        Err(error) => unreachable!("{error}"),
    }
}
