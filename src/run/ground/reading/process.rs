//! The reader's side: what `launchway read-commits` does.

use super::wire::{Answer, Build, DockerfileOrder, DockerfileSays, Question, ReadOrder, What};
use crate::build::{ContentKeys, dockerfile_text};
use crate::compose::dockerfile::{Settings, fetched, renamed};
use crate::compose::{self, ReadRequest, Reading, has_own_frontend};
use crate::model::{ContentKey, Problem, Tree, TreeSource};
use crate::plan::paths::paths_hash;
use crate::process::{confine, read_message, write_message};
use crate::run::ground::failpoint;
use crate::run::ground::image_files::of_files;
use crate::run::ground::left_out::left_out;
use crate::source::{GitTree, open_tree};
use std::io;
use std::sync::mpsc;
use std::time::Duration;

/// Memory that a reader may write to. What it maps of packs does not count, however large they are.
const MOST_MEMORY: u64 = 1 << 30;
/// The stack of the thread that reads: depth is bounded by budgets, which this leaves room for.
const STACK: usize = 16 << 20;
/// A reader of which nothing is asked for so long ends, and another is started when it is needed.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// Answers what comes on standard input until that ends.
///
/// # Errors
/// Where the limits cannot be set, or the server says what nobody can read.
pub fn serve() -> anyhow::Result<()> {
    confine(MOST_MEMORY)?;
    let (ask, asked) = mpsc::sync_channel::<Question>(0);
    let worker = std::thread::Builder::new().name("read".into()).stack_size(STACK).spawn(move || work(&asked))?;
    // Beside the work, so that a reader ends with its server, whatever it is doing.
    std::thread::Builder::new().name("ask".into()).spawn(move || {
        let mut input = io::stdin().lock();
        while let Ok(Some(question)) = read_message(&mut input) {
            if ask.send(question).is_err() {
                break;
            }
        }
        std::process::exit(0);
    })?;
    match worker.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn work(asked: &mpsc::Receiver<Question>) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    let mut known = Known::default();
    while let Ok(question) = asked.recv_timeout(IDLE) {
        write_message(&mut output, &known.answer(question))?;
    }
    Ok(())
}

/// What one question leaves for the next.
#[derive(Default)]
struct Known {
    tree: Option<(TreeSource, GitTree)>,
    content_keys: ContentKeys,
}

impl Known {
    fn answer(&mut self, question: Question) -> Answer {
        let tree = match self.tree(question.tree) {
            Ok(tree) => tree,
            Err(why) => return Answer::Unreadable(why),
        };
        match question.what {
            What::Stack(order) => {
                failpoint::reading(&tree, "test-reader");
                Answer::Stack(read(&tree, *order).map(Box::new))
            }
            What::Dockerfile(order) => {
                failpoint::reading(&tree, "test-reader-of-dockerfiles");
                Answer::Dockerfile(dockerfile(&tree, &order))
            }
            What::Facts(stack) => Answer::Facts(of_files(&stack, &tree)),
            What::Keys { builds, platform } => Answer::Keys(keys(&self.content_keys, &tree, &builds, &platform)),
            What::Paths(lists) => Answer::Paths(paths(&tree, &lists)),
        }
    }

    fn tree(&mut self, source: TreeSource) -> Result<GitTree, String> {
        if let Some((known, tree)) = &self.tree
            && *known == source
        {
            return Ok(tree.clone());
        }
        let tree = open_tree(&source).map_err(|error| error.to_string())?;
        self.tree = Some((source, tree.clone()));
        Ok(tree)
    }
}

pub(super) fn keys(
    known: &ContentKeys,
    tree: &dyn Tree,
    builds: &[Build],
    platform: &str,
) -> Vec<Result<ContentKey, String>> {
    let key = |build: &Build| known.key(tree, &build.spec, platform, &build.images).map_err(|error| error.to_string());
    builds.iter().map(key).collect()
}

pub(super) fn dockerfile(tree: &dyn Tree, order: &DockerfileOrder) -> DockerfileSays {
    let DockerfileOrder { spec, text, engine, target, bases, contexts, names } = order;
    let text = match text.clone().map_or_else(|| dockerfile_text(tree, spec), Ok) {
        Ok(text) => text,
        Err(error) => return DockerfileSays::Unreadable(error.to_string()),
    };
    if has_own_frontend(spec, &text) {
        return DockerfileSays::OwnFrontend;
    }
    let mut settings = Settings { platforms: Some((engine, target)), bases: bases.clone(), ..Settings::of(spec) };
    settings.contexts.extend(contexts.clone());
    let wrong = |(line, why)| DockerfileSays::Wrong { line, why };
    match names.is_empty() {
        true => fetched(&text, &settings).map_or_else(wrong, DockerfileSays::Fetches),
        false => renamed(&text, &settings, names).map_or_else(wrong, DockerfileSays::Renamed),
    }
}

pub(super) fn paths(tree: &dyn Tree, lists: &[Vec<String>]) -> Vec<Result<Option<String>, String>> {
    lists.iter().map(|patterns| paths_hash(tree, patterns).map_err(|error| error.to_string())).collect()
}

/// Reads a Compose file, in whichever process, and looks whether what it builds from and mounts is in the commit.
pub(super) fn read(tree: &dyn Tree, order: ReadOrder) -> Result<Reading, Vec<Problem>> {
    let mut reading = compose_file(tree, order)?;
    reading.problems.extend(left_out(&reading.stack, tree));
    if reading.problems.iter().any(Problem::is_error) { Err(reading.problems) } else { Ok(reading) }
}

fn compose_file(tree: &dyn Tree, order: ReadOrder) -> Result<Reading, Vec<Problem>> {
    compose::read(&ReadRequest {
        tree,
        root: order.root,
        files: order.files,
        project: &order.project,
        compose_project: order.compose_project,
        environment: Some(&order.environment),
        profiles: order.profiles,
        variables: order.variables,
        secret_values: order.secret_values,
        line_ends: order.line_ends,
        names: order.names,
        outside_files: order.outside_files,
        allowed: order.allowed,
        longest: order.longest,
    })
}
