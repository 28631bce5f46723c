//! The server's side: a reader for each project, started, asked, and killed.

use super::process;
use super::wire::{Answer, Build, DockerfileOrder, DockerfileSays, Question, ReadOrder, What};
use crate::build::ContentKeys;
use crate::compose::Reading;
use crate::model::{ComponentName, ContentKey, Problem, ProjectName, Quoted, Stack, Tree};
use crate::plan::fronts::ImageFacts;
use crate::process::{Helper, HelperEnded};
use crate::run::ground::image_files::of_files;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// All readers of a server.
#[derive(Debug)]
pub struct Readers {
    /// This program, or what stands in for it.
    program: PathBuf,
    /// Where each has a folder of its own.
    folder: PathBuf,
    idle: Mutex<HashMap<ProjectName, Helper>>,
    /// One question at a time for each project.
    turns: Mutex<HashMap<ProjectName, Arc<tokio::sync::Mutex<()>>>>,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The reader ended in the middle of it.
    #[error("{0}")]
    Died(String),
    #[error("cancelled")]
    Cancelled,
    /// What is wrong here.
    #[error("{0}")]
    Host(String),
}

/// By which one project's commits are read.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// Without them, all is read in this process.
    pub readers: Option<&'a Readers>,
    pub project: &'a ProjectName,
    pub cancel: &'a CancellationToken,
    /// One question may take so long: `limits.prepare`.
    pub most: Duration,
    /// What a commit says that a deployment is to wait for may take so long: `limits.deploy`.
    pub longest: Duration,
}

impl Reader<'_> {
    /// Reads the Compose file; what is wrong with it is no error of the reading.
    pub async fn stack(
        &self,
        tree: &Arc<dyn Tree>,
        order: ReadOrder,
    ) -> Result<Result<Reading, Vec<Problem>>, ReadError> {
        match self.ask(tree, || What::Stack(Box::new(order.clone()))).await? {
            Some(Answer::Stack(read)) => Ok(read.map(|reading| *reading)),
            Some(other) => Err(unexpected(other)),
            None => {
                let tree = tree.clone();
                here(move || process::read(tree.as_ref(), order)).await
            }
        }
    }

    /// What a Dockerfile would have the engine fetch.
    pub async fn dockerfile(&self, tree: &Arc<dyn Tree>, order: &DockerfileOrder) -> Result<DockerfileSays, ReadError> {
        match self.ask(tree, || What::Dockerfile(Box::new(order.clone()))).await? {
            Some(Answer::Dockerfile(says)) => Ok(says),
            Some(other) => Err(unexpected(other)),
            None => {
                let (tree, order) = (tree.clone(), order.clone());
                here(move || process::dockerfile(tree.as_ref(), &order)).await
            }
        }
    }

    /// What Dockerfiles and mounted files say of the components.
    pub async fn facts(
        &self,
        tree: &Arc<dyn Tree>,
        stack: &Stack,
    ) -> Result<BTreeMap<ComponentName, ImageFacts>, ReadError> {
        match self.ask(tree, || What::Facts(Box::new(stack.clone()))).await? {
            Some(Answer::Facts(facts)) => Ok(facts),
            Some(other) => Err(unexpected(other)),
            None => Ok(of_files(stack, tree.as_ref())),
        }
    }

    /// The content keys of builds, or why one has none. `here` remembers, where no reader is asked.
    pub async fn keys(
        &self,
        tree: &Arc<dyn Tree>,
        builds: Vec<Build>,
        platform: &str,
        here: &ContentKeys,
    ) -> Result<Vec<Result<ContentKey, String>>, ReadError> {
        if builds.is_empty() {
            return Ok(Vec::new());
        }
        match self.ask(tree, || What::Keys { builds: builds.clone(), platform: platform.to_string() }).await? {
            Some(Answer::Keys(keys)) if keys.len() == builds.len() => Ok(keys),
            Some(other) => Err(unexpected(other)),
            None => Ok(process::keys(here, tree.as_ref(), &builds, platform)),
        }
    }

    /// The hashes of what each list of patterns matches (`x-launchway.paths`).
    pub async fn paths(
        &self,
        tree: &Arc<dyn Tree>,
        lists: Vec<Vec<String>>,
    ) -> Result<Vec<Result<Option<String>, String>>, ReadError> {
        if lists.iter().all(Vec::is_empty) {
            return Ok(lists.iter().map(|_| Ok(None)).collect());
        }
        match self.ask(tree, || What::Paths(lists.clone())).await? {
            Some(Answer::Paths(hashes)) if hashes.len() == lists.len() => Ok(hashes),
            Some(other) => Err(unexpected(other)),
            None => Ok(process::paths(tree.as_ref(), &lists)),
        }
    }

    /// `None`: it is to be read here, as a reader could not open it.
    async fn ask(&self, tree: &Arc<dyn Tree>, what: impl FnOnce() -> What) -> Result<Option<Answer>, ReadError> {
        let (Some(readers), Some(source)) = (self.readers, tree.source()) else { return Ok(None) };
        let question = Question { tree: source, what: what() };
        tokio::select! {
            biased;
            // What is asked now is dropped with its reader, which ends it.
            () = self.cancel.cancelled() => Err(ReadError::Cancelled),
            () = tokio::time::sleep(self.most) => Err(ReadError::Host(format!(
                "reading the commit took longer than {} s; `limits.prepare` in launchway.toml sets how long it may take",
                self.most.as_secs()
            ))),
            answer = readers.ask(self.project, &question) => match answer? {
                Answer::Unreadable(why) => Err(ReadError::Host(why)),
                answer => Ok(Some(answer)),
            },
        }
    }
}

async fn here<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ReadError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(ReadError::Cancelled),
    }
}

fn unexpected(_: Answer) -> ReadError {
    ReadError::Host("the process that reads commits answered something else than it was asked".into())
}

impl Readers {
    /// `program` is this program, `data` the data directory.
    pub fn new(program: PathBuf, data: &std::path::Path) -> Self {
        Self { program, folder: data.join("readers"), idle: Mutex::default(), turns: Mutex::default() }
    }

    async fn ask(&self, project: &ProjectName, question: &Question) -> Result<Answer, ReadError> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.entry(project.clone()).or_default().clone()
        };
        let _turn = turn.lock().await;
        // One that has had nothing to do for long has ended, or does so in this moment.
        for _ in 0..2 {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).remove(project);
            let mut reader = match idle {
                Some(reader) => reader,
                None => self.start(project).map_err(|error| {
                    ReadError::Host(format!("the process that reads commits cannot be started: {error}"))
                })?,
            };
            match answer(&mut reader, question).await {
                Ok(answer) => {
                    self.idle.lock().unwrap_or_else(PoisonError::into_inner).insert(project.clone(), reader);
                    return Ok(answer);
                }
                Err(error) => match reader.end(&error).await {
                    ended if ended.in_peace => {}
                    ended => return Err(ReadError::Died(how_it_ended(&ended))),
                },
            }
        }
        Err(ReadError::Host("the process that reads commits ends as soon as it is started".into()))
    }

    fn start(&self, project: &ProjectName) -> io::Result<Helper> {
        Helper::start(&self.program, "read-commits", &self.folder.join(project.as_str()), [])
    }
}

async fn answer(reader: &mut Helper, question: &Question) -> io::Result<Answer> {
    reader.tell(question).await?;
    reader.hear().await
}

/// Its last words are quoted: it had values of the environment at hand when it said them.
fn how_it_ended(ended: &HelperEnded) -> String {
    ended.told("the process that read it", |line| Quoted(line).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Mask, Secret};

    #[test]
    fn what_a_process_said_last_is_quoted() {
        let last_line = Some("thread 'main' panicked at wrong:".to_string());
        let told = how_it_ended(&HelperEnded { how: "did not answer (wrong)".into(), in_peace: false, last_line });
        let mask = Mask::new(&[Secret::new("wrong"), Secret::new("process")]);
        let shown = mask.sentence(&told);
        assert_eq!(shown, "the process that read it did not answer (wrong): thread 'main' panicked at ***:");
    }
}
