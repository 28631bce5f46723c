//! `launchway check`: what Launchway would make of a working copy, without a server.

use super::{check_live, look};
use crate::compose::{self, ReadRequest, Reading};
use crate::model::{
    ComponentName, EdgeAddress, EdgeSettings, EnvironmentName, Guess, Hidden, MaskNames, Permissions, Place, Problem,
    ProjectName, RepoPath, Severity, Sieve, Stack, Tree, plain,
};
use crate::plan::fronts::give_fronts;
use crate::plan::routing::give_to_edge;
use crate::plan::{method, order};
use crate::run::{left_out, of_files};
use crate::source::WorkingCopy;
use anyhow::Context as _;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
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

/// Before the list of what is guessed.
const GUESSED: &str =
    "masked by guess, as it looks secret (`mask` and `plain` of the environment in launchway.toml decide by name):";

/// What was found; the JSON of `--json`.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    components: Vec<Row>,
    /// Components of one level wait for nothing but earlier levels.
    order: Vec<Vec<ComponentName>>,
    problems: Vec<Finding>,
    /// Values that are masked because they look secret: by name and place, never the value itself.
    guessed: Vec<Guess>,
    #[serde(skip)]
    guesses: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: ComponentName,
    dependencies: Vec<ComponentName>,
    method: &'static str,
    why: String,
    /// What runs once, before anything that it does not need is touched, whenever the component changes.
    release_command: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct Finding {
    severity: Severity,
    file: Option<String>,
    line: Option<u32>,
    key: Option<String>,
    message: String,
}

/// Checks one working copy and prints what was found on standard output.
///
/// # Errors
/// A folder that cannot be read. What is wrong with its files is part of the report.
pub fn run(config: &Path, args: Args) -> anyhow::Result<ExitCode> {
    if args.server {
        return Ok(super::check_server::run());
    }
    let report = if args.live { check_live::check(config, &args)? } else { check(&args)? };
    if args.json {
        look::print_json_line(&report)?;
    } else {
        look::print(&report.text())?;
    }
    let failed = report.problems.iter().any(|problem| problem.severity == Severity::Error);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
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

/// A stack that was read by a server's settings. `hidden`: what of it that server would mask.
pub fn of_reading(reading: Reading, hidden: &Hidden, tree: &dyn Tree) -> Report {
    of_stacks(reading.stack.clone(), reading.stack, reading.problems, tree).guessed(hidden)
}

/// `led`: the stack as an edge leads to it.
fn of_stacks(mut shown: Stack, mut led: Stack, mut problems: Vec<Problem>, tree: &dyn Tree) -> Report {
    let facts = of_files(&shown, tree);
    give_fronts(&mut shown, &facts);
    // What an image that is only named says of itself, only an engine knows; and canaries need an edge or a front.
    let of_fronts = give_fronts(&mut led, &facts);
    let built = shown.components.values().filter(|component| shown.build_of(component).is_some());
    let keys: Vec<String> = built.map(|component| format!("services.{}.", component.name)).collect();
    let is_sure =
        |problem: &Problem| problem.key.as_deref().is_some_and(|key| keys.iter().any(|begin| key.starts_with(begin)));
    problems.extend(of_fronts.into_iter().filter(is_sure));
    // Only what no edge would help.
    problems.extend(method::unmet(&led));
    Report::new(&shown, problems)
}

/// What of the stack a server would mask.
pub fn hidden(
    names: &MaskNames,
    project: &ProjectName,
    environment: Option<&EnvironmentName>,
    stack: &Stack,
) -> Hidden {
    let mut sieve = Sieve::new(names);
    sieve.ours(project.as_str());
    environment.iter().for_each(|environment| sieve.ours(environment.as_str()));
    sieve.stack(stack);
    sieve.done()
}

/// Where the project lies.
pub struct Project {
    /// The working copy's top folder, or the project's own where there is no git.
    pub repository: PathBuf,
    /// The project's folder in it.
    folder: RepoPath,
    /// The Compose file that was named instead of a folder.
    file: Option<RepoPath>,
}

pub fn place(path: &Path) -> anyhow::Result<Project> {
    let reading = || format!("cannot read {}", path.display());
    let real = path.canonicalize().with_context(reading)?;
    let is_file = real.is_file();
    let folder = if is_file { real.parent().with_context(reading)? } else { &real };
    let repository = folder.ancestors().find(|above| above.join(".git").exists()).unwrap_or(folder);
    let inside = |path: &Path| -> anyhow::Result<RepoPath> {
        let relative = path.strip_prefix(repository).with_context(reading)?;
        let text = relative.to_str().with_context(|| format!("{} is not UTF-8", relative.display()))?;
        RepoPath::new(text).with_context(reading)
    };
    Ok(Project {
        repository: repository.to_path_buf(),
        folder: inside(folder)?,
        file: if is_file { Some(inside(&real)?) } else { None },
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

impl Report {
    pub fn of_problems(problems: Vec<Problem>) -> Self {
        Self { problems: problems.into_iter().map(Finding::from).collect(), ..Self::default() }
    }

    pub fn add(&mut self, problems: Vec<Problem>) {
        self.problems.extend(problems.into_iter().map(Finding::from));
    }

    fn new(stack: &Stack, problems: Vec<Problem>) -> Self {
        let mut problems: Vec<Finding> = problems.into_iter().map(Finding::from).collect();
        let order = order::levels(stack).unwrap_or_else(|cycle| {
            problems.push(Finding::from(Problem::error(None, "services", cycle.to_string())));
            Vec::new()
        });
        let rows = order.iter().flatten().map(|name| {
            let choice = method::choose(stack, name);
            Row {
                name: name.clone(),
                dependencies: order::dependencies(stack, name).into_iter().collect(),
                method: choice.method.word(),
                why: choice.reason,
                release_command: stack.components.get(name).and_then(|c| c.settings.release_command.clone()),
            }
        });
        Self { components: rows.collect(), order, problems, ..Self::default() }
    }

    /// Says what is masked by guess.
    fn guessed(mut self, hidden: &Hidden) -> Self {
        self.guessed = hidden.guesses().cloned().collect();
        self.guesses = hidden.told();
        self
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if !self.components.is_empty() {
            // Cells are padded to the width of their column, the last one too.
            let table = self.table().to_string();
            table.lines().for_each(|line| text.push_str(&format!("{}\n", line.trim_end())));
            text.push('\n');
        }
        if !self.guesses.is_empty() {
            let _ = writeln!(text, "{GUESSED}");
            for line in &self.guesses {
                let _ = writeln!(text, "  {line}");
            }
            text.push('\n');
        }
        for problem in &self.problems {
            let _ = writeln!(text, "{problem}");
        }
        let count = |severity| self.problems.iter().filter(|problem| problem.severity == severity).count();
        let counted = |number: usize, word: &str| match number {
            1 => format!("1 {word}"),
            number => format!("{number} {word}s"),
        };
        let _ = writeln!(
            text,
            "{}{}: {}, {}, {}",
            if self.problems.is_empty() { "" } else { "\n" },
            counted(self.components.len(), "component"),
            counted(count(Severity::Error), "error"),
            counted(count(Severity::Warning), "warning"),
            counted(count(Severity::Note), "note"),
        );
        text
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["order", "component", "waits for", "method", "why"]);
        for row in &self.components {
            let level = self.order.iter().position(|level| level.contains(&row.name)).map_or(0, |level| level + 1);
            let dependencies: Vec<&str> = row.dependencies.iter().map(ComponentName::as_str).collect();
            let dependencies = if dependencies.is_empty() { "-".into() } else { dependencies.join(", ") };
            let why = match &row.release_command {
                Some(command) => format!("{}; its release command runs first: {}", row.why, as_written(command)),
                None => row.why.clone(),
            };
            table.add_row([&level.to_string(), row.name.as_str(), &dependencies, row.method, &why]);
        }
        table
    }
}

/// A command as a shell would take it.
fn as_written(command: &[String]) -> String {
    shlex::try_join(command.iter().map(String::as_str)).unwrap_or_else(|_| command.join(" "))
}

impl From<Problem> for Finding {
    fn from(problem: Problem) -> Self {
        let (file, line) = problem.place.map(|Place { file, line }| (file, line)).unzip();
        Self { severity: problem.severity, file, line, key: problem.key, message: plain(&problem.message).into_owned() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let place = self.file.clone().zip(self.line).map(|(file, line)| Place { file, line });
        let problem = Problem {
            severity: self.severity,
            place,
            key: self.key.clone(),
            message: self.message.clone(),
            allow: None,
        };
        write!(f, "{severity}: {problem}")
    }
}
