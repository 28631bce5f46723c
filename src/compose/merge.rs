//! Merging files, and a service with the one that it extends, by Compose's rules. Works on long forms.

use super::yaml::{Node, Tag, Value};
use std::collections::HashMap;

/// How what a later file says meets what an earlier one said.
enum Rule {
    /// The later one stands alone.
    Replace,
    /// Mappings key by key (a null value replaces too), lists one after the other.
    KeyValues,
    /// Key by key when both name the same driver, else replaced.
    SameDriver,
    /// Subnets of a network, known by their `subnet`.
    Subnets,
    /// Mappings key by key, lists one after the other, anything else replaced.
    Deep,
}

fn rule(path: &[&str]) -> Rule {
    match path {
        ["services", _, "command" | "entrypoint"]
        | ["services", _, "healthcheck", "test"]
        | ["services", _, "ulimits", _] => Rule::Replace,
        ["services", _, "environment" | "labels" | "annotations" | "sysctls"]
        | ["services", _, "build", "args" | "labels" | "additional_contexts"]
        | ["services", _, "deploy", "labels"]
        | ["networks" | "volumes", _, "labels"] => Rule::KeyValues,
        ["services", _, "logging"] => Rule::SameDriver,
        ["networks", _, "ipam", "config"] => Rule::Subnets,
        _ => Rule::Deep,
    }
}

/// Puts `later` over `earlier`.
///
/// # Errors
/// The node that cannot be merged (a list over a mapping), with the path of its key.
pub fn merge(earlier: Node, later: Node) -> Result<Node, Conflict> {
    let mut merged = merge_at(earlier, later, &mut Vec::new())?;
    deduplicate(&mut merged);
    Ok(merged)
}

/// Like [`merge`], for one service over the one that it extends.
pub fn merge_service(earlier: Node, later: Node) -> Result<Node, Conflict> {
    merge_at(earlier, later, &mut vec!["services".into(), "x".into()])
}

#[derive(Debug)]
pub struct Conflict {
    pub node: Node,
    pub path: String,
    pub earlier: &'static str,
}

fn merge_at(earlier: Node, later: Node, path: &mut Vec<String>) -> Result<Node, Conflict> {
    if later.tag != Tag::None || earlier.tag == Tag::Reset {
        return Ok(later);
    }
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    let rule = rule(&words);
    if later.is_null() && !matches!(rule, Rule::Replace) {
        return Ok(earlier);
    }
    match rule {
        Rule::Replace => Ok(later),
        Rule::SameDriver if drivers_differ(&earlier, &later) => Ok(later),
        Rule::Subnets => Ok(merge_subnets(earlier, later)),
        rule => merge_deep(earlier, later, path, matches!(rule, Rule::KeyValues)),
    }
}

fn merge_deep(earlier: Node, later: Node, path: &mut Vec<String>, nulls_count: bool) -> Result<Node, Conflict> {
    let at = later.null_beside();
    match (earlier.value, later.value) {
        (Value::Map(earlier_entries), Value::Map(later_entries)) => {
            let mut merged = earlier_entries;
            let mut places: HashMap<String, usize> =
                merged.iter().enumerate().map(|(index, entry)| (entry.key.clone(), index)).collect();
            for entry in later_entries {
                let Some(slot) = places.get(&entry.key).map(|index| &mut merged[*index]) else {
                    places.insert(entry.key.clone(), merged.len());
                    merged.push(entry);
                    continue;
                };
                slot.line = entry.line;
                if nulls_count && entry.node.is_null() {
                    slot.node = entry.node;
                    continue;
                }
                // The order of keys stays.
                let null = slot.node.null_beside();
                let before = std::mem::replace(&mut slot.node, null);
                path.push(entry.key);
                slot.node = merge_at(before, entry.node, path)?;
                path.pop();
            }
            Ok(at.with(Value::Map(merged)))
        }
        (Value::List(mut items), Value::List(more)) => {
            items.extend(more);
            Ok(at.with(Value::List(items)))
        }
        // As Compose does: what is one value gives way to anything.
        (Value::Scalar(_), value) => Ok(at.with(value)),
        (before, value) => {
            let earlier = at.with(before).what();
            Err(Conflict { node: at.with(value), path: path.join("."), earlier })
        }
    }
}

fn drivers_differ(earlier: &Node, later: &Node) -> bool {
    match (earlier.get("driver"), later.get("driver")) {
        (Some(earlier), Some(later)) => earlier != later,
        _ => false,
    }
}

/// A later list of subnets stands, each merged with the earlier one of the same `subnet`.
fn merge_subnets(earlier: Node, later: Node) -> Node {
    let (Value::List(before), Value::List(after)) = (&earlier.value, &later.value) else { return later };
    let merged = after.iter().map(|item| {
        let same = before.iter().find(|other| other.get("subnet") == item.get("subnet"));
        match same {
            Some(same) => merge_deep(same.clone(), item.clone(), &mut Vec::new(), false).unwrap_or(item.clone()),
            None => item.clone(),
        }
    });
    later.with(Value::List(merged.collect()))
}

/// Takes away what `!reset` marks and the marks themselves.
pub fn apply_tags(node: &mut Node) {
    node.tag = Tag::None;
    match &mut node.value {
        Value::Map(entries) => {
            entries.retain(|entry| entry.node.tag != Tag::Reset);
            entries.iter_mut().for_each(|entry| apply_tags(&mut entry.node));
        }
        Value::List(items) => {
            items.retain(|item| item.tag != Tag::Reset);
            items.iter_mut().for_each(apply_tags);
        }
        Value::Scalar(_) => {}
    }
}

/// In lists whose items are known by a key, a later item takes the place of an earlier one.
pub fn deduplicate(file: &mut Node) {
    let Some(Value::Map(services)) = file.get_mut("services").map(|node| &mut node.value) else { return };
    for service in services {
        let service = &mut service.node;
        for (key, identity) in IDENTITIES {
            unique(service.get_mut(key), *identity);
        }
        if let Some(build) = service.get_mut("build") {
            unique(build.get_mut("tags"), text);
            unique(build.get_mut("extra_hosts"), text);
        }
        if let Some(Value::Map(networks)) = service.get_mut("networks").map(|node| &mut node.value) {
            for network in networks {
                unique(network.node.get_mut("aliases"), name);
            }
        }
    }
}

type Identity = fn(&Node) -> Option<String>;

const IDENTITIES: &[(&str, Identity)] = &[
    ("cap_add", name),
    ("cap_drop", name),
    ("configs", config_target),
    ("devices", device_target),
    ("dns", name),
    ("dns_opt", name),
    ("dns_search", name),
    ("env_file", |node| text(node.get("path")?)),
    ("expose", text),
    ("extra_hosts", text),
    ("links", name),
    ("ports", port),
    ("profiles", name),
    ("secrets", secret_target),
    ("tmpfs", name),
    ("volumes", |node| text(node.get("target")?)),
];

fn unique(list: Option<&mut Node>, identity: Identity) {
    let Some(Value::List(items)) = list.map(|node| &mut node.value) else { return };
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Node> = Vec::with_capacity(items.len());
    for item in std::mem::take(items) {
        match identity(&item).map(|id| (places.get(&id).copied(), id)) {
            Some((Some(at), _)) => kept[at] = item,
            Some((None, id)) => {
                places.insert(id, kept.len());
                kept.push(item);
            }
            None => kept.push(item),
        }
    }
    *items = kept;
}

fn text(node: &Node) -> Option<String> {
    node.scalar().map(|scalar| scalar.text.clone())
}
fn name(node: &Node) -> Option<String> {
    text(node).map(|text| text.split('=').next().unwrap_or_default().to_string())
}
fn mount_target(node: &Node, folder: &str) -> Option<String> {
    node.get("target").and_then(text).or_else(|| Some(format!("{folder}/{}", text(node.get("source")?)?)))
}
fn config_target(node: &Node) -> Option<String> {
    mount_target(node, "")
}
fn secret_target(node: &Node) -> Option<String> {
    mount_target(node, "/run/secrets")
}
fn device_target(node: &Node) -> Option<String> {
    match node.text() {
        Some(text) => text.split(':').nth(1).or(Some(text)).map(str::to_string),
        None => text(node.get("target")?),
    }
}
fn port(node: &Node) -> Option<String> {
    let part = |key: &str, default: &str| node.get(key).and_then(text).unwrap_or(default.to_string());
    node.entries()?;
    Some(format!(
        "{}:{}:{}/{}",
        part("host_ip", "0.0.0.0"),
        part("published", ""),
        part("target", ""),
        part("protocol", "tcp")
    ))
}
