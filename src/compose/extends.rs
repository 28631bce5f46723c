//! `extends`: a service takes over what another one says, of the same file or of another file of the repository.

use super::load::Loader;
use super::merge;
use super::suggest;
use super::yaml::{Node, Value};
use crate::model::{Place, RepoPath};
use crate::model::{Quoted, budgets};
use std::collections::HashMap;
use std::rc::Rc;

/// The file with every `extends` replaced by what it stands for.
pub fn apply(loader: &Loader<'_>, mut file: Node) -> Option<Node> {
    let Some(services) = file.get("services").cloned() else { return Some(file) };
    let Some(entries) = services.entries() else { return Some(file) };
    if !entries.iter().any(|entry| entry.node.get("extends").is_some()) {
        return Some(file);
    }
    let mut resolver = Resolver { loader, others: HashMap::new() };
    let mut resolved = services.clone();
    for entry in entries {
        let node = resolver.service(&services, &entry.key, &mut Vec::new())?;
        if let Some(slot) = resolved.get_mut(&entry.key) {
            *slot = node;
        }
    }
    file.set_keeping_line("services", resolved);
    Some(file)
}

struct Resolver<'l> {
    loader: &'l Loader<'l>,
    /// Services of other files, by path.
    others: HashMap<RepoPath, Rc<Node>>,
}

impl Resolver<'_> {
    /// A service with all that it extends. `chain` are the services on the way here.
    fn service(&mut self, services: &Node, name: &str, chain: &mut Vec<(String, String)>) -> Option<Node> {
        let service = services.get(name)?;
        let Some(extends) = service.get("extends") else { return Some(service.clone()) };
        let problems = self.loader.problems;
        let key = format!("services.{name}.extends");
        let me = (service.source.file.clone(), name.to_string());
        if chain.contains(&me) {
            let mut names: Vec<&str> = chain.iter().map(|(_, name)| name.as_str()).collect();
            names.push(name);
            let message = format!("these services extend one another in a circle: {}", names.join(" -> "));
            problems.error(Some(extends.place()), key, message);
            return None;
        }
        let Some(base_name) = extends.get("service").and_then(Node::text).map(str::to_string) else {
            problems.error(Some(extends.place()), key, "needs `service:`, the name of the service to extend");
            return None;
        };
        let depth = chain.len() + 1;
        let small = self.loader.spent().extend().and_then(|()| {
            budgets::EXTENDS_DEPTH.check(depth as u64, format_args!("{depth} services that extend one another"))
        });
        if let Err(error) = small {
            problems.error(Some(extends.place()), key, error.to_string());
            return None;
        }
        chain.push(me);
        let base = match extends.get("file").filter(|file| !file.is_null()) {
            None => self.base(services, &base_name, extends, &key, chain)?,
            Some(file) => {
                let others = self.other_file(file, &key)?;
                self.base(&others, &base_name, extends, &key, chain)?
            }
        };
        chain.pop();
        let copied =
            self.loader.spent().copy(&base.measure()).and_then(|()| self.loader.spent().copy(&service.measure()));
        if let Err(error) = copied {
            problems.error(Some(extends.place()), key, error.to_string());
            return None;
        }
        let mut own = service.clone();
        own.remove("extends");
        self.loader.merged(merge::merge_service(base, own))
    }

    fn base(
        &mut self,
        services: &Node,
        name: &str,
        extends: &Node,
        key: &str,
        chain: &mut Vec<(String, String)>,
    ) -> Option<Node> {
        if services.get(name).is_none() {
            let known = services.entries().unwrap_or_default().iter().map(|entry| entry.key.as_str());
            let file = &services.source.file;
            let message =
                format!("there is no service {name:?} in {file}{}", suggest::hint(name, known), name = Quoted(&name));
            self.loader.problems.error(Some(extends.place()), key, message);
            return None;
        }
        self.service(services, name, chain)
    }

    /// The services of another file. Its relative paths start in its own folder; what it includes does not count.
    fn other_file(&mut self, file: &Node, key: &str) -> Option<Rc<Node>> {
        let problems = self.loader.problems;
        let place = Some(file.place());
        let Some(text) = file.text() else {
            problems.error(place, key, "`file:` must be a path inside the repository");
            return None;
        };
        let path = match file.source.folder.join(text) {
            Ok(path) => path,
            Err(error) => {
                problems.error(place, key, format!("{error}; only files of the repository can be extended"));
                return None;
            }
        };
        if let Some(services) = self.others.get(&path) {
            return Some(Rc::clone(services));
        }
        if !self.loader.files.is_file(&path).unwrap_or(true) {
            problems.error(place, key, format!("there is no file {} in the commit", Quoted(&path)));
            return None;
        }
        let model = self.loader.file(&path, &path.parent(), &file.source.variables)?;
        match model.get("services") {
            Some(services) if services.entries().is_some() => {
                let services = Rc::new(services.clone());
                self.others.insert(path, Rc::clone(&services));
                Some(services)
            }
            _ => {
                let place = Some(Place { file: path.to_string(), line: 1 });
                problems.error(place, "services", "this file has no services to extend");
                None
            }
        }
    }
}

impl Node {
    /// Puts a node under a key that is already there, which keeps its line.
    fn set_keeping_line(&mut self, key: &str, node: Node) {
        if let Value::Map(entries) = &mut self.value
            && let Some(entry) = entries.iter_mut().find(|entry| entry.key == key)
        {
            entry.node = node;
        }
    }
}
