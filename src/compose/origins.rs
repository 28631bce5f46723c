//! Where the images of components come from, and what their builds would fetch: all of it is the repository's word, and the
//! engine would follow it.

use super::dockerfile::{self, Settings};
use super::files::Files;
use super::problems::Problems;
use super::read::ReadRequest;
use crate::model::{
    AdditionalContext, BuildSpec, CACHE_NAMESPACE, Component, Permissions, Place, Problem, Stack, cache_source,
    is_known_frontend, is_launchways_own, lists_image,
};

const SYNTAX: &str = "BUILDKIT_SYNTAX";

const OTHERS: &str = "is an image that Launchway built, and may be another project's;";
const RESERVED: &str = "is one of the names under which Launchway keeps what it builds; give it another name";

/// Reports what launchway.toml does not allow.
pub fn check(request: &ReadRequest<'_>, files: &Files<'_>, stack: &Stack, problems: &Problems) {
    for component in stack.components.values() {
        let checking = Checking { allowed: &request.allowed, component, problems };
        checking.image();
        if let Some(build) = &component.build {
            checking.build(build);
            checking.dockerfile(files, build);
        }
    }
}

struct Checking<'a> {
    allowed: &'a Permissions,
    component: &'a Component,
    problems: &'a Problems,
}

impl Checking<'_> {
    fn key(&self, part: &str) -> String {
        format!("services.{}.{part}", self.component.name)
    }

    fn place(&self) -> Option<Place> {
        Some(self.component.place.clone())
    }

    fn image(&self) {
        let Some(image) = self.component.image.as_ref().filter(|image| is_launchways_own(image)) else { return };
        match self.component.build {
            Some(_) => self.problems.error(self.place(), self.key("image"), format!("{image} {RESERVED}")),
            None => self.used(self.place(), self.key("image"), image),
        }
    }

    /// An image that is used by its name.
    fn used(&self, place: Option<Place>, key: String, image: &str) {
        if is_launchways_own(image) && !lists_image(&self.allowed.images, image) {
            self.problems.refusal(place, key, &format!("{image} {OTHERS}"), format!("images = [{image:?}]"));
        }
    }

    fn build(&self, build: &BuildSpec) {
        let place = self.place();
        for tag in build.tags.iter().filter(|tag| is_launchways_own(tag)) {
            self.problems.error(place.clone(), self.key("build.tags"), format!("{tag} {RESERVED}"));
        }
        for from in &build.cache_from {
            let image = cache_source(from);
            if !lists_image(&self.allowed.images, image) {
                let message = format!(
                    "`cache_from` is left out: what a cache says is believed, also where other projects build the same \
                     steps; `allow.images = [{image:?}]` of the project in launchway.toml uses it"
                );
                self.problems.note(place.clone(), self.key("build.cache_from"), message);
            }
        }
        for (name, context) in &build.additional_contexts {
            let AdditionalContext::Reference(reference) = context else { continue };
            let key = self.key(&format!("build.additional_contexts.{name}"));
            match reference.strip_prefix("docker-image://") {
                Some(image) => self.used(place.clone(), key, image),
                // Whatever it is, the engine would fetch it.
                None => self.fetched(place.clone(), key, reference, dockerfile::remote(reference).flatten()),
            }
        }
        if build.args.contains_key(CACHE_NAMESPACE) {
            let message = "each project has caches of its own, and Launchway names them; leave it out";
            self.problems.error(place.clone(), self.key(&format!("build.args.{CACHE_NAMESPACE}")), message);
        }
        if let Some(frontend) = build.args.get(SYNTAX) {
            self.frontend(place, self.key(&format!("build.args.{SYNTAX}")), frontend);
        }
    }

    fn fetched(&self, place: Option<Place>, key: String, source: &str, host: Option<String>) {
        if let Some(problem) = refused_remote(self.allowed, place, key, source, host.as_deref()) {
            self.problems.push(problem);
        }
    }

    fn frontend(&self, place: Option<Place>, key: String, frontend: &str) {
        // What follows the name is for the frontend.
        let image = frontend.split_whitespace().next().unwrap_or_default();
        if !is_known_frontend(image, &self.allowed.frontends) {
            let name = image.split('@').next().unwrap_or_default();
            let name = match name.rsplit_once(':') {
                Some((before, tag)) if !tag.contains('/') => before,
                _ => name,
            };
            let why = format!("the frontend {image} would decide what the engine fetches and runs, so it is refused;");
            self.problems.refusal(place, key, &why, format!("frontends = [{name:?}]"));
        }
    }

    fn dockerfile(&self, files: &Files<'_>, build: &BuildSpec) {
        let Some(text) = files.dockerfile(build) else { return };
        let file = build.dockerfile_inline.is_none().then(|| build.dockerfile.to_string());
        let key = if file.is_some() { String::new() } else { self.key("build.dockerfile_inline") };
        let place = |line: u32| match &file {
            Some(file) => Some(Place { file: file.clone(), line }),
            None => self.place(),
        };
        for (line, frontend) in dockerfile::frontends(&text) {
            self.frontend(place(line), key.clone(), &frontend);
        }
        if has_own_frontend(build, &text) {
            return;
        }
        // What cannot be read is not built: the build says so.
        let Ok(found) = dockerfile::fetched(&text, &Settings::of(build)) else { return };
        for image in &found.images {
            if let Some(reference) = &image.reference {
                self.used(place(image.line), key.clone(), reference);
            }
        }
        for remote in found.remotes {
            self.fetched(place(remote.line), key.clone(), &remote.source, remote.host);
        }
    }
}

/// Whether something else than Docker's own frontends reads a Dockerfile: what that makes of it is its own affair, and
/// launchway.toml lists it.
pub fn has_own_frontend(build: &BuildSpec, dockerfile: &str) -> bool {
    let named = dockerfile::frontends(dockerfile).into_iter().map(|(_, name)| name);
    let argument = build.args.get(SYNTAX).and_then(|text| text.split_whitespace().next()).map(str::to_string);
    named.chain(argument).any(|name| !is_known_frontend(&name, &[]))
}

/// What is wrong with a source of a build that the engine would fetch; `None`: launchway.toml allows its host.
pub fn refused_remote(
    allowed: &Permissions,
    place: Option<Place>,
    key: impl Into<String>,
    source: &str,
    host: Option<&str>,
) -> Option<Problem> {
    let Some(host) = host else {
        let message = format!(
            "which host {source} is fetched from cannot be told; write it out as https://HOST/PATH, without a user and \
             without variables in the host"
        );
        return Some(Problem::error(place, key, message));
    };
    if allowed.build_remote.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
        return None;
    }
    let why = format!(
        "the engine would fetch {source}, and it reaches what only its host should, so it is refused; use `RUN` with curl or \
         git, or"
    );
    Some(Problem::refusal(place, key, &why, format!("build-remote = [{host:?}]")))
}
