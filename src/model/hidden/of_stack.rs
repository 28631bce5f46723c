//! The values of a commit's stack: all that reaches a container, and what the files beside it say.

use super::{Hidden, MaskNames, Sieve};
use crate::model::{
    CommitId, Component, EnvironmentName, HealthTest, MountSource, ProjectName, Release, Stack, StackValues,
};
use std::collections::{BTreeMap, BTreeSet};

/// What Compose files are read with is no component's own.
const VARIABLES: &str = "variables";
/// From so many bytes on, a text that many components get is looked through once.
const LARGE: usize = 4_096;
/// Where the engine mounts a secret whose `target` nobody chose.
const SECRETS: &str = "/run/secrets/";

impl Hidden {
    /// What of a release is secret, whichever version of Launchway made it.
    pub fn of_release(release: &Release, names: &MaskNames) -> Self {
        let mut sieve = Sieve::new(names);
        sieve.place(&release.project, &release.environment);
        sieve.commit(release.commit.to_string());
        sieve.stack(&release.stack);
        sieve.done()
    }

    /// What of the stack of a commit is secret, before it is a release.
    pub fn of_stack(
        project: &ProjectName,
        environment: &EnvironmentName,
        commit: &CommitId,
        stack: &Stack,
        names: &MaskNames,
    ) -> Self {
        let mut sieve = Sieve::new(names);
        sieve.place(project, environment);
        sieve.commit(commit.to_string());
        sieve.stack(stack);
        sieve.done()
    }
}

impl Sieve<'_> {
    /// Names that are in all that is said of an environment.
    pub fn place(&mut self, project: &ProjectName, environment: &EnvironmentName) {
        self.ours(project.as_str());
        self.ours(environment.as_str());
    }

    /// All values of a stack.
    pub fn stack(&mut self, stack: &Stack) {
        self.names_of(stack);
        self.stack_values(&stack.values);
        let mut large = BTreeSet::new();
        for component in stack.components.values() {
            self.component(component, stack, &mut large);
        }
        let volumes = stack.volumes.iter().map(|(key, volume)| (key, &volume.driver_opts));
        let networks = stack.networks.iter().map(|(key, network)| (key, &network.driver_opts));
        for (key, options) in volumes.chain(networks) {
            self.values(key, options);
        }
    }

    /// What files and settings say beside the components.
    pub fn stack_values(&mut self, values: &StackValues) {
        values.declared.values().for_each(|secret| self.declared(secret.expose()));
        for (key, secret) in &values.secrets {
            // The server's own word goes before the commit's.
            match self.is_plain(key) {
                true => self.plain(secret.expose()),
                false => self.declared(secret.expose()),
            }
        }
        for (name, value) in &values.variables {
            self.value(VARIABLES, name, value.expose());
        }
    }

    fn names_of(&mut self, stack: &Stack) {
        self.ours(&stack.compose_project);
        for (key, network) in &stack.networks {
            self.ours(key);
            self.ours(&network.name);
        }
        for (key, volume) in &stack.volumes {
            self.ours(key);
            self.ours(&volume.name);
        }
        for component in stack.components.values() {
            self.ours(component.name.as_str());
            let names = [&component.image, &component.container.container_name, &component.container.hostname];
            names.into_iter().flatten().for_each(|name| self.ours(name));
        }
    }

    /// `large`: texts that were looked through for other components, each under its name.
    fn component<'s>(&mut self, component: &'s Component, stack: &Stack, large: &mut BTreeSet<(&'s str, &'s str)>) {
        let of = component.name.as_str();
        let container = &component.container;
        let mut is_new = |name: &'s str, text: &'s str| text.len() < LARGE || large.insert((name, text));
        self.values(of, container.environment.iter().filter(|(name, value)| is_new(name, value)));
        for options in container.logging.iter().map(|logging| &logging.options) {
            self.values(of, options);
        }
        for labels in [&container.labels, &container.annotations] {
            labels.iter().for_each(|(name, value)| self.within(of, name, value));
        }
        let commands = container.command.iter().chain(&container.entrypoint).chain(&component.settings.release_command);
        commands.flatten().for_each(|word| self.within(of, "command", word));
        match container.healthcheck.as_ref().map(|check| &check.test) {
            Some(HealthTest::Exec(words)) => words.iter().for_each(|word| self.within(of, "healthcheck", word)),
            Some(HealthTest::Shell(line)) => self.within(of, "healthcheck", line),
            Some(HealthTest::Inherit | HealthTest::Disabled) | None => {}
        }
        for mount in &container.mounts {
            let MountSource::Text { key, text, .. } = &mount.source else { continue };
            if stack.values.secrets.values().any(|secret| secret == text) {
                continue;
            }
            // Of releases that were made before the stack kept its secrets, the place tells.
            match mount.target.starts_with(SECRETS) && !self.is_plain(key) {
                true => self.declared(text.expose()),
                false if is_new(key, text.expose()) => self.file(key, text.expose()),
                false => {}
            }
        }
        if let Some(build) = &component.build {
            self.values(of, &build.args);
            build.secrets.iter().for_each(|secret| self.declared(secret.value.expose()));
        }
    }
}

/// Used by what reads a commit, where there is no stack because of what is wrong with it.
impl Sieve<'_> {
    /// Looks through files from outside of the commit, by their paths.
    pub fn outside_files(&mut self, files: &BTreeMap<String, Vec<u8>>) {
        for (path, bytes) in files {
            if let Ok(text) = std::str::from_utf8(bytes) {
                self.file(path, text);
            }
        }
    }
}
