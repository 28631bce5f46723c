//! A repository without a Compose file: its Dockerfile, or a template that matches its files.

use super::files::Files;
use super::problems::Problems;
use super::read::ReadRequest;
use crate::model::{
    BuildSpec, Component, ComponentName, ComponentSettings, ContainerSettings, Network, NetworkAttachment, Place,
    PullPolicy, RepoPath, Stack, StackValues, StrategySettings, UpdateConfig,
};
use std::collections::{BTreeMap, BTreeSet};

/// What gives a kind of project away -> its template.
const TEMPLATES: &[(&[&str], &str, &str)] = &[
    (&["package.json"], "node", include_str!("../../templates/dockerfiles/node.Dockerfile")),
    (&["pyproject.toml", "requirements.txt"], "python", include_str!("../../templates/dockerfiles/python.Dockerfile")),
    (&["go.mod"], "go", include_str!("../../templates/dockerfiles/go.Dockerfile")),
    (&["Cargo.toml"], "rust", include_str!("../../templates/dockerfiles/rust.Dockerfile")),
    (&["pom.xml"], "java-maven", include_str!("../../templates/dockerfiles/java-maven.Dockerfile")),
    (&["index.html"], "static", include_str!("../../templates/dockerfiles/static.Dockerfile")),
];

pub fn from_dockerfile(request: &ReadRequest<'_>, path: RepoPath, problems: &Problems) -> Option<Stack> {
    let place = Place { file: path.to_string(), line: 1 };
    problems.note(
        Some(place.clone()),
        "",
        format!(
            "there is no Compose file, so this Dockerfile is component {}; its ports are not published until a Compose \
             file says so",
            request.project
        ),
    );
    let build = BuildSpec { context: request.root.clone(), dockerfile: path, ..BuildSpec::default() };
    stack(request, build, place)
}

pub fn from_template(request: &ReadRequest<'_>, files: &Files<'_>, problems: &Problems) -> Option<Stack> {
    let exists = |name: &str| {
        let path = request.root.join(name).ok()?;
        files.is_file(&path).unwrap_or(false).then_some(path)
    };
    for (names, kind, template) in TEMPLATES {
        let Some(path) = names.iter().find_map(|name| exists(name)) else { continue };
        let place = Place { file: path.to_string(), line: 1 };
        let message = format!(
            "there is no Compose file and no Dockerfile, so component {} is built by the template for {kind}, because \
             {path} is there",
            request.project
        );
        problems.note(Some(place.clone()), "", message);
        let build = BuildSpec {
            context: request.root.clone(),
            dockerfile: request.root.join("Dockerfile").ok()?,
            dockerfile_inline: Some((*template).to_string()),
            ..BuildSpec::default()
        };
        return stack(request, build, place);
    }
    let looked_for: Vec<&str> = TEMPLATES.iter().flat_map(|(names, _, _)| names.iter().copied()).collect();
    let folder = if request.root.is_root() { "the repository".to_string() } else { format!("folder {}", request.root) };
    let message = format!(
        "nothing in {folder} says how it is deployed; looked for compose.yaml, compose.yml, docker-compose.yaml, \
         docker-compose.yml, Dockerfile, {}; `path` and `compose` in launchway.toml name another place",
        looked_for.join(", ")
    );
    problems.error(None, "", message);
    None
}

/// One component named after the project.
fn stack(request: &ReadRequest<'_>, build: BuildSpec, place: Place) -> Option<Stack> {
    let name = ComponentName::new(request.project.as_str()).ok()?;
    let networks = BTreeMap::from([("default".to_string(), NetworkAttachment::default())]);
    let component = Component {
        name: name.clone(),
        place,
        image: None,
        build: Some(build),
        builder: None,
        pull: PullPolicy::default(),
        container: ContainerSettings { networks, ..ContainerSettings::default() },
        depends_on: BTreeMap::new(),
        replicas: 1,
        update: UpdateConfig::default(),
        settings: ComponentSettings::default(),
        entries: Vec::new(),
        image_volumes: Vec::new(),
        image_calls: Default::default(),
        called_containers: Default::default(),
        answers_http: BTreeSet::new(),
        answered: BTreeSet::new(),
        traffic: None,
    };
    let network: Network = super::networks::implicit_default(&request.compose_project);
    Some(Stack {
        compose_project: request.compose_project.clone(),
        compose_name: None,
        components: BTreeMap::from([(name, component)]),
        networks: BTreeMap::from([("default".to_string(), network)]),
        volumes: BTreeMap::new(),
        settings: StrategySettings::default(),
        values: StackValues::default(),
    })
}
