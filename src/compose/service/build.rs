//! `build:`.

use super::component::Context;
use super::container::extra_hosts;
use super::kernel;
use super::labels::labels;
use crate::compose::files::FileError;
use crate::compose::texts;
use crate::compose::view::View;
use crate::compose::yaml::{Node, Value};
use crate::model::budgets;
use crate::model::{
    AdditionalContext, BuildSecret, BuildSpec, ComponentName, EntryKind, Quoted, RepoPath, looks_secret,
};
use std::collections::BTreeMap;

#[rustfmt::skip]
const KEYS: &[&str] = &[
    "additional_contexts", "args", "cache_from", "cache_to", "context", "dockerfile", "dockerfile_inline",
    "entitlements", "extra_hosts", "isolation", "labels", "network", "no_cache", "platforms", "privileged",
    "provenance", "pull", "sbom", "secrets", "shm_size", "ssh", "tags", "target", "ulimits",
];

/// Understood, and refused.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("cache_to", "it needs the engine's containerd image store or a builder of its own"),
    ("entitlements", "builds get no more rights than others"),
    ("privileged", "builds get no more rights than others"),
    ("ssh", "builds get no keys; use `secrets`"),
    ("isolation", "it is for Windows containers"),
];

/// What a further context may begin with, besides a folder of the repository.
const REFERENCES: &[&str] = &["docker-image://", "https://", "http://", "git://", "ssh://", "git@"];

/// `of_service`: the platform that the service runs on, where it says so.
pub fn read(context: &Context<'_>, view: &View<'_>, of_service: Option<&str>) -> Option<BuildSpec> {
    if !view.only(KEYS) {
        return None;
    }
    for (key, why) in UNSUPPORTED {
        if let Some(value) = view.get(key).filter(|v| v.node.scalar().is_none_or(|s| s.text != "false")) {
            value.error(format!("`{key}` is understood but not supported: {why}"));
        }
    }
    for key in ["provenance", "sbom"] {
        if let Some(value) = view.get(key).filter(|v| v.node.scalar().is_none_or(|s| s.text != "false")) {
            value.note(format!("`{key}` is ignored: images stay on this engine, and attestations are for registries"));
        }
    }
    few_items(view);
    let text = |key: &str| view.get(key).and_then(|v| v.text());
    let flag = |key: &str| view.get(key).and_then(|v| v.bool()).unwrap_or(false);
    let folder = self::context(context, view)?;
    let inline = text("dockerfile_inline");
    let dockerfile = dockerfile(context, view, &folder, inline.is_some())?;
    Some(BuildSpec {
        context: folder,
        dockerfile,
        dockerfile_inline: inline,
        args: args(context, view),
        target: text("target"),
        cache_from: view.get("cache_from").map(|v| v.texts()).unwrap_or_default(),
        labels: labels(view),
        secrets: view.get("secrets").map(|v| secrets(context, &v)).unwrap_or_default(),
        additional_contexts: additional_contexts(context, view),
        bases: BTreeMap::new(),
        network: text("network").inspect(|network| {
            if network == "host" && !context.request.allowed.host_namespaces {
                let at = view.get("network").unwrap_or(view.clone());
                at.refuse("the host's network is refused;", "host-namespaces = true");
            }
        }),
        platform: platform(view, of_service),
        extra_hosts: view.get("extra_hosts").map(|v| extra_hosts(&v)).unwrap_or_default(),
        shm_size_bytes: view.get("shm_size").and_then(|v| v.bytes()),
        no_cache: flag("no_cache"),
        pull: flag("pull"),
        tags: view.get("tags").map(|v| v.texts()).unwrap_or_default(),
        ulimits: view.get("ulimits").map(|v| kernel::ulimits(context, &v)).unwrap_or_default(),
    })
}

/// Each of them is a question to the engine, or an image that is looked for.
fn few_items(view: &View<'_>) {
    let counts = ["tags", "additional_contexts", "secrets", "cache_from"].map(|key| match view.get(key) {
        Some(View { node: Node { value: Value::List(items), .. }, .. }) => items.len(),
        Some(View { node: Node { value: Value::Map(entries), .. }, .. }) => entries.len(),
        _ => 0,
    });
    let count: usize = counts.iter().sum();
    let what = format_args!("{count} tags, contexts, secrets and cache sources");
    if let Err(error) = budgets::BUILD_ITEMS.check(count as u64, what) {
        view.error(error.to_string());
    }
}

/// The folder of the repository that is the build's context.
fn context(context: &Context<'_>, view: &View<'_>) -> Option<RepoPath> {
    let at = view.get("context");
    let at = at.as_ref().unwrap_or(view);
    let text = if at.path == view.path { ".".to_string() } else { at.text()? };
    if is_remote(&text) {
        at.error(format!(
            "{text:?} is not in the repository; only a folder of the repository can be built",
            text = Quoted(&text)
        ));
        return None;
    }
    folder(context, at, &text)
}

fn is_remote(text: &str) -> bool {
    text.contains("://") || text.starts_with("git@") || text.starts_with("github.com/")
}

fn folder(context: &Context<'_>, at: &View<'_>, text: &str) -> Option<RepoPath> {
    let path = super::environment::inside(at, text)?;
    match context.loader.files.find(&path) {
        Ok(Some(entry)) if entry.kind == EntryKind::Directory => Some(entry.path),
        Ok(Some(entry)) => {
            match entry.kind {
                EntryKind::Submodule => at.error(FileError::Submodule { path }.to_string()),
                _ => at.error(format!("{path} is a file, not a folder that can be built")),
            }
            None
        }
        Ok(None) => {
            at.error(format!("there is no folder {path} in the commit to build"));
            None
        }
        Err(error) => {
            at.error(error.to_string());
            None
        }
    }
}

/// The Dockerfile, relative to the context; it must be in the commit unless its text is written inline.
fn dockerfile(context: &Context<'_>, view: &View<'_>, folder: &RepoPath, inline: bool) -> Option<RepoPath> {
    let written = view.get("dockerfile");
    if inline {
        if let Some(written) = written {
            written.error("`dockerfile` and `dockerfile_inline` exclude each other");
        }
        return folder.join("Dockerfile").ok();
    }
    let at = written.as_ref().unwrap_or(view);
    let text = if written.is_some() { at.text()? } else { "Dockerfile".to_string() };
    let path = match folder.join(&text) {
        Ok(path) => path,
        Err(error) => {
            at.error(format!("{error}; the Dockerfile must be in the repository"));
            return None;
        }
    };
    match context.loader.files.find_dockerfile(&path) {
        // As it is named: of a symbolic link, the ignore file beside it is called after the link.
        Ok(Some((path, entry))) if matches!(entry.kind, EntryKind::File | EntryKind::Executable) => Some(path),
        Ok(_) => {
            at.error(format!("there is no Dockerfile {path} in the commit"));
            None
        }
        Err(error) => {
            at.error(error.to_string());
            None
        }
    }
}

/// Build arguments end up in the image's history, so none may be a secret.
fn args(context: &Context<'_>, view: &View<'_>) -> BTreeMap<String, String> {
    let mut args = BTreeMap::new();
    for (name, value) in view.get("args").map(|v| v.entries()).unwrap_or_default() {
        let text = match value.node.is_null() {
            true => context.variables.get(name).cloned(),
            false => value.scalar(),
        };
        let Some(text) = text else { continue };
        let secrets = &context.request.secret_values;
        let hint = "anyone with the image can read build arguments; use `build.secrets` and \
                    `RUN --mount=type=secret,id=...`";
        if secrets.iter().any(|secret| secret.expose().len() >= 4 && text.contains(secret.expose())) {
            value.error(format!("the value of {name} is a secret of launchway.toml; {hint}"));
        } else if looks_secret(name) && !text.is_empty() {
            value.warning(format!("{name} looks like a secret; {hint}"));
        }
        args.insert(name.to_string(), text);
    }
    args
}

fn secrets(context: &Context<'_>, view: &View<'_>) -> Vec<BuildSecret> {
    let read = |item: View<'_>| {
        item.only(&["source", "target", "uid", "gid", "mode"]);
        if let Some(mode) = item.get("mode") {
            texts::mode(&mode)?;
        }
        let value = texts::secret_value(context, &item)?;
        let id = item.get("target").or(item.get("source"))?.text()?;
        Some(BuildSecret { id, value })
    };
    view.items().into_iter().filter_map(read).collect()
}

fn additional_contexts(context: &Context<'_>, view: &View<'_>) -> BTreeMap<String, AdditionalContext> {
    let mut contexts = BTreeMap::new();
    for (name, value) in view.get("additional_contexts").map(|v| v.entries()).unwrap_or_default() {
        let Some(text) = value.text() else { continue };
        let read = if let Some(other) = text.strip_prefix("service:") {
            component(context, &value, other)
        } else if REFERENCES.iter().any(|scheme| text.starts_with(scheme)) {
            Some(AdditionalContext::Reference(text))
        } else if text.contains("://") {
            value.error(format!(
                "{text:?} is not a context; accepted: a folder of the repository, service:NAME, {}",
                REFERENCES.join(", "),
                text = Quoted(&text)
            ));
            None
        } else {
            folder(context, &value, &text).map(AdditionalContext::Folder)
        };
        contexts.extend(read.map(|read| (name.to_string(), read)));
    }
    contexts
}

fn component(context: &Context<'_>, view: &View<'_>, name: &str) -> Option<AdditionalContext> {
    let service = context.file.get("services").and_then(|services| services.get(name));
    match service.filter(|_| context.active.contains(name)) {
        Some(service) if service.get("build").is_some() => {
            ComponentName::new(name).ok().map(AdditionalContext::Component)
        }
        Some(_) => {
            view.error(format!("service {name:?} has no `build:`, so it is no build context", name = Quoted(&name)));
            None
        }
        None => {
            let hint = crate::compose::suggest::hint(name, context.active.iter().copied());
            view.error(format!("there is no service {name:?}{hint}", name = Quoted(&name)));
            None
        }
    }
}

fn platform(view: &View<'_>, of_service: Option<&str>) -> Option<String> {
    let platforms = view.get("platforms")?;
    let names = platforms.texts();
    if let Some(wanted) = of_service.filter(|wanted| !names.is_empty() && !names.iter().any(|name| name == wanted)) {
        platforms.error(format!(
            "does not have the service's platform {:?}, so the image would not run there",
            Quoted(wanted)
        ));
    }
    if names.len() > 1 {
        platforms.error("an engine builds for one platform at a time; name one");
    }
    names.into_iter().next()
}
