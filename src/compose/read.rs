//! From the files of a commit to a [`Stack`].

use super::fallback;
use super::files::Files;
use super::find::{self, Found};
use super::launchway;
use super::load::{Loader, Origin, Variables};
use super::names;
use super::networks;
use super::origins;
use super::problems::Problems;
use super::service::Services;
use super::shared_images;
use super::sums;
use super::view::View;
use super::volumes;
use super::yaml::Node;
use crate::model::{
    EnvironmentName, Hidden, MaskNames, Permissions, Place, Problem, ProjectName, RepoPath, Secret, Sieve, Stack,
    StackValues, Tree,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What to read, and all that the server knows about it.
pub struct ReadRequest<'a> {
    pub tree: &'a dyn Tree,
    /// The project's folder in the repository.
    pub root: RepoPath,
    /// Compose files from the repository's root, merged as `docker compose -f a -f b` does. Empty: what the project's
    /// folder has is taken (a Compose file, else a Dockerfile, else a template).
    pub files: Vec<RepoPath>,
    pub project: &'a ProjectName,
    /// Prefix of names on the engine.
    pub compose_project: String,
    /// Whose overrides in `x-launchway.environments` count.
    pub environment: Option<&'a EnvironmentName>,
    pub profiles: Vec<String>,
    /// Variables of the server's settings; they win over the repository's `.env`.
    pub variables: BTreeMap<String, String>,
    /// Values that must not be printed, nor become build arguments.
    pub secret_values: Vec<Secret>,
    /// What stood behind the values of `variables` that come from files: a value has no line break at its end, and a file that
    /// is made of it has.
    pub line_ends: BTreeMap<String, String>,
    /// Further values that must not be printed, and such that may, by name.
    pub names: MaskNames,
    /// Files that the commit does not hold, by path as seen from `root`.
    pub outside_files: BTreeMap<String, Vec<u8>>,
    pub allowed: Permissions,
    /// What a deployment waits for may take so long: `limits.deploy`.
    pub longest: Duration,
}

impl<'a> ReadRequest<'a> {
    /// The Compose file that the root of a tree has, with nothing set, nothing allowed, and times up to an hour. Names on the
    /// engine begin with the project's.
    pub fn of(tree: &'a dyn Tree, project: &'a ProjectName) -> Self {
        Self {
            tree,
            root: RepoPath::root(),
            files: Vec::new(),
            project,
            compose_project: project.to_string(),
            environment: None,
            profiles: Vec::new(),
            variables: BTreeMap::new(),
            secret_values: Vec::new(),
            line_ends: BTreeMap::new(),
            names: MaskNames::default(),
            outside_files: BTreeMap::new(),
            allowed: Permissions::default(),
            longest: Duration::from_secs(3600),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub stack: Stack,
    /// Notes and warnings.
    pub problems: Vec<Problem>,
    /// Every file of the commit that was read: Compose files, included and extended ones, env files.
    pub files: Vec<RepoPath>,
}

/// A release goes into the store. Of the variables that the settings give it keeps those that something in it holds, and no
/// secret that nothing uses.
fn keep_values_in_use(stack: &mut Stack) {
    let values = std::mem::take(&mut stack.values);
    let text = serde_json::to_string(&*stack).unwrap_or_default();
    let is_used = |secret: &Secret| {
        let quoted = serde_json::to_string(secret.expose()).unwrap_or_default();
        text.contains(quoted.trim_matches('"'))
    };
    stack.values = values;
    stack.values.declared.retain(|_, secret| is_used(secret));
    stack.values.variables.retain(|_, secret| is_used(secret));
}

/// Reads the Compose file of a commit.
///
/// # Errors
/// All problems that were found, at least one of them an error, each with file, line and key where it has one.
pub fn read(request: &ReadRequest<'_>) -> Result<Reading, Vec<Problem>> {
    let problems = Problems::of_times_up_to(request.longest);
    let files = Files::new(request.tree, &request.root, &request.outside_files);
    files.seen.variables_of(request);
    let mut stack = stack(request, &files, &problems);
    if let Some(stack) = &mut stack {
        stack.values = files.seen.values();
        shared_images::link(&files, stack, &problems);
        origins::check(request, &files, stack, &problems);
    }
    let failed = problems.has_errors();
    let problems = problems.into_sorted(&hidden(request, &files, stack.as_ref()).mask());
    match stack {
        Some(mut stack) if !failed => {
            keep_values_in_use(&mut stack);
            Ok(Reading { stack, problems, files: files.all_read() })
        }
        _ => Err(problems),
    }
}

/// What no message may show.
fn hidden(request: &ReadRequest<'_>, files: &Files<'_>, stack: Option<&Stack>) -> Hidden {
    let mut sieve = Sieve::new(&request.names);
    sieve.ours(request.project.as_str());
    sieve.ours(&request.compose_project);
    request.environment.iter().for_each(|environment| sieve.ours(environment.as_str()));
    request.variables.get("LAUNCHWAY_COMMIT").iter().for_each(|commit| sieve.commit(commit.as_str()));
    request.secret_values.iter().for_each(|secret| sieve.declared(secret.expose()));
    sieve.outside_files(&request.outside_files);
    match stack {
        Some(stack) => sieve.stack(stack),
        None => sieve.stack_values(&files.seen.values()),
    }
    sieve.done()
}

fn stack(request: &ReadRequest<'_>, files: &Files<'_>, problems: &Problems) -> Option<Stack> {
    match find::find(&request.files, &request.root, files, problems)? {
        Found::Compose(paths) => compose(request, paths, files, problems),
        Found::Dockerfile(path) => fallback::from_dockerfile(request, path, problems),
        Found::Nothing => fallback::from_template(request, files, problems),
    }
}

fn compose(request: &ReadRequest<'_>, paths: Vec<RepoPath>, files: &Files<'_>, problems: &Problems) -> Option<Stack> {
    let loader = Loader::new(files, problems);
    let folder = paths.first()?.parent();
    let mut outer = request.variables.clone();
    outer.insert("COMPOSE_PROJECT_NAME".into(), request.compose_project.clone());
    let variables = loader.with_dotenv(&folder, &Arc::new(outer));
    if variables.contains_key("COMPOSE_FILE") && !request.variables.contains_key("COMPOSE_FILE") {
        let place = folder.join(".env").ok().map(|path| Place { file: path.to_string(), line: 1 });
        let message = "COMPOSE_FILE is not read; name the files under the environment's `compose` in launchway.toml";
        problems.warning(place, "COMPOSE_FILE", message);
    }
    let mut profiles = request.profiles.clone();
    if let Some(more) = variables.get("COMPOSE_PROFILES") {
        profiles.extend(more.split(',').map(str::trim).filter(|p| !p.is_empty()).map(str::to_string));
    }
    let model = loader.model(&Origin { files: paths, folder, variables: variables.clone() }, &[])?;
    Some(read_model(request, &model, &profiles, &loader, &variables))
}

const SECTIONS: &[&str] =
    &["version", "name", "include", "services", "networks", "volumes", "secrets", "configs", "models"];

/// Reads the merged tree. What is wrong goes to the problems; the stack is then not used.
fn read_model(
    request: &ReadRequest<'_>,
    model: &Node,
    profiles: &[String],
    loader: &Loader<'_>,
    variables: &Variables,
) -> Stack {
    let file = View::new(model, "", loader.problems);
    file.only(SECTIONS);
    launchway::check_spelling(&file);
    names::check_keys(&file);
    if let Some(version) = file.get("version") {
        version.text();
        version.note("`version:` is obsolete; Compose ignores it, and so does Launchway");
    }
    let name = file.get("name").and_then(|view| Some((view.text()?, view)));
    let compose_name = name.as_ref().map(|(name, _)| name.clone());
    if let Some(name) = name
        && name.0 != request.compose_project
    {
        name.1.note(format!(
            "`name: {}` is not used; this environment's containers, networks and volumes are named {}_... \
                 (`compose-project` in launchway.toml)",
            name.0, request.compose_project
        ));
    }
    if let Some(models) = file.get("models") {
        models.error("models are not supported: Launchway runs containers only");
    }
    let services = Services::new(request, &file, profiles, loader, variables);
    let components = services.read();
    shared_images::tell_left_out(&file, &components);
    sums::check(&file, &components);
    Stack {
        compose_project: request.compose_project.clone(),
        compose_name,
        networks: networks::read(request, &file, &components),
        volumes: volumes::read(request, &file, &components),
        settings: launchway::strategy(&file, request.environment, &components),
        components,
        values: StackValues::default(),
    }
}
