//! What Compose refuses whatever the key means: keys and items that have nothing behind them, and items that are there twice.

use super::problems::Problems;
use super::yaml::{Entry, Node, Tag, Value};
use crate::model::{Place, Quoted};
use std::collections::HashSet;

/// Keys of a service that may be written with nothing behind them.
const MAY_BE_EMPTY: &[&str] = &["command", "entrypoint", "deploy", "develop"];
/// Below these stand names of somebody's own, which may have nothing behind them: top-level networks and volumes, too.
const OWN_NAMES: &[&str] = &[
    "additional_contexts",
    "annotations",
    "args",
    "driver_opts",
    "environment",
    "extra_hosts",
    "labels",
    "networks",
    "options",
    "storage_opt",
    "sysctls",
    "volumes",
];
/// Lists of a service in which nothing may be there twice. In others the later one counts.
const NOTHING_TWICE: &[&str] = &["depends_on", "extra_hosts", "group_add", "networks", "security_opt", "volumes_from"];

/// Reports keys and items with nothing behind them, once a file has been put over those before it: there, a key with nothing behind
/// it takes nothing away.
pub fn check_filled(model: &Node, problems: &Problems) {
    let sections = model.entries().unwrap_or_default().iter();
    for section in sections.filter(|section| !["services", "include"].contains(&section.key.as_str())) {
        there(section, "", problems);
    }
    for_each_key(model, |entry, path| {
        if !(entry.node.is_null() && MAY_BE_EMPTY.contains(&entry.key.as_str())) {
            there(entry, path, problems);
        }
    });
}

/// Reports items that stand twice in a list of one file, as it is written.
pub fn check_lists(file: &Node, problems: &Problems) {
    for_each_key(file, |entry, path| {
        if NOTHING_TWICE.contains(&entry.key.as_str()) {
            twice(&entry.node, &format!("{path}.{}", entry.key), problems);
        }
    });
}

fn for_each_key(model: &Node, look: impl Fn(&Entry, &str)) {
    for Entry { key: name, node, .. } in model.get("services").and_then(Node::entries).unwrap_or_default() {
        let path = format!("services.{name}");
        node.entries().unwrap_or_default().iter().for_each(|entry| look(entry, &path));
    }
}

/// Reports a key that has nothing behind it, and those below it.
fn there(Entry { key, node, line }: &Entry, above: &str, problems: &Problems) {
    // What is taken away need not be right.
    if key.starts_with("x-") || node.tag != Tag::None {
        return;
    }
    let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
    if node.is_null() {
        let place = Place { line: *line, ..node.place() };
        problems.error(Some(place), path, "has nothing behind it; Compose refuses that, so leave the key out");
        return;
    }
    let may_be_empty = OWN_NAMES.contains(&key.as_str());
    for entry in node.entries().unwrap_or_default().iter().filter(|entry| !(may_be_empty && entry.node.is_null())) {
        there(entry, &path, problems);
    }
    let Value::List(items) = &node.value else { return };
    for (index, item) in items.iter().enumerate().filter(|(_, item)| item.tag == Tag::None) {
        let path = format!("{path}[{index}]");
        if item.is_null() {
            problems.error(
                Some(item.place()),
                path,
                "is an item with nothing in it, which Compose refuses; take it away",
            );
            continue;
        }
        for entry in item.entries().unwrap_or_default() {
            there(entry, &path, problems);
        }
    }
}

fn twice(list: &Node, path: &str, problems: &Problems) {
    let Value::List(items) = &list.value else { return };
    let mut seen = HashSet::new();
    for item in items {
        let Some(scalar) = item.scalar() else { continue };
        if !seen.insert((scalar.kind.what(), scalar.text.as_str())) {
            let message = format!("{:?} stands here twice, which Compose refuses", Quoted(&scalar.text));
            problems.error(Some(item.place()), path, message);
        }
    }
}
