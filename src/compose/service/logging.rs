//! `logging`: drivers but the plain ones write where the engine, as root, can: to sockets of the host and to addresses.

use super::component::Context;
use crate::compose::host_paths;
use crate::compose::scalar::Kind;
use crate::compose::units;
use crate::compose::view::View;
use crate::model::{Logging, Quoted};
use std::collections::BTreeMap;

const PLAIN: &[&str] = &["json-file", "local"];
type IsFine = fn(&str) -> bool;

/// Of the plain drivers, with what they may be. Without a driver they go to whichever the engine's settings name, so that
/// nothing else may be there.
const OPTIONS: &[(&str, IsFine, &str)] = &[
    ("max-size", is_size, "a size, such as 20m, or -1"),
    // The engine renames each of them whenever one is full.
    ("max-file", is_file_count, "a whole number from 1 to 100"),
    ("compress", is_flag, "true or false"),
    ("labels", is_anything, ""),
    ("labels-regex", is_anything, ""),
    ("env", is_anything, ""),
    ("env-regex", is_anything, ""),
    ("tag", is_tag, TAG),
    ("mode", is_mode, "blocking or non-blocking"),
    // Memory of the engine itself.
    ("max-buffer-size", is_buffer, "a size up to 64m"),
];
const TAG: &str = "text with {{.ID}}, {{.FullID}}, {{.Name}}, {{.ImageName}}, {{.ImageID}}, {{.ImageFullID}} or \
                   {{.DaemonName}}: the engine itself works a template out";
const FIELDS: &[&str] = &[".ID", ".FullID", ".Name", ".ImageName", ".ImageID", ".ImageFullID", ".DaemonName"];

pub fn read(context: &Context<'_>, view: &View<'_>) -> Option<Logging> {
    if !view.only(&["driver", "options"]) {
        return None;
    }
    let driver = view.get("driver").and_then(|v| v.text());
    let options = view.get("options");
    let texts = options.as_ref().map(|options| plain_texts(options)).unwrap_or_default();
    let entries = options.map(|options| options.entries()).unwrap_or_default();
    let text = |key: &str| texts.get(key).map(String::as_str).unwrap_or_default();
    match driver.as_deref().unwrap_or_default() {
        "" => check_plain(&entries, text),
        plain if PLAIN.contains(&plain) => check_plain(&entries, text),
        "none" => {}
        other => {
            let allowed = &context.request.allowed.log_drivers;
            if !allowed.iter().any(|one| one == "*" || one == other) {
                let why = format!(
                    "logging driver {other} writes where the engine can, as root, so it is refused; use json-file, local or none, or"
                );
                view.get("driver").unwrap_or(view.clone()).refuse(&why, format!("log-drivers = [{other:?}]"));
            }
            for (key, value) in &entries {
                check_foreign(context, key, value, text(key));
            }
        }
    }
    Some(Logging { driver, options: texts })
}

fn check_plain<'a>(entries: &[(&str, View<'_>)], text: impl Fn(&str) -> &'a str) {
    for (key, value) in entries {
        match OPTIONS.iter().find(|(known, ..)| known == key) {
            Some((_, is_right, wanted)) if !is_right(text(key)) => {
                value.error(format!("must be {wanted}, not {:?}", text(key)));
            }
            Some(_) => {}
            None => {
                let known: Vec<&str> = OPTIONS.iter().map(|(known, ..)| *known).collect();
                value.error(format!(
                    "{key:?} is no option of json-file and local; accepted: {}",
                    known.join(", "),
                    key = Quoted(&key)
                ));
            }
        }
    }
}

/// What an option of another driver names on the host is opened by the engine: it has to be allowed like a mount.
fn check_foreign(context: &Context<'_>, key: &str, value: &View<'_>, text: &str) {
    if key == "tag" && !is_tag(text) {
        value.error(format!("must be {TAG}, not {text:?}", text = Quoted(&text)));
    }
    if key == "max-buffer-size" && !is_buffer(text) {
        value.error(format!("must be a size up to 64m, not {text:?}", text = Quoted(&text)));
    }
    let (scheme, rest) = text.split_once(":").unwrap_or(("", text));
    let is_socket =
        ["unix", "unixgram", "unixpacket", "file", "fd"].contains(&scheme.trim().to_ascii_lowercase().as_str());
    if is_socket || rest.starts_with('/') && scheme.is_empty() {
        let path = format!("/{}", rest.trim_start_matches('/'));
        host_paths::itself(&context.request.allowed, value, &path);
    }
}

fn plain_texts(view: &View<'_>) -> BTreeMap<String, String> {
    for (key, value) in view.entries() {
        if value.node.scalar().is_some_and(|scalar| scalar.kind == Kind::Bool) {
            value.error(format!("`{key}` must be a text or a number (put it in quotes)"));
        }
    }
    view.text_map()
}

fn is_anything(_: &str) -> bool {
    true
}

fn is_flag(text: &str) -> bool {
    ["true", "false"].contains(&text)
}

fn is_mode(text: &str) -> bool {
    ["blocking", "non-blocking"].contains(&text)
}

fn is_size(text: &str) -> bool {
    text == "-1" || units::bytes(text).is_some_and(|bytes| bytes >= 1024)
}

fn is_file_count(text: &str) -> bool {
    text.parse::<u32>().is_ok_and(|count| (1..=100).contains(&count))
}

fn is_buffer(text: &str) -> bool {
    units::bytes(text).is_some_and(|bytes| (0..=64 * 1024 * 1024).contains(&bytes))
}

fn is_tag(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((inside, after)) = after.split_once("}}") else { return false };
        if !FIELDS.contains(&inside.trim()) {
            return false;
        }
        rest = after;
    }
    true
}
