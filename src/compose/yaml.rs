//! YAML as a tree of nodes, each with its place and the folder that its relative paths start from.
//!
//! Built over an event parser, so that every node knows its line, and tags (`!reset`, `!override`), anchors, aliases
//! and merge keys (`<<`) are read as Compose reads them. The parser is a port of libyaml, as that of Compose is: a
//! strict YAML 1.2 parser refuses what people write (`command: [` closed by a `]` below the `c`).

use super::scalar::{Kind, Scalar};
use crate::model::{Place, RepoPath};
use libyaml_safer::{Event, EventData, Parser, ScalarStyle};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Nodes that one file may have after its aliases are expanded: thousands of services fit, a "billion laughs" does not.
const MAX_NODES: usize = 200_000;
const MAX_DEPTH: usize = 64;

/// What the nodes of one read of a file have in common.
#[derive(Debug)]
pub struct Source {
    /// As people know it: the path in the repository.
    pub file: String,
    /// Where relative paths start.
    pub folder: RepoPath,
    /// What `${...}` and bare names of `environment` mean in it.
    pub variables: Arc<BTreeMap<String, String>>,
}

#[derive(Debug, Clone)]
pub struct Node {
    pub value: Value,
    pub tag: Tag,
    pub source: Arc<Source>,
    /// Counts from 1.
    pub line: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    /// Line of the key, which is where people look for a key that is wrong.
    pub line: u32,
    pub node: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tag {
    #[default]
    None,
    /// `!reset`: what an earlier file said here is taken away.
    Reset,
    /// `!override`: replaces what an earlier file said instead of being merged with it.
    Override,
}

/// Equal content, wherever it is written.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    pub line: u32,
    pub message: String,
}

impl Node {
    pub fn place(&self) -> Place {
        Place { file: self.source.file.clone(), line: self.line }
    }
    pub fn entries(&self) -> Option<&[Entry]> {
        if let Value::Map(entries) = &self.value { Some(entries) } else { None }
    }
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let Value::Map(entries) = &mut self.value else { return None };
        entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
    }
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let Value::Map(entries) = &mut self.value else { return None };
        let index = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(index).node)
    }
    /// Puts `node` under `key`, in place of what was there.
    pub fn set(&mut self, key: &str, node: Node) {
        let Value::Map(entries) = &mut self.value else { return };
        match entries.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => entry.node = node,
            None => entries.push(Entry { key: key.to_string(), line: node.line, node }),
        }
    }
    pub fn scalar(&self) -> Option<&Scalar> {
        if let Value::Scalar(scalar) = &self.value { Some(scalar) } else { None }
    }
    /// The text of a scalar that is text (not a number, a boolean or null).
    pub fn text(&self) -> Option<&str> {
        self.scalar().filter(|scalar| scalar.kind == Kind::Text).map(|scalar| scalar.text.as_str())
    }
    pub fn is_null(&self) -> bool {
        self.scalar().is_some_and(|scalar| scalar.kind == Kind::Null)
    }
    /// The same place with another value; the tag stays.
    pub fn with(&self, value: Value) -> Node {
        Node { value, tag: self.tag, source: self.source.clone(), line: self.line }
    }
    /// A new node at the same place.
    pub fn beside(&self, value: Value) -> Node {
        Node { value, tag: Tag::None, source: self.source.clone(), line: self.line }
    }
    pub fn text_beside(&self, text: impl Into<String>) -> Node {
        self.beside(Value::Scalar(Scalar::text(text)))
    }
    pub fn null_beside(&self) -> Node {
        self.beside(Value::Scalar(Scalar::null()))
    }
    pub fn map_beside(&self, entries: Vec<(&str, Node)>) -> Node {
        let entries = entries.into_iter().map(|(key, node)| Entry { key: key.to_string(), line: node.line, node });
        self.beside(Value::Map(entries.collect()))
    }
    /// For messages: `a text`, `a list`.
    pub fn what(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) => scalar.kind.what(),
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
    fn count(&self) -> usize {
        1 + match &self.value {
            Value::Scalar(_) => 0,
            Value::List(items) => items.iter().map(Node::count).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.node.count()).sum(),
        }
    }
}

/// The documents of a YAML text, empty ones left out.
///
/// # Errors
/// Where it is no YAML, names a key twice, nests deeper than 64, or grows too large by its aliases.
pub fn parse(text: &str, source: &Arc<Source>) -> Result<Vec<Node>, YamlError> {
    let mut builder = Builder { source, anchors: HashMap::new(), stack: Vec::new(), documents: Vec::new(), nodes: 0 };
    let mut input = text.as_bytes();
    let mut parser = Parser::new();
    parser.set_input_string(&mut input);
    loop {
        let event = parser.parse().map_err(|error| not_yaml(&error))?;
        if event.data == EventData::StreamEnd {
            break;
        }
        builder.event(event)?;
    }
    builder.documents.retain(|document| !document.is_null());
    Ok(builder.documents)
}

fn not_yaml(error: &libyaml_safer::Error) -> YamlError {
    let (line, column) = error.problem_mark().map_or((0, 0), |mark| (mark.line, mark.column));
    let problem = match error.context() {
        Some(context) if !context.is_empty() => format!("{context}, {}", error.problem()),
        _ => error.problem().to_string(),
    };
    YamlError { line: line_number(line), message: format!("this is no YAML: {problem} (column {})", column + 1) }
}

/// The parser counts lines from 0.
fn line_number(line: u64) -> u32 {
    u32::try_from(line.saturating_add(1)).unwrap_or(u32::MAX)
}

/// A collection that is not yet at its end.
struct Open {
    node: Node,
    anchor: Option<String>,
    /// A key that waits for its value, with its line.
    key: Option<(String, u32)>,
    /// Values of `<<`, to be merged in at the end: keys of the mapping itself win wherever they stand.
    merges: Vec<Node>,
    seen: HashSet<String>,
}

struct Builder<'s> {
    source: &'s Arc<Source>,
    /// With the number of nodes that each counts.
    anchors: HashMap<String, (Node, usize)>,
    stack: Vec<Open>,
    documents: Vec<Node>,
    nodes: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event) -> Result<(), YamlError> {
        let line = line_number(event.start_mark.line);
        match event.data {
            EventData::Scalar { value, style, anchor, tag, .. } => {
                let (tag, kind) = read_tag(tag.as_deref(), line)?;
                let scalar = match kind {
                    None if style == ScalarStyle::Plain => Scalar::plain(&value),
                    _ => Scalar::text(value),
                };
                let node = Node { value: Value::Scalar(scalar), tag, source: self.source.clone(), line };
                self.finish(node, anchor, 1)
            }
            EventData::SequenceStart { anchor, tag, .. } => self.open(Value::List(Vec::new()), anchor, tag, line),
            EventData::MappingStart { anchor, tag, .. } => self.open(Value::Map(Vec::new()), anchor, tag, line),
            EventData::SequenceEnd | EventData::MappingEnd => {
                let Some(open) = self.stack.pop() else { return Ok(()) };
                let Open { mut node, anchor, merges, .. } = open;
                for merged in merges {
                    merge_in(&mut node, merged)?;
                }
                self.finish(node, anchor, 1)
            }
            EventData::Alias { anchor } => {
                if let Some((node, nodes)) = self.anchors.get(&anchor).cloned() {
                    return self.finish(node, None, nodes);
                }
                let is_open = self.stack.iter().any(|open| open.anchor.as_deref() == Some(&anchor));
                let why = if is_open { "stands inside what it names" } else { "names an anchor that is not above it" };
                Err(YamlError { line, message: format!("the alias *{anchor} {why}") })
            }
            EventData::DocumentEnd { .. } => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, value: Value, anchor: Option<String>, tag: Option<String>, line: u32) -> Result<(), YamlError> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(YamlError { line, message: format!("this nests deeper than {MAX_DEPTH} levels") });
        }
        let (tag, _) = read_tag(tag.as_deref(), line)?;
        let node = Node { value, tag, source: self.source.clone(), line };
        self.stack.push(Open { node, anchor, key: None, merges: Vec::new(), seen: HashSet::new() });
        Ok(())
    }

    /// Hands a whole node to what holds it. `nodes` is how many it counts.
    fn finish(&mut self, node: Node, anchor: Option<String>, nodes: usize) -> Result<(), YamlError> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            let message = format!("this has more than {MAX_NODES} nodes once its aliases are expanded");
            return Err(YamlError { line: node.line, message });
        }
        if let Some(anchor) = anchor {
            let nodes = node.count();
            self.anchors.insert(anchor, (node.clone(), nodes));
        }
        let Some(open) = self.stack.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        match &mut open.node.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match open.key.take() {
                None => open.key = Some((key_text(&node)?, node.line)),
                Some((key, _)) if key == "<<" => open.merges.push(node),
                Some((key, line)) => {
                    if !open.seen.insert(key.clone()) {
                        let first = entries.iter().find(|entry| entry.key == key).map_or(0, |entry| entry.line);
                        let message = format!("key {key:?} is already defined at line {first}");
                        return Err(YamlError { line, message });
                    }
                    entries.push(Entry { key, line, node });
                }
            },
            Value::Scalar(_) => {}
        }
        Ok(())
    }
}

fn key_text(node: &Node) -> Result<String, YamlError> {
    match &node.value {
        Value::Scalar(scalar) => Ok(scalar.text.clone()),
        _ => Err(YamlError { line: node.line, message: format!("{} cannot be a key", node.what()) }),
    }
}

/// What a tag says of the node, and of a scalar's kind.
fn read_tag(tag: Option<&str>, line: u32) -> Result<(Tag, Option<Kind>), YamlError> {
    const CORE: &str = "tag:yaml.org,2002:";
    match tag {
        None => Ok((Tag::None, None)),
        Some("!reset") => Ok((Tag::Reset, None)),
        Some("!override") => Ok((Tag::Override, None)),
        // A lone `!` only says that the scalar is text.
        Some("!" | "tag:yaml.org,2002:str") => Ok((Tag::None, Some(Kind::Text))),
        Some(tag) if tag.starts_with(CORE) => Ok((Tag::None, None)),
        Some(tag) => {
            Err(YamlError { line, message: format!("{tag} is not a tag of Compose files: !reset or !override") })
        }
    }
}

/// `<<: *base` or `<<: [*a, *b]`: adds what the mapping does not have itself; earlier ones win.
fn merge_in(node: &mut Node, merged: Node) -> Result<(), YamlError> {
    match merged.value {
        Value::Map(additions) => {
            let Value::Map(entries) = &mut node.value else { return Ok(()) };
            let known: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
            entries.extend(additions.into_iter().filter(|entry| !known.contains(&entry.key)));
            Ok(())
        }
        Value::List(items) => items.into_iter().try_for_each(|item| match item.value {
            Value::Map(_) => merge_in(node, item),
            _ => Err(YamlError { line: item.line, message: "<< takes a mapping or a list of mappings".into() }),
        }),
        Value::Scalar(_) => {
            Err(YamlError { line: merged.line, message: "<< takes a mapping or a list of mappings".into() })
        }
    }
}

#[cfg(test)]
mod tests;
