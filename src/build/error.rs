//! Why an image was not built.

use super::InvalidPattern;
use crate::model::{RepoPath, TreeError, bytes_text};

/// Why an image could not be built, as a sentence for the commit's author.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("reading the build context: {0}")]
    Tree(#[from] TreeError),
    #[error("the build context {0} is not a folder of the commit. Correct build.context in the Compose file")]
    NoContext(RepoPath),
    #[error(
        "the Dockerfile {dockerfile} is not in the commit (build context {context}). Add it, or name it with \
         build.dockerfile in the Compose file"
    )]
    MissingDockerfile { dockerfile: RepoPath, context: RepoPath },
    #[error("{file}, {problem}")]
    Ignore { file: RepoPath, problem: InvalidPattern },
    #[error(
        "{0} is a Git LFS pointer, not the file itself, and Launchway does not fetch from LFS. Keep the file out of the \
         build with .dockerignore, or put it into git itself (git lfs migrate export)"
    )]
    LfsPointer(RepoPath),
    #[error(
        "{file}, which is mounted{}, is a Git LFS pointer, not the file itself, and Launchway does not fetch from LFS. \
         Put it into git itself (git lfs migrate export), or mount it from the server by `binds` of the environment in \
         launchway.toml",
        at(target)
    )]
    MountedLfsPointer {
        file: RepoPath,
        /// Where in the container; empty where that is not known.
        target: String,
    },
    #[error(
        "the build argument {0} holds a secret, and arguments are kept in the image's history. Use build.secrets and \
         RUN --mount=type=secret,id=..."
    )]
    SecretArgument(String),
    #[error("{what} is not supported: {why}")]
    Unsupported { what: String, why: String },
    #[error("the engine cannot build with BuildKit: {why}. Docker Engine 20.10 or newer is needed")]
    NoBuildKit { engine: String, why: String },
    #[error("{}", failed_text(step.as_deref(), message, last_lines))]
    Failed {
        /// The step of the Dockerfile, such as `[build 3/4] RUN make`.
        step: Option<String>,
        /// BuildKit's own sentence.
        message: String,
        /// The end of the step's output, secrets masked.
        last_lines: Vec<String>,
    },
    #[error("{}{}", too_much_text(*most_bytes, *is_set), at_step(step.as_deref()))]
    TooMuchMemory {
        step: Option<String>,
        /// What all builds together may take.
        most_bytes: u64,
        /// Whether launchway.toml says so.
        is_set: bool,
    },
    #[error("the build was cancelled")]
    Cancelled,
    #[error("the build took longer than allowed and was stopped{}", at_step(step.as_deref()))]
    Deadline { step: Option<String> },
    #[error("building on the engine: {why}")]
    Engine { engine: String, why: String },
}

impl BuildError {
    /// Whether the commit is at fault, not the engine or Launchway: it decides between `failure` and `error`.
    pub fn is_of_the_commit(&self) -> bool {
        !matches!(self, BuildError::NoBuildKit { .. } | BuildError::Cancelled | BuildError::Engine { .. })
    }
}

fn too_much_text(most_bytes: u64, is_set: bool) -> String {
    let most = bytes_text(most_bytes);
    match is_set {
        true => format!("the build used more than limits.build-memory = {most}"),
        false => format!("the build used more than {most}, half of the machine's memory (limits.build-memory sets it)"),
    }
}

fn at_step(step: Option<&str>) -> String {
    step.map(|step| format!(", during {step}")).unwrap_or_default()
}

fn failed_text(step: Option<&str>, message: &str, last_lines: &[String]) -> String {
    let mut text = match step {
        Some(step) => format!("{step} failed: {message}"),
        None => message.to_string(),
    };
    for line in last_lines {
        text.push_str("\n  | ");
        text.push_str(line);
    }
    text
}

fn at(target: &str) -> String {
    if target.is_empty() { String::new() } else { format!(" at {target}") }
}
