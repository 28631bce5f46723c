//! From the files on disk to one tree: parsed, interpolated, in long form, with what they include and extend.

use super::canonical::canonicalise;
use super::dotenv::{self, Format};
use super::files::Files;
use super::interpolate::{InterpolationError, Lookup, interpolate};
use super::merge::{self, Conflict};
use super::problems::Problems;
use super::scalar::Kind;
use super::spent::Spent;
use super::yaml::{self, Node, Source, Value};
use crate::model::budgets::TooMuch;
use crate::model::{EntryKind, Place, Quoted, RepoPath};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub type Variables = Arc<BTreeMap<String, String>>;

pub struct Loader<'a> {
    pub files: &'a Files<'a>,
    pub problems: &'a Problems,
    /// Variables that were already reported as missing.
    unset: RefCell<BTreeSet<String>>,
}

/// Where a model is loaded from.
pub struct Origin {
    /// Merged one over the other.
    pub files: Vec<RepoPath>,
    /// Where relative paths start.
    pub folder: RepoPath,
    pub variables: Variables,
}

impl<'a> Loader<'a> {
    pub fn spent(&self) -> &'a Spent {
        &self.files.spent
    }

    pub fn new(files: &'a Files<'a>, problems: &'a Problems) -> Self {
        Self { files, problems, unset: RefCell::default() }
    }

    /// The merged tree of all files, or nothing where one of them could not be read (the problems say why).
    pub fn model(&self, origin: &Origin, including: &[RepoPath]) -> Option<Node> {
        let mut model: Option<Node> = None;
        for path in &origin.files {
            let mut chain = including.to_vec();
            chain.push(path.clone());
            let file = self.file(path, &origin.folder, &origin.variables)?;
            let file = self.with_extends(file)?;
            let file = super::include::apply(self, file, &chain)?;
            let merged = match model {
                None => file,
                Some(earlier) => self.merged(merge::merge(earlier, file))?,
            };
            // What is told of one file is not told again of those over it.
            if !self.problems.has_errors() {
                super::shape::check_filled(&merged, self.problems);
            }
            model = Some(merged);
        }
        let mut model = model?;
        // Files that are put over one another may be too much together.
        self.spent().check(&model, usize::MAX, self.problems)?;
        merge::apply_tags(&mut model);
        merge::deduplicate(&mut model);
        Some(model)
    }

    /// One file: parsed, interpolated and in long form.
    pub fn file(&self, path: &RepoPath, folder: &RepoPath, variables: &Variables) -> Option<Node> {
        let name = path.to_string();
        let place = || Some(Place { file: name.clone(), line: 1 });
        let text = match self.files.text(path) {
            Ok(Some(text)) => text,
            Ok(None) => {
                self.problems.error(place(), "", format!("there is no file {} in the commit", Quoted(&path)));
                return None;
            }
            Err(error) => {
                self.problems.error(place(), "", error.to_string());
                return None;
            }
        };
        let source = Arc::new(Source { file: name.clone(), folder: folder.clone(), variables: variables.clone() });
        let documents = match yaml::parse(&text, &source, self.spent()) {
            Ok(documents) => documents,
            Err(error) => {
                self.problems.error(Some(Place { file: name, line: error.line }), "", error.message);
                return None;
            }
        };
        let mut merged: Option<Node> = None;
        for mut document in documents {
            if document.entries().is_none() {
                let message = format!("a Compose file is a mapping with `services:`, not {}", document.what());
                self.problems.error(Some(document.place()), "", message);
                return None;
            }
            self.interpolate_all(&mut document, &mut String::new())?;
            super::shape::check_lists(&document, self.problems);
            let before = document.measure();
            canonicalise(&mut document, self.problems, self.spent());
            self.spent().check(&document, before.nodes, self.problems)?;
            merged = Some(match merged {
                None => document,
                Some(earlier) => self.merged(merge::merge(earlier, document))?,
            });
        }
        // A file of comments only says nothing, which is fine beside others.
        Some(merged.unwrap_or(Node { value: Value::Map(Vec::new()), tag: yaml::Tag::None, source, line: 1 }))
    }

    fn with_extends(&self, file: Node) -> Option<Node> {
        super::extends::apply(self, file)
    }

    pub fn merged(&self, result: Result<Node, Conflict>) -> Option<Node> {
        match result {
            Ok(node) => Some(node),
            Err(Conflict { node, path, earlier }) => {
                let message = format!("{} cannot be put over {earlier} of an earlier file", node.what());
                self.problems.error(Some(node.place()), path, message);
                None
            }
        }
    }

    /// Replaces the variables of every value; keys stay as they are. `None` where the values have grown too large.
    fn interpolate_all(&self, node: &mut Node, path: &mut String) -> Option<()> {
        let length = path.len();
        let (source, line) = (node.source.clone(), node.line);
        match &mut node.value {
            Value::Scalar(scalar) if scalar.kind == Kind::Text && scalar.text.contains('$') => {
                let place = Place { file: source.file.clone(), line };
                let lookup = Named { loader: self, place: &place, path, variables: &source.variables };
                match interpolate(&scalar.text, &lookup) {
                    Ok(text) => scalar.text = text,
                    Err(InterpolationError::TooMuch(error)) => {
                        self.problems.error(Some(place.clone()), path.as_str(), error.to_string());
                        return None;
                    }
                    Err(error) => self.problems.error(Some(place.clone()), path.as_str(), error.to_string()),
                }
            }
            Value::Scalar(_) => {}
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    path.push_str(&format!("[{index}]"));
                    self.interpolate_all(item, path)?;
                    path.truncate(length);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&entry.key);
                    self.interpolate_all(&mut entry.node, path)?;
                    path.truncate(length);
                }
            }
        }
        Some(())
    }

    /// `outer` and, where `outer` does not have them, the values of `.env` in a folder.
    pub fn with_dotenv(&self, folder: &RepoPath, outer: &Variables) -> Variables {
        match folder.join(".env") {
            // A folder of that name is no env file.
            Ok(path) if !matches!(self.files.find(&path), Ok(Some(entry)) if entry.kind == EntryKind::Directory) => {
                self.with_env_file(&path, outer).unwrap_or_else(|| outer.clone())
            }
            _ => outer.clone(),
        }
    }

    /// `outer` and, where `outer` does not have them, the values of a file. `None` where there is no such file.
    fn with_env_file(&self, path: &RepoPath, outer: &Variables) -> Option<Variables> {
        let mut variables = self.env_file(path, outer)?;
        variables.extend(outer.iter().map(|(name, value)| (name.clone(), value.clone())));
        Some(Arc::new(variables))
    }

    /// What a file sets, with `outer` for the variables in it. `None` where there is no such file; nothing where it cannot
    /// be read, which is reported.
    pub fn env_file(&self, path: &RepoPath, outer: &Variables) -> Option<BTreeMap<String, String>> {
        let place = |line| Some(Place { file: path.to_string(), line });
        let text = match self.files.text_or_outside(path) {
            Ok(text) => text?,
            Err(error) => {
                self.problems.error(place(1), "", error.to_string());
                return Some(BTreeMap::new());
            }
        };
        // Each file's variables are a copy of those around it.
        let bytes = outer.iter().map(|(name, value)| name.len() + value.len()).sum();
        if let Err(error) = self.spent().expanded(bytes) {
            self.problems.error(place(1), "", error.to_string());
            return Some(BTreeMap::new());
        }
        match dotenv::parse(&text, Format::Compose, outer, BTreeMap::new(), self.spent()) {
            Ok(read) => {
                for (name, line) in &read.missing {
                    self.missing(name, place(*line), "");
                }
                for (name, line) in &read.missing_in_secret {
                    self.missing_in_secret(name, place(*line));
                }
                self.files.seen.env_file(&read.values);
                Some(read.values)
            }
            Err(error) => {
                self.problems.error(place(error.line), "", error.message);
                Some(BTreeMap::new())
            }
        }
    }

    /// The value of a secret in an env file names a variable that nothing sets.
    pub fn missing_in_secret(&self, name: &str, place: Option<Place>) {
        let message = format!(
            "the value of {name} has a $ before the name of a variable that has no value, which becomes empty; write $$ for a \
             plain $, or put the value in single quotes"
        );
        self.problems.warning(place, "", message);
    }

    /// Tells once that a variable has no value.
    pub fn missing(&self, name: &str, place: Option<Place>, path: &str) {
        if self.unset.borrow_mut().insert(name.to_string()) {
            let message = format!(
                "variable {name} has no value and becomes empty; set it in .env or in the environment's `variables` \
                 in launchway.toml, or write ${{{name}:-default}}"
            );
            self.problems.warning(place, path, message);
        }
    }
}

struct Named<'l> {
    loader: &'l Loader<'l>,
    place: &'l Place,
    path: &'l str,
    variables: &'l BTreeMap<String, String>,
}

impl Lookup for Named<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }
    fn spend(&self, bytes: usize) -> Result<(), TooMuch> {
        self.loader.spent().expanded(bytes)
    }
    fn missing(&self, name: &str) {
        self.loader.missing(name, Some(self.place.clone()), self.path);
    }
}
