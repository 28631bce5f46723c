//! What `launchway check` found, for people and as JSON.

use crate::compose::Reading;
use crate::model::{
    ComponentName, EnvironmentName, Guess, Hidden, MaskNames, Place, Problem, ProjectName, Severity, Sieve, Stack,
    Tree, plain,
};
use crate::plan::fronts::give_fronts;
use crate::plan::{method, order};
use crate::run::of_files;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::fmt::Write as _;

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

/// A stack that was read by a server's settings. `hidden`: what of it that server would mask.
pub fn of_reading(reading: Reading, hidden: &Hidden, tree: &dyn Tree) -> Report {
    of_stacks(reading.stack.clone(), reading.stack, reading.problems, tree).guessed(hidden)
}

/// `led`: the stack as an edge leads to it.
pub fn of_stacks(mut shown: Stack, mut led: Stack, mut problems: Vec<Problem>, tree: &dyn Tree) -> Report {
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

impl Report {
    /// What is said of files that could not be read as a stack.
    pub fn of_problems(problems: Vec<Problem>) -> Self {
        Self { problems: problems.into_iter().map(Finding::from).collect(), ..Self::default() }
    }

    /// Adds what the server asks.
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

    /// Whether something of it would end a deployment.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Says what is masked by guess.
    pub fn guessed(mut self, hidden: &Hidden) -> Self {
        self.guessed = hidden.guesses().cloned().collect();
        self.guesses = hidden.told();
        self
    }

    /// For people.
    pub fn text(&self) -> String {
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
