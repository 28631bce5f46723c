//! A commit's files, and the stack that they describe.

use super::asking::Answers;
use super::deployer::Deployer;
use super::setback::Setback;
use crate::compose::{self, ReadRequest, Reading};
use crate::config::{Environment, Project};
use crate::model::{CommitId, EdgeSettings, Permissions, Place, Problem, RefName, Tree};
use crate::plan::routing::give_to_edge;
use crate::source::{
    CommitInfo, FetchError, FetchRequest, Fetched, Patience, Remote, RemoteUrl, SubmoduleSettings, WantedRefs,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub struct Checkout {
    pub tree: Arc<dyn Tree>,
    pub commit: CommitInfo,
}

impl From<FetchError> for Setback {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Cancelled { .. } => Setback::Cancelled,
            other => Setback::host(other),
        }
    }
}

/// The only repository that a project is ever fetched from: its settings' own.
pub fn remote(project: &Project) -> Result<Remote, Setback> {
    // Plain http is for tests and for forges on the machine itself; the settings name it, nobody else can.
    let url = RemoteUrl::parse(&project.repository, true).map_err(Setback::host)?;
    Ok(Remote { url, credentials: project.credentials.clone() })
}

/// Fetches refs of a project into its mirror.
pub async fn fetch(
    deployer: &Deployer,
    project: &Project,
    refs: Vec<RefName>,
    cancel: &CancellationToken,
) -> Result<Fetched, FetchError> {
    let url = RemoteUrl::parse(&project.repository, true)?;
    let remote = Remote { url, credentials: project.credentials.clone() };
    let patience = Patience::new(cancel.clone(), deployer.config().limits.fetch);
    let request = FetchRequest {
        project: project.name.clone(),
        remote,
        refs: WantedRefs::Exactly(refs),
        patience,
        progress: None,
    };
    deployer.mirrors.fetch(request).await
}

/// A commit out of the mirror; fetched first where it is not there (the mirror was lost, or is of another machine).
pub async fn checkout(
    deployer: &Deployer,
    project: &Project,
    commit: &CommitId,
    reference: Option<&RefName>,
    cancel: &CancellationToken,
) -> Result<Checkout, Setback> {
    let mut found = deployer.mirrors.commit(&project.name, commit);
    if let (Err(_), Some(reference)) = (&found, reference) {
        fetch(deployer, project, vec![reference.clone()], cancel).await?;
        found = deployer.mirrors.commit(&project.name, commit);
    }
    let commit_info = found.map_err(Setback::host)?;
    let tree = deployer.mirrors.tree(&project.name, commit).map_err(Setback::host)?;
    let tree = if project.submodules {
        let settings = SubmoduleSettings { allowed_hosts: project.submodule_hosts.clone(), allow_plain_http: true };
        let patience = Patience::new(cancel.clone(), deployer.config().limits.fetch);
        deployer.mirrors.with_submodules(&project.name, &tree, &remote(project)?, &settings, &patience).await?
    } else {
        tree
    };
    Ok(Checkout { tree: Arc::new(tree), commit: commit_info })
}

/// Reads the Compose file of a commit as the environment's settings have it. `answers`: ports that are known to speak HTTP.
pub async fn read(
    project: &Project,
    environment: &Environment,
    edge: Option<&EdgeSettings>,
    commit: &CommitId,
    tree: Arc<dyn Tree>,
    answers: &Answers,
) -> Result<Reading, Vec<Problem>> {
    let (project, environment, edge) = (project.clone(), environment.clone(), edge.cloned());
    let answers = answers.clone();
    let commit = commit.to_string();
    let reading = tokio::task::spawn_blocking(move || {
        let outside_files = outside_files(&environment)?;
        let mut files = Vec::new();
        for file in &environment.compose {
            files.push(project.path.join(file.as_str()).map_err(|error| {
                let place = Place { file: "launchway.toml".into(), line: project.line };
                vec![Problem::error(Some(place), "compose", error.to_string())]
            })?);
        }
        let mut variables = environment.values();
        variables.entry("LAUNCHWAY_COMMIT".into()).or_insert(commit);
        let request = ReadRequest {
            tree: tree.as_ref(),
            root: project.path.clone(),
            files,
            project: &project.name,
            compose_project: environment.compose_project.clone(),
            environment: Some(&environment.name),
            profiles: environment.profiles.clone(),
            variables,
            secret_values: environment.secrets.values().cloned().collect(),
            outside_files,
            allowed: Permissions { binds: environment.binds.clone(), ..project.allow.clone() },
        };
        let mut reading = compose::read(&request)?;
        for (name, ports) in answers {
            if let Some(component) = reading.stack.components.get_mut(&name) {
                component.answers_http = ports;
            }
        }
        if let Some(edge) = &edge {
            let problems = give_to_edge(&mut reading.stack, edge);
            if problems.iter().any(Problem::is_error) {
                return Err(problems);
            }
            reading.problems.extend(problems);
        }
        Ok(reading)
    })
    .await;
    match reading {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn outside_files(environment: &Environment) -> Result<BTreeMap<String, Vec<u8>>, Vec<Problem>> {
    let mut files = BTreeMap::new();
    for (path, file) in &environment.files {
        let bytes = std::fs::read(file).map_err(|error| {
            let message = format!(
                "the file {} of launchway.toml ([...environments.{}] files) cannot be read: {error}",
                file.display(),
                environment.name
            );
            vec![Problem::error(None, path.clone(), message)]
        })?;
        files.insert(path.clone(), bytes);
    }
    Ok(files)
}
