//! Who knows whom in a stack, found once for all of its components: whoever looks through all texts of all components for
//! each component takes a million looks at a thousand of them.

use super::calls::{calls, texts};
use crate::model::{Component, ComponentName, Condition, MountSource, NetworkMode, Stack};
use std::collections::{BTreeSet, HashMap};

/// Names and places of components within the stack that it was made of.
pub struct Relations<'s> {
    pub stack: &'s Stack,
    jobs: BTreeSet<&'s ComponentName>,
    /// Who may name a component, by the first word of its name.
    by_word: HashMap<&'s str, BTreeSet<&'s ComponentName>>,
    /// Whoever mounts files of the commit, which may name anybody.
    with_files: BTreeSet<&'s ComponentName>,
    /// Whose images name a component.
    by_image: HashMap<&'s ComponentName, BTreeSet<&'s ComponentName>>,
    /// By each name under which they are reached: their own, aliases and links.
    by_name: HashMap<&'s str, BTreeSet<&'s ComponentName>>,
    /// Whose network others share.
    shared_by: HashMap<&'s ComponentName, BTreeSet<&'s ComponentName>>,
    /// The other names that links give a component.
    links: HashMap<&'s str, BTreeSet<&'s str>>,
    /// `api:8080` in a text of a component.
    ports: Ports<'s>,
    /// `API_PORT: "3000"` in a component's environment.
    told: HashMap<String, Vec<(&'s ComponentName, u16)>>,
}

impl<'s> Relations<'s> {
    /// Finds who knows whom in a stack.
    pub fn of(stack: &'s Stack) -> Self {
        let mut found = Self {
            stack,
            jobs: BTreeSet::new(),
            by_word: HashMap::new(),
            with_files: BTreeSet::new(),
            by_image: HashMap::new(),
            by_name: HashMap::new(),
            shared_by: HashMap::new(),
            links: HashMap::new(),
            ports: Ports::default(),
            told: HashMap::new(),
        };
        for component in stack.components.values() {
            found.add(component);
        }
        let names: HashMap<&str, &ComponentName> = stack.components.keys().map(|name| (name.as_str(), name)).collect();
        for (target, aliases) in &found.links {
            let Some(name) = names.get(*target) else { continue };
            for alias in aliases {
                found.by_name.entry(alias).or_default().insert(name);
            }
        }
        found
    }

    fn add(&mut self, component: &'s Component) {
        let (name, container) = (&component.name, &component.container);
        for (other, dependency) in &component.depends_on {
            self.by_word.entry(first_word(other.as_str())).or_default().insert(name);
            if dependency.condition == Condition::ServiceCompletedSuccessfully {
                self.jobs.insert(other);
            }
        }
        for link in &container.links {
            let (target, alias) = link.split_once(':').unwrap_or((link, link));
            self.by_word.entry(first_word(target)).or_default().insert(name);
            if alias != target {
                self.links.entry(target).or_default().insert(alias);
            }
        }
        for text in texts(component) {
            self.add_text(name, text);
        }
        for other in &component.image_calls {
            self.by_image.entry(other).or_default().insert(name);
        }
        for mount in &container.mounts {
            match &mount.source {
                MountSource::Text { text, .. } => self.add_text(name, text.expose()),
                MountSource::Repository { .. } => drop(self.with_files.insert(name)),
                _ => {}
            }
        }
        let aliases = container.networks.values().flat_map(|network| network.aliases.iter().map(String::as_str));
        for reached in std::iter::once(name.as_str()).chain(aliases) {
            self.by_name.entry(reached).or_default().insert(name);
        }
        if let NetworkMode::Component(other) = &container.network_mode {
            self.shared_by.entry(other).or_default().insert(name);
        }
        for (key, value) in &container.environment {
            let key = key.to_ascii_uppercase();
            if key.ends_with("_PORT")
                && let Some(port) = value.parse::<u16>().ok().filter(|port| *port != 0)
            {
                self.told.entry(key).or_default().push((name, port));
            }
        }
    }

    fn add_text(&mut self, name: &'s ComponentName, text: &'s str) {
        for word in text.split(|c: char| !is_word(c)).filter(|word| !word.is_empty()) {
            self.by_word.entry(word).or_default().insert(name);
        }
        self.ports.add(name, text);
    }

    /// As [`Stack::is_job`].
    pub fn is_job(&self, name: &ComponentName) -> bool {
        self.jobs.contains(name)
    }

    /// Whether others listen in the component's network, which then says nothing of the component itself.
    pub fn is_shared(&self, name: &ComponentName) -> bool {
        self.shared_by.contains_key(name)
    }

    /// Why others may reach the component by its name, as far as the file tells; in doubt they do.
    pub fn caller(&self, component: &Component) -> Option<String> {
        let named = self.who_may_name(component);
        let named = self.first_caller(named.iter(), component);
        // The first by name, whatever it does.
        let sooner = self.with_files.iter().take_while(|name| named.as_ref().is_none_or(|(first, _)| *name < first));
        let with_files = self.first_caller(sooner, component);
        with_files.or(named).map(|(_, why)| why)
    }

    /// All that may reach it by its name.
    pub fn callers(&self, component: &Component) -> BTreeSet<ComponentName> {
        let mut all = self.who_may_name(component);
        all.extend(&self.with_files);
        let names = self.names_of(component);
        let calls = |name: &&&ComponentName| {
            self.stack.components.get(**name).is_some_and(|other| calls(other, component, &names).is_some())
        };
        all.iter().filter(calls).map(|name| (*name).clone()).collect()
    }

    /// Those in whose texts the first word of one of its names stands, or whose image names it.
    fn who_may_name(&self, component: &Component) -> BTreeSet<&'s ComponentName> {
        let names = self.names_of(component);
        let by_word = names.iter().filter_map(|name| self.by_word.get(first_word(name))).flatten();
        by_word.chain(self.by_image.get(&component.name).into_iter().flatten()).copied().collect()
    }

    /// Names that the component's containers get from their project by which texts of others name it.
    pub fn called_containers(&self, component: &Component) -> BTreeSet<String> {
        let project = &self.stack.compose_project;
        let names = (1..=component.replicas).map(|replica| format!("{project}-{}-{replica}", component.name));
        let is_called = |name: &String| {
            let mut others = self.by_word.get(first_word(name)).into_iter().flatten();
            others.any(|other| {
                let other = self.stack.components.get(*other).filter(|other| other.name != component.name);
                other.is_some_and(|other| calls(other, component, &BTreeSet::from([name.clone()])).is_some())
            })
        };
        names.filter(is_called).collect()
    }

    fn first_caller<'a>(
        &'a self,
        mut names: impl Iterator<Item = &'a &'s ComponentName>,
        component: &Component,
    ) -> Option<(&'s ComponentName, String)> {
        let called = self.names_of(component);
        names.find_map(|name| Some((*name, calls(self.stack.components.get(*name)?, component, &called)?)))
    }

    /// Others that have one of the names, or share the component's network, in the order of their names.
    pub fn in_the_way<'a>(&'a self, component: &Component, names: &BTreeSet<String>) -> Vec<&'s Component> {
        let same_name = names.iter().filter_map(|name| self.by_name.get(name.as_str()));
        let others = same_name.chain(self.shared_by.get(&component.name)).flatten().copied();
        let others: BTreeSet<&ComponentName> = others.filter(|other| **other != component.name).collect();
        others.into_iter().filter_map(|name| self.stack.components.get(name)).collect()
    }

    /// All names by which a component is reached: its own, aliases, and those of its containers that others call.
    pub fn names_of(&self, component: &Component) -> BTreeSet<String> {
        let aliases = component.container.networks.values().flat_map(|network| network.aliases.iter().cloned());
        let links = self.links.get(component.name.as_str()).into_iter().flatten().map(|alias| alias.to_string());
        let containers = component.called_containers.iter().cloned();
        std::iter::once(component.name.to_string()).chain(aliases).chain(links).chain(containers).collect()
    }

    /// Ports at which others name it, in values, commands, mounted texts and variables of their own.
    pub fn ports_named_by_others(&self, component: &Component, names: &BTreeSet<String>) -> BTreeSet<u16> {
        let mut ports = self.ports.of(&component.name, names);
        for name in names {
            let key = format!("{}_PORT", name.to_ascii_uppercase().replace('-', "_"));
            let told = self.told.get(&key).into_iter().flatten().filter(|(other, _)| **other != component.name);
            ports.extend(told.map(|(_, port)| *port));
        }
        ports
    }
}

/// What `has_word` of `method` takes for a part of a word.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_')
}

/// Whoever names `a.b` has the word `a`.
fn first_word(name: &str) -> &str {
    name.split(|c| !is_word(c)).next().unwrap_or_default()
}

/// Where texts name somebody with a port: `http://api:8080/` says 8080 of `api`.
#[derive(Default)]
pub struct Ports<'s> {
    by_name: HashMap<&'s str, Vec<(&'s ComponentName, u16)>>,
    texts: Vec<(&'s ComponentName, &'s str)>,
}

impl<'s> Ports<'s> {
    /// Takes in a text of a component.
    pub fn add(&mut self, name: &'s ComponentName, text: &'s str) {
        for (at, _) in text.match_indices(':') {
            let Some(port) = port_at(&text[at + 1..]) else { continue };
            let before = &text[..at];
            let start = before.char_indices().rev().take_while(|(_, c)| is_part(*c)).last().map_or(at, |(at, _)| at);
            if start < at {
                self.by_name.entry(&text[start..at]).or_default().push((name, port));
            }
        }
        self.texts.push((name, text));
    }

    /// Ports that texts of others say of one of the names.
    pub fn of(&self, component: &ComponentName, names: &BTreeSet<String>) -> BTreeSet<u16> {
        let mut ports = BTreeSet::new();
        for name in names {
            // An alias that is no name of a host is looked for as it stands.
            if name.is_empty() || !name.chars().all(is_part) {
                let others = self.texts.iter().filter(|(other, _)| *other != component);
                ports.extend(others.flat_map(|(_, text)| ports_after(text, name)));
                continue;
            }
            let said = self.by_name.get(name.as_str()).into_iter().flatten();
            ports.extend(said.filter(|(other, _)| *other != component).map(|(_, port)| *port));
        }
        ports
    }
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn port_at(text: &str) -> Option<u16> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok().filter(|port| *port != 0)
}

fn ports_after(text: &str, name: &str) -> Vec<u16> {
    let found = text.match_indices(name).filter_map(|(at, _)| {
        let is_whole = !text[..at].chars().next_back().is_some_and(is_part);
        port_at(text[at + name.len()..].strip_prefix(':').filter(|_| is_whole)?)
    });
    found.collect()
}

#[cfg(test)]
mod tests;
