//! `environment` and `env_file`, `labels` and `label_file`.

use super::component::Context;
use super::container::own_labels;
use super::labels::{is_reserved, why_reserved};
use crate::compose::dotenv::{self, Format};
use crate::compose::include::NOTHING;
use crate::compose::view::View;
use crate::model::{Place, Quoted, RepoPath};
use std::collections::{BTreeMap, BTreeSet};

/// The environment of a service's containers: its env files in order, then `environment`, the last one winning. A bare
/// name takes its value from the variables. Where they have none, the containers are without it, whatever an env file or
/// the image says: these names come second.
pub fn read(context: &Context<'_>, view: &View<'_>) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let (own, unset) = own(context, view);
    let mut environment = BTreeMap::new();
    for file in view.get("env_file").map(|v| v.items()).unwrap_or_default() {
        environment = env_file(context, &file, &own, environment).unwrap_or_default();
    }
    environment.extend(own);
    environment.retain(|name, _| !unset.contains(name));
    (environment, unset)
}

/// What `environment` sets, and what it unsets.
fn own(context: &Context<'_>, view: &View<'_>) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let (mut values, mut unset) = (BTreeMap::new(), BTreeSet::new());
    for (name, value) in view.get("environment").map(|v| v.entries()).unwrap_or_default() {
        if name.is_empty() || name.contains(['=', '\0']) {
            value.error(format!("{name:?} is not a variable name", name = Quoted(&name)));
            continue;
        }
        let text = match value.node.is_null() {
            true => context.variables.get(name).cloned(),
            false => value.scalar(),
        };
        match text {
            Some(text) => {
                values.insert(name.to_string(), text);
            }
            None if value.node.is_null() => {
                unset.insert(name.to_string());
            }
            None => {}
        }
    }
    (values, unset)
}

/// `earlier`, which it sees, with what the file sets. None where it cannot be read, which is reported.
fn env_file(
    context: &Context<'_>,
    item: &View<'_>,
    own: &BTreeMap<String, String>,
    earlier: BTreeMap<String, String>,
) -> Option<BTreeMap<String, String>> {
    if !item.only(&["path", "required", "format"]) {
        return None;
    }
    let Some(path_view) = item.get("path") else {
        item.error("needs `path:`");
        return None;
    };
    let required = item.get("required").and_then(|v| v.bool()).unwrap_or(true);
    let format = match item.get("format").and_then(|v| v.word(&["raw"])) {
        Some(_) => Format::Raw,
        None => Format::Compose,
    };
    let text = path_view.text()?;
    if text == NOTHING {
        return Some(earlier);
    }
    let path = inside(&path_view, &text)?;
    let Some(content) = content(context, &path_view, &path, required)? else { return Some(earlier) };
    // Variables of the project win over what the service says, and both over the file itself.
    let known = own.iter().chain(context.variables.iter());
    let bytes = content.len() + known.map(|(name, value)| name.len() + value.len()).sum::<usize>();
    if let Err(error) = context.loader.spent().expanded(bytes) {
        path_view.error(error.to_string());
        return None;
    }
    let mut outer = own.clone();
    outer.extend(context.variables.iter().map(|(name, value)| (name.clone(), value.clone())));
    let place = |line| Some(Place { file: path.to_string(), line });
    match dotenv::parse(&content, format, &outer, earlier, context.loader.spent()) {
        Ok(read) => {
            for (name, line) in read.missing {
                context.loader.missing(&name, place(line), "");
            }
            for (name, line) in read.missing_in_secret {
                context.loader.missing_in_secret(&name, place(line));
            }
            Some(read.values)
        }
        Err(error) => {
            item.problems.error(place(error.line), "", error.message);
            None
        }
    }
}

/// The file's text; `Some(None)` where it is not there and need not be.
fn content(context: &Context<'_>, view: &View<'_>, path: &RepoPath, required: bool) -> Option<Option<String>> {
    match context.loader.files.text_or_outside(path) {
        Ok(Some(text)) => Some(Some(text)),
        Ok(None) if !required => Some(None),
        Ok(None) => {
            let seen = context.loader.files.seen_from_root(path).unwrap_or(path.as_str()).to_string();
            view.error(format!(
                "there is no file {path} in the commit (is it ignored by git?); give it to the environment in \
                 launchway.toml:\n    files = {{ {seen:?} = \"/path/on/the/server\" }}\nor write `required: false`"
            ));
            None
        }
        Err(error) => {
            view.error(error.to_string());
            None
        }
    }
}

pub fn inside(view: &View<'_>, text: &str) -> Option<RepoPath> {
    match view.node.source.folder.join(text) {
        Ok(path) => Some(path),
        Err(error) => {
            view.error(format!("{error}; only files of the repository can be named here"));
            None
        }
    }
}

/// `labels`, over those of `label_file`.
pub fn labels(context: &Context<'_>, view: &View<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for file in view.get("label_file").map(|v| v.items()).unwrap_or_default() {
        let text = file.text().filter(|text| text != NOTHING);
        let Some(path) = text.and_then(|text| inside(&file, &text)) else { continue };
        let Some(Some(text)) = content(context, &file, &path, true) else { continue };
        match dotenv::parse(&text, Format::Compose, &labels, BTreeMap::new(), context.loader.spent()) {
            Ok(read) => {
                for key in read.values.keys().filter(|key| is_reserved(key)) {
                    file.error(format!("{path} has the label {key}: {}", why_reserved()));
                }
                labels.extend(read.values);
            }
            Err(error) => {
                file.problems.error(Some(Place { file: path.to_string(), line: error.line }), "", error.message);
            }
        }
    }
    labels.extend(own_labels(view));
    labels
}
