//! Top-level `configs` and `secrets`, and how services mount them.

use super::host_paths::{self, HostPath};
use super::service::Context;
use super::service::mounts;
use super::suggest;
use super::view::View;
use crate::model::{Mount, MountSource, Quoted, Secret};

/// A `configs` or `secrets` item of a service (in its long form).
pub fn mount(context: &Context<'_>, section: &str, item: &View<'_>) -> Option<Mount> {
    if !item.only(&["source", "target", "uid", "gid", "mode"]) {
        return None;
    }
    let (key, entry) = declared(context, section, item)?;
    let text = |key: &str| item.get(key).and_then(|v| v.text());
    let (folder, target) = match (section, text("target")) {
        ("secrets", target) => ("/run/secrets/", target),
        (_, target) => ("/", target),
    };
    let target = match target {
        Some(target) if target.starts_with('/') => target,
        Some(target) => format!("{folder}{target}"),
        None => format!("{folder}{key}"),
    };
    let target = mounts::absolute(item, &target)?;
    let mode = item.get("mode").and_then(|v| mode(&v));
    let (uid, gid) = (text("uid"), text("gid"));
    let source = source(context, section, &key, &entry)?;
    if section == "secrets" {
        note(context, &key, &source);
    }
    let source = match source {
        MountSource::Text { key, text: content, .. } => MountSource::Text { key, text: content, uid, gid, mode },
        other => {
            if ["uid", "gid", "mode"].iter().any(|key| item.get(key).is_some()) {
                item.note("uid, gid and mode have no effect on a file of the commit, as in Compose");
            }
            other
        }
    };
    Some(Mount { target, source, read_only: true })
}

/// `0440` is octal in YAML already, and a text is read as octal: digits alone, as Compose has it.
pub fn mode(view: &View<'_>) -> Option<u32> {
    let Some(text) = view.node.text() else { return view.number("permission bits, such as 0440") };
    let digits = !text.is_empty() && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| digits);
    if mode.is_none() {
        let text = Quoted(&text);
        view.error(format!("{text:?} are no permission bits, such as \"0440\": octal digits and nothing else"));
    }
    mode
}

/// The key and its top-level entry; reported where there is none.
fn declared<'n>(context: &Context<'n>, section: &str, item: &View<'n>) -> Option<(String, View<'n>)> {
    let Some(source) = item.get("source") else {
        item.error(format!("needs `source:`, a key of top-level `{section}`"));
        return None;
    };
    let key = source.text()?;
    let top = context.file.get(section);
    let Some(entry) = top.as_ref().and_then(|top| top.get(&key)) else {
        let known = top.iter().filter_map(|top| top.node.entries()).flatten().map(|entry| entry.key.as_str());
        let singular = section.trim_end_matches('s');
        let hint = suggest::hint(&key, known);
        source.error(format!(
            "there is no {singular} {key:?}; declare it under top-level `{section}`{hint}",
            key = Quoted(&key)
        ));
        return None;
    };
    Some((key, entry))
}

const KEYS: &[&str] =
    &["name", "content", "environment", "file", "external", "labels", "template_driver", "driver", "driver_opts"];

/// What an entry takes its text from: the value of its one key out of `file`, `environment` and `content`. Reported
/// where it is not well-formed.
fn way<'n>(section: &str, entry: &View<'n>) -> Option<View<'n>> {
    let is_config = section == "configs";
    let known: Vec<&str> = KEYS.iter().copied().filter(|key| is_config || *key != "content").collect();
    if !entry.only(&known) {
        return None;
    }
    let accepted = if is_config { "`file:`, `environment:` or `content:`" } else { "`file:` or `environment:`" };
    for unsupported in ["external", "template_driver", "driver", "driver_opts"] {
        if let Some(value) = entry.get(unsupported).filter(|v| v.node.scalar().is_none_or(|s| s.text != "false")) {
            value.error(format!("`{unsupported}` needs a Swarm and is not supported; accepted: {accepted}"));
            return None;
        }
    }
    let mut ways = ["file", "environment", "content"].iter().filter_map(|key| entry.get(key));
    match (ways.next(), ways.next()) {
        (Some(way), None) => Some(way),
        _ => {
            entry.error(format!("needs exactly one of {accepted}"));
            None
        }
    }
}

/// Reports what is wrong with entries that no service mounts: Compose refuses them too.
pub fn check_unused(context: &Context<'_>) {
    for section in ["configs", "secrets"] {
        for (_, entry) in context.file.get(section).map(|top| top.entries()).unwrap_or_default() {
            if let Some(way) = way(section, &entry) {
                way.text();
            }
        }
    }
}

/// What a top-level entry stands for.
fn source(context: &Context<'_>, section: &str, key: &str, entry: &View<'_>) -> Option<MountSource> {
    let way = way(section, entry)?;
    let text = way.text()?;
    let as_text = |text: String| {
        // Each component that mounts it has a copy.
        if let Err(error) = context.loader.spent().expanded(text.len()) {
            way.error(error.to_string());
            return None;
        }
        Some(MountSource::Text { key: key.to_string(), text: Secret::new(text), uid: None, gid: None, mode: None })
    };
    if way.path.ends_with(".content") {
        return as_text(text);
    }
    if way.path.ends_with(".environment") {
        return match way.node.source.variables.get(&text) {
            Some(value) => as_text(with_line_end(context, &text, value)),
            None => {
                way.error(format!(
                    "variable {text} has no value; set it under the environment's `secrets` in launchway.toml"
                ));
                None
            }
        };
    }
    file(context, &way, &text)
}

/// One line is written as Compose writes it: the value, and no line break. Several lines that a file of the settings holds
/// keep the file's bytes: a key without its last line break is none to OpenSSH.
fn with_line_end(context: &Context<'_>, variable: &str, value: &str) -> String {
    let is_of_the_settings = context.request.variables.get(variable).is_some_and(|known| known == value);
    match context.request.line_ends.get(variable) {
        Some(end) if is_of_the_settings && value.contains('\n') => format!("{value}{end}"),
        _ => value.to_string(),
    }
}

fn file(context: &Context<'_>, view: &View<'_>, text: &str) -> Option<MountSource> {
    if text.starts_with('/') {
        let path = host_paths::mountable(&context.request.allowed, view, text)?;
        let HostPath { path, below } = path;
        return Some(MountSource::Host { path, below, propagation: None, create: false });
    }
    let path = super::service::inside(view, text)?;
    mounts::repository(context, view, &path).unwrap_or_else(|| {
        let seen = context.loader.files.seen_from_root(&path).unwrap_or(path.as_str()).to_string();
        view.error(format!(
            "{path} is not in the commit; give it to the environment in launchway.toml:\n    \
             files = {{ {seen:?} = \"/path/on/the/server\" }}"
        ));
        None
    })
}

/// Whatever comes of a secret, nothing shows it.
fn note(context: &Context<'_>, key: &str, source: &MountSource) {
    let files = context.loader.files;
    let text = match source {
        MountSource::Text { text, .. } => Some(text.clone()),
        MountSource::Repository { path, folder: false, .. } => files.glance(path).map(Secret::new),
        _ => None,
    };
    text.iter().for_each(|text| files.seen.secret(key, text));
}

/// The value of a top-level secret, for a build.
pub fn secret_value(context: &Context<'_>, item: &View<'_>) -> Option<Secret> {
    let (key, entry) = declared(context, "secrets", item)?;
    let source = source(context, "secrets", &key, &entry)?;
    note(context, &key, &source);
    match source {
        MountSource::Text { text, .. } => Some(text),
        MountSource::Repository { path, folder: false, .. } => match context.loader.files.text(&path) {
            Ok(text) => text.map(Secret::new),
            Err(error) => {
                entry.error(error.to_string());
                None
            }
        },
        _ => {
            entry.error("a build secret must be a file of the commit or of launchway.toml's `files`, or a variable");
            None
        }
    }
}
