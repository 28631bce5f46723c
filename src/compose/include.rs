//! `include`: other Compose files of the repository, each with its own folder and variables.

use super::load::{Loader, Origin, Variables};
use super::problems::Problems;
use super::view::View;
use super::yaml::{Node, Value};
use crate::model::budgets;
use crate::model::{Quoted, RepoPath};
use std::collections::HashMap;
use std::sync::Arc;

/// An env file with nothing in it, whatever the machine.
pub const NOTHING: &str = "/dev/null";

const SECTIONS: [&str; 6] = ["services", "volumes", "networks", "secrets", "configs", "models"];

/// The file with all that it includes. `chain` are the files on the way here, this one last.
pub fn apply(loader: &Loader<'_>, mut file: Node, chain: &[RepoPath]) -> Option<Node> {
    let Some(include) = file.remove("include") else { return Some(file) };
    if include.is_null() {
        return Some(file);
    }
    let view = View::new(&include, "include", loader.problems);
    for item in view.items() {
        let origin = origin(loader, &item)?;
        if let Some(path) = origin.files.first().filter(|path| chain.contains(path)) {
            let names: Vec<String> = chain.iter().chain([path]).map(RepoPath::to_string).collect();
            item.error(format!("these files include one another in a circle: {}", names.join(" -> ")));
            return None;
        }
        let depth = chain.len();
        let small = loader.spent().include();
        let small = small.and_then(|()| {
            budgets::INCLUDE_DEPTH.check(depth as u64, format_args!("{depth} files that include one another"))
        });
        if let Err(error) = small {
            item.error(error.to_string());
            return None;
        }
        let included = loader.model(&origin, chain)?;
        import(&mut file, included, &item, loader.problems)?;
    }
    Some(file)
}

fn origin(loader: &Loader<'_>, item: &View<'_>) -> Option<Origin> {
    let base = &item.node.source.folder;
    let outer = &item.node.source.variables;
    if let Some(text) = item.node.text() {
        let path = inside(item, base, text)?;
        let folder = path.parent();
        let variables = loader.with_dotenv(&folder, outer);
        return Some(Origin { files: vec![path], folder, variables });
    }
    if !item.only(&["path", "project_directory", "env_file"]) {
        return None;
    }
    let Some(path) = item.get("path") else {
        item.error("needs `path:`, the file to include");
        return None;
    };
    let files = paths(&path, base)?;
    let folder = match item.get("project_directory") {
        Some(view) => inside(&view, base, &view.text()?)?,
        None => files.first()?.parent(),
    };
    let variables = match item.get("env_file") {
        None => loader.with_dotenv(&folder, outer),
        Some(view) => env_files(loader, &view, base, (&folder, outer))?,
    };
    Some(Origin { files, folder, variables })
}

/// Later files see earlier ones and win over them, and what the including file knows wins over all of them. None at all is the `.env` beside the
/// included file.
fn env_files(
    loader: &Loader<'_>,
    view: &View<'_>,
    base: &RepoPath,
    (folder, outer): (&RepoPath, &Variables),
) -> Option<Variables> {
    let items = if view.node.text().is_some() { vec![view.clone()] } else { view.items() };
    if items.is_empty() {
        return Some(loader.with_dotenv(folder, outer));
    }
    let mut merged = outer.clone();
    // It says that no file counts, not even that one.
    for item in items.iter().filter(|item| item.node.text() != Some(NOTHING)) {
        let path = inside(item, base, &item.text()?)?;
        match loader.env_file(&path, &merged) {
            Some(values) => {
                let ours = values.into_iter().filter(|(name, _)| !outer.contains_key(name));
                Arc::make_mut(&mut merged).extend(ours);
            }
            None => item.error(format!("there is no file {} in the commit", Quoted(&path))),
        }
    }
    Some(merged)
}

fn paths(view: &View<'_>, base: &RepoPath) -> Option<Vec<RepoPath>> {
    let items = if view.node.text().is_some() { vec![view.clone()] } else { view.items() };
    let paths: Option<Vec<RepoPath>> = items.iter().map(|item| inside(item, base, &item.text()?)).collect();
    paths.filter(|paths| !paths.is_empty())
}

fn inside(view: &View<'_>, base: &RepoPath, text: &str) -> Option<RepoPath> {
    if text.contains("://") || text.starts_with("git@") || text.starts_with("oci:") {
        view.error(format!(
            "{text:?} is not in the repository; only files of the repository can be included",
            text = Quoted(&text)
        ));
        return None;
    }
    match base.join(text) {
        Ok(path) => Some(path),
        Err(error) => {
            view.error(format!("{error}; only files of the repository can be included"));
            None
        }
    }
}

/// Takes over what the included model defines. The same thing twice is fine, two different ones are an error.
fn import(file: &mut Node, included: Node, item: &View<'_>, problems: &Problems) -> Option<()> {
    if let Some(own) = included.get("x-launchway") {
        let message = "`x-launchway` of an included file does not count; write it in the file that includes";
        problems.warning(Some(own.place()), "x-launchway", message);
    }
    let Value::Map(sections) = included.value else { return Some(()) };
    for section in sections.into_iter().filter(|section| SECTIONS.contains(&section.key.as_str())) {
        let Value::Map(entries) = section.node.value else { continue };
        if file.get(&section.key).is_none_or(Node::is_null) {
            let empty = item.node.beside(Value::Map(Vec::new()));
            file.set(&section.key, empty);
        }
        let Some(Value::Map(target)) = file.get_mut(&section.key).map(|node| &mut node.value) else { continue };
        let mut places: HashMap<String, usize> =
            target.iter().enumerate().map(|(index, entry)| (entry.key.clone(), index)).collect();
        let all = places.len() + entries.len();
        if let Err(error) = budgets::KEYS.check(all as u64, format_args!("{all} entries of `{}`", section.key)) {
            item.error(error.to_string());
            return None;
        }
        for entry in entries {
            match places.get(&entry.key).map(|index| &target[*index].node) {
                Some(existing) if *existing == entry.node => {}
                Some(existing) => {
                    let message = format!(
                        "{} is defined differently at {}; an included file cannot change it",
                        entry.key,
                        existing.place()
                    );
                    let place = crate::model::Place { file: entry.node.source.file.clone(), line: entry.line };
                    problems.error(Some(place), format!("{}.{}", section.key, entry.key), message);
                }
                None => {
                    places.insert(entry.key.clone(), target.len());
                    target.push(entry);
                }
            }
        }
    }
    Some(())
}
