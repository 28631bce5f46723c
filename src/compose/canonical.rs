//! Short forms become long ones, so that files can be merged and read in one form. What is neither is left as it
//! is: the reader of that key says what is wrong with it.

use super::port_spec;
use super::problems::Problems;
use super::scalar::{Kind, Scalar};
use super::spent::Spent;
use super::volume_spec;
use super::yaml::{Entry, Node, Value};
use std::collections::HashMap;

/// Brings a whole Compose file into its long form.
pub fn canonicalise(file: &mut Node, problems: &Problems, spent: &Spent) {
    if let Some(Value::Map(services)) = file.get_mut("services").map(|node| &mut node.value) {
        for Entry { key, node, .. } in services {
            service(node, &format!("services.{key}"), problems, spent);
        }
    }
    for section in ["networks", "volumes"] {
        for_each(file.get_mut(section), |_, node| change(node, "labels", key_values));
    }
    for_each(file.get_mut("networks"), |_, node| {
        if let Some(ipam) = node.get_mut("ipam") {
            change(ipam, "options", key_values);
        }
    });
}

fn service(service: &mut Node, path: &str, problems: &Problems, spent: &Spent) {
    for key in ["environment", "labels", "annotations", "sysctls"] {
        change(service, key, |node| if key == "environment" { environment(node) } else { key_values(node) });
    }
    for key in ["dns", "dns_search", "tmpfs", "label_file"] {
        change(service, key, listed);
    }
    change(service, "extra_hosts", hosts);
    change(service, "env_file", env_files);
    change(service, "extends", |node| named(node, "service"));
    change(service, "networks", |node| keys(node, Node::null_beside));
    change(service, "models", |node| keys(node, Node::null_beside));
    change(service, "depends_on", |node| {
        keys(node, |item| {
            let required = item.beside(Value::Scalar(Scalar::bool(true)));
            item.map_beside(vec![("condition", item.text_beside("service_started")), ("required", required)])
        })
    });
    change(service, "build", |node| named(node, "context"));
    if let Some(build) = service.get_mut("build") {
        for key in ["args", "labels", "additional_contexts"] {
            change(build, key, key_values);
        }
        change(build, "extra_hosts", hosts);
        each_item(build.get_mut("secrets"), |item| named(item, "source"));
    }
    if let Some(deploy) = service.get_mut("deploy") {
        change(deploy, "labels", key_values);
    }
    each_item(service.get_mut("secrets"), |item| named(item, "source"));
    each_item(service.get_mut("configs"), |item| named(item, "source"));
    items(service.get_mut("ports"), |index, item| {
        port_spec::long(item, &format!("{path}.ports[{index}]"), problems, spent)
    });
    items(service.get_mut("volumes"), |index, item| {
        vec![volume_spec::long(item, &format!("{path}.volumes[{index}]"), problems)]
    });
    each_item(service.get_mut("volumes"), |item| {
        let mut item = item.clone();
        if let Some(volume) = item.get_mut("volume") {
            change(volume, "labels", key_values);
        }
        Some(item)
    });
}

fn change(node: &mut Node, key: &str, to: impl Fn(&Node) -> Option<Node>) {
    if let Some(value) = node.get_mut(key)
        && let Some(mut changed) = to(value)
    {
        changed.tag = value.tag;
        *value = changed;
    }
}

fn for_each(section: Option<&mut Node>, act: impl Fn(&str, &mut Node)) {
    if let Some(Value::Map(entries)) = section.map(|node| &mut node.value) {
        for entry in entries {
            act(&entry.key, &mut entry.node);
        }
    }
}

fn each_item(list: Option<&mut Node>, to: impl Fn(&Node) -> Option<Node>) {
    if let Some(Value::List(items)) = list.map(|node| &mut node.value) {
        for item in items {
            if let Some(changed) = to(item) {
                *item = changed;
            }
        }
    }
}

/// Replaces each item by none, one or several.
fn items(list: Option<&mut Node>, mut to: impl FnMut(usize, Node) -> Vec<Node>) {
    if let Some(Value::List(items)) = list.map(|node| &mut node.value) {
        let old = std::mem::take(items);
        *items = old.into_iter().enumerate().flat_map(|(index, item)| to(index, item)).collect();
    }
}

/// `[A=1, B]` becomes `{A: "1", B: null}`; later ones win.
fn key_values(node: &Node) -> Option<Node> {
    let Value::List(items) = &node.value else { return None };
    let mut map = Keys::default();
    for item in items {
        let text = item.text()?;
        match text.split_once('=') {
            Some((key, value)) => map.set(key, item.text_beside(value)),
            None => map.set(text, item.null_beside()),
        }
    }
    Some(node.beside(Value::Map(map.entries)))
}

/// A mapping in the making: a list may name thousands of keys.
#[derive(Default)]
struct Keys {
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
}

impl Keys {
    /// Puts `node` under `key`, in place of what was there.
    fn set(&mut self, key: &str, node: Node) {
        match self.places.get(key) {
            Some(index) => self.entries[*index].node = node,
            None => {
                self.places.insert(key.to_string(), self.entries.len());
                self.entries.push(Entry { key: key.to_string(), line: node.line, node });
            }
        }
    }
}

/// A bare name in a list takes its value from the variables of its own file; in a mapping, from those of the project.
fn environment(node: &Node) -> Option<Node> {
    let Value::List(items) = &node.value else { return None };
    let resolved = items.iter().map(|item| match item.text() {
        Some(name) if !name.contains('=') => match item.source.variables.get(name) {
            Some(value) => item.text_beside(format!("{name}={value}")),
            None => item.clone(),
        },
        _ => item.clone(),
    });
    key_values(&node.with(Value::List(resolved.collect())))
}

/// A single text becomes a list of one.
fn listed(node: &Node) -> Option<Node> {
    node.text().map(|_| node.beside(Value::List(vec![node.beside(node.value.clone())])))
}

/// A text becomes a mapping with that text under `key`.
fn named(node: &Node, key: &str) -> Option<Node> {
    node.text().map(|text| node.map_beside(vec![(key, node.text_beside(text))]))
}

/// `[a, b]` becomes `{a: ..., b: ...}`.
fn keys(node: &Node, value: impl Fn(&Node) -> Node) -> Option<Node> {
    let Value::List(items) = &node.value else { return None };
    let mut map = Keys::default();
    for item in items {
        map.set(item.text()?, value(item));
    }
    Some(node.beside(Value::Map(map.entries)))
}

fn env_files(node: &Node) -> Option<Node> {
    let long = |item: &Node| match item.text() {
        Some(text) => item.map_beside(vec![("path", item.text_beside(text))]),
        None => item.clone(),
    };
    match &node.value {
        Value::List(items) => Some(node.beside(Value::List(items.iter().map(long).collect()))),
        _ => node.text().map(|_| node.beside(Value::List(vec![long(node)]))),
    }
}

/// `host=address` per item, from a list (`host:address` too) or a mapping (an address or a list of them).
fn hosts(node: &Node) -> Option<Node> {
    let mut list = Vec::new();
    match &node.value {
        Value::Map(entries) => {
            for Entry { key, node: value, .. } in entries {
                match &value.value {
                    Value::Scalar(Scalar { kind: Kind::Text, text }) => {
                        list.push(value.text_beside(format!("{key}={text}")));
                    }
                    Value::List(items) => {
                        for item in items {
                            list.push(item.text_beside(format!("{key}={}", item.text()?)));
                        }
                    }
                    _ => return None,
                }
            }
        }
        Value::List(items) => {
            for item in items {
                let text = item.text()?;
                let (host, address) = text.split_once('=').or_else(|| text.split_once(':'))?;
                let address = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
                list.push(item.text_beside(format!("{host}={address}")));
            }
        }
        Value::Scalar(_) => return None,
    }
    Some(node.beside(Value::List(list)))
}
