//! A commit's files, and the stack that they describe.

use crate::compose::Reading;
use crate::config::{Environment, Project};
use crate::model::{CommitId, EdgeSettings, Permissions, Place, Problem, RefName, Tree};
use crate::plan::routing::give_to_edge;
use crate::run::flow::asking::Answers;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::reading::{ReadError, ReadOrder, Reader};
use crate::run::ground::stage_error::StageError;
use crate::source::{
    CommitInfo, FetchError, FetchRequest, Fetched, GitTree, MostFetched, Patience, Remote, RemoteUrl,
    SubmoduleSettings, WantedRefs,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A commit, and its files.
pub struct Checkout {
    pub tree: Arc<dyn Tree>,
    pub commit: CommitInfo,
}

impl From<FetchError> for StageError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Cancelled { .. } => StageError::Cancelled,
            // Whoever pushed the one forgot to push the other: nothing of the host is wrong.
            FetchError::MissingModule { .. } => StageError::commit(error.to_string()),
            other => StageError::host(other),
        }
    }
}

/// The only repository that a project is ever fetched from: its settings' own. Plain http is for tests and for forges on the
/// machine itself; the settings name it, nobody else can.
fn remote(project: &Project) -> Result<Remote, FetchError> {
    Ok(Remote { url: RemoteUrl::parse(&project.repository, true)?, credentials: project.credentials.clone() })
}

/// What fetching may take, by the settings of this moment.
fn patience(deployer: &Deployer, cancel: &CancellationToken) -> Patience {
    let config = deployer.config();
    let (repository_bytes, memory_bytes) = (config.limits.repository_bytes, config.limits.fetch_memory_bytes);
    Patience::new(cancel.clone(), config.limits.fetch).with(MostFetched { repository_bytes, memory_bytes })
}

/// Fetches refs of a project into its mirror. What is refused is tried once more where the project's token or key has been
/// renewed since its settings were read.
pub async fn fetch(
    deployer: &Deployer,
    project: &Project,
    refs: Vec<RefName>,
    cancel: &CancellationToken,
) -> Result<Fetched, FetchError> {
    let refused = match fetch_as(deployer, project, refs.clone(), cancel).await {
        Err(error) if error.is_refusal() => error,
        other => return other,
    };
    match deployer.renewed(project).await {
        Some(renewed) => fetch_as(deployer, &renewed, refs, cancel).await,
        None => Err(refused),
    }
}

async fn fetch_as(
    deployer: &Deployer,
    project: &Project,
    refs: Vec<RefName>,
    cancel: &CancellationToken,
) -> Result<Fetched, FetchError> {
    let patience = patience(deployer, cancel);
    let request = FetchRequest {
        project: project.name.clone(),
        remote: remote(project)?,
        refs: WantedRefs::Exactly(refs),
        patience,
        progress: None,
    };
    deployer.mirrors.fetch(request).await
}

/// The tips of a project's branches and tags, as its repository has them now; tried once more like [`fetch`].
pub async fn remote_tips(deployer: &Deployer, project: &Project) -> Result<BTreeMap<RefName, CommitId>, FetchError> {
    let refused = match tips_as(deployer, project).await {
        Err(error) if error.is_refusal() => error,
        other => return other,
    };
    match deployer.renewed(project).await {
        Some(renewed) => tips_as(deployer, &renewed).await,
        None => Err(refused),
    }
}

async fn tips_as(deployer: &Deployer, project: &Project) -> Result<BTreeMap<RefName, CommitId>, FetchError> {
    let patience = patience(deployer, &deployer.stop);
    deployer.mirrors.remote_tips(remote(project)?, &patience).await
}

/// A commit out of the mirror; fetched first where it is not there (the mirror was lost, or is of another machine).
pub async fn checkout(
    deployer: &Deployer,
    project: &Project,
    commit: &CommitId,
    reference: Option<&RefName>,
    cancel: &CancellationToken,
) -> Result<Checkout, StageError> {
    let mut found = deployer.mirrors.commit(&project.name, commit);
    if let (Err(_), Some(reference)) = (&found, reference) {
        fetch(deployer, project, vec![reference.clone()], cancel).await?;
        found = deployer.mirrors.commit(&project.name, commit);
    }
    let commit_info = found.map_err(StageError::host)?;
    let tree = deployer.mirrors.tree(&project.name, commit).map_err(StageError::host)?;
    let tree = if project.submodules {
        match with_submodules(deployer, project, &tree, cancel).await {
            Err(error) if error.is_refusal() => match deployer.renewed(project).await {
                Some(renewed) => with_submodules(deployer, &renewed, &tree, cancel).await?,
                None => return Err(error.into()),
            },
            brought => brought?,
        }
    } else {
        tree
    };
    Ok(Checkout { tree: Arc::new(tree), commit: commit_info })
}

async fn with_submodules(
    deployer: &Deployer,
    project: &Project,
    tree: &GitTree,
    cancel: &CancellationToken,
) -> Result<GitTree, FetchError> {
    let settings = SubmoduleSettings { allowed_hosts: project.submodule_hosts.clone(), allow_plain_http: true };
    let patience = patience(deployer, cancel);
    deployer.mirrors.with_submodules(&project.name, tree, &remote(project)?, &settings, &patience).await
}

/// Reads the Compose file of a commit as the environment's settings have it, by the project's reader. `answers`: ports that are known to speak HTTP.
pub async fn read(
    project: &Project,
    environment: &Environment,
    edge: Option<&EdgeSettings>,
    commit: &CommitId,
    tree: Arc<dyn Tree>,
    answers: &Answers,
    reader: &Reader<'_>,
) -> Result<Result<Reading, Vec<Problem>>, ReadError> {
    let order = match order(project, environment, commit, reader.longest) {
        Ok(order) => order,
        Err(problems) => return Ok(Err(problems)),
    };
    let mut reading = match reader.stack(&tree, order).await? {
        Ok(reading) => reading,
        Err(problems) => return Ok(Err(problems)),
    };
    for (name, ports) in answers {
        if let Some(component) = reading.stack.components.get_mut(name) {
            component.answers_http = ports.clone();
        }
    }
    if let Some(edge) = edge {
        let problems = give_to_edge(&mut reading.stack, edge);
        if problems.iter().any(Problem::is_error) {
            return Ok(Err(problems));
        }
        reading.problems.extend(problems);
    }
    Ok(Ok(reading))
}

/// What is to be read of a commit for an environment.
fn order(
    project: &Project,
    environment: &Environment,
    commit: &CommitId,
    longest: Duration,
) -> Result<ReadOrder, Vec<Problem>> {
    let mut files = Vec::new();
    for file in &environment.compose {
        files.push(project.path.join(file.as_str()).map_err(|error| {
            let place = Place { file: "launchway.toml".into(), line: project.line };
            vec![Problem::error(Some(place), "compose", error.to_string())]
        })?);
    }
    let mut variables = environment.values();
    variables.entry("LAUNCHWAY_COMMIT".into()).or_insert(commit.to_string());
    Ok(ReadOrder {
        root: project.path.clone(),
        files,
        project: project.name.clone(),
        compose_project: environment.compose_project.clone(),
        environment: environment.name.clone(),
        profiles: environment.profiles.clone(),
        variables,
        secret_values: environment.secrets.values().cloned().collect(),
        line_ends: environment.line_ends.clone(),
        names: environment.names.clone(),
        outside_files: outside_files(environment)?,
        allowed: Permissions { binds: environment.binds.clone(), ..project.allow.clone() },
        longest,
    })
}

fn outside_files(environment: &Environment) -> Result<BTreeMap<String, Vec<u8>>, Vec<Problem>> {
    let mut files = BTreeMap::new();
    for (path, file) in &environment.files {
        let bytes = std::fs::read(file).map_err(|error| {
            // Its path is nothing for a commit's status; `config check` says it.
            let message = format!(
                "the file that `files` of environment {} in launchway.toml gives for it cannot be read: {error}",
                environment.name
            );
            vec![Problem::error(None, path.clone(), message)]
        })?;
        files.insert(path.clone(), bytes);
    }
    Ok(files)
}
