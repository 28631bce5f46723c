//! YAML as a tree of nodes, each with its place and the folder that its relative paths start from.
//!
//! Built over an event parser, so that every node knows its line, and tags (`!reset`, `!override`), anchors, aliases
//! and merge keys (`<<`) are read as Compose reads them. The parser is a port of libyaml, as that of Compose is: a
//! strict YAML 1.2 parser refuses what people write (`command: [` closed by a `]` below the `c`).

use super::scalar::{Kind, Scalar};
use super::spent::Spent;
use crate::model::budgets::{self, TooMuch};
use crate::model::{Place, Quoted, RepoPath};
use libyaml_safer::{Event, EventData, Parser, ScalarStyle};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

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
    /// How large it is with all that is in it.
    pub fn measure(&self) -> Measure {
        match &self.value {
            Value::Scalar(scalar) => Measure { nodes: 1, bytes: scalar.text.len(), depth: 0, widest: 0 },
            Value::List(items) => items.iter().fold(Measure::EMPTY, |all, item| all.and(&item.measure())),
            Value::Map(entries) => {
                let empty = Measure { widest: entries.len(), ..Measure::EMPTY };
                entries.iter().fold(empty, |all, entry| all.and(&entry.node.measure()).and_bytes(entry.key.len()))
            }
        }
    }
}

/// The size of a node with all that is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    pub nodes: usize,
    /// Of keys and values.
    pub bytes: usize,
    /// Lists and mappings in one another.
    pub depth: usize,
    /// Keys of the mapping that has the most.
    pub widest: usize,
}

impl Measure {
    /// Of a list or mapping with nothing in it.
    const EMPTY: Self = Self { nodes: 1, bytes: 0, depth: 1, widest: 0 };

    /// Of what holds `inner` as well.
    fn and(self, inner: &Measure) -> Self {
        Self {
            nodes: self.nodes + inner.nodes,
            bytes: self.bytes + inner.bytes,
            depth: self.depth.max(inner.depth + 1),
            widest: self.widest.max(inner.widest),
        }
    }
    fn and_bytes(self, bytes: usize) -> Self {
        Self { bytes: self.bytes + bytes, ..self }
    }
}

/// The documents of a YAML text, empty ones left out.
///
/// # Errors
/// Where it is no YAML, names a key twice, or is too large, too wide or too deep, by its aliases too. What it has used of
/// the budgets stands in `spent`.
pub fn parse(text: &str, source: &Arc<Source>, spent: &Spent) -> Result<Vec<Node>, YamlError> {
    let mut builder = Builder { source, anchors: HashMap::new(), stack: Vec::new(), documents: Vec::new(), spent };
    let mut input = text.as_bytes();
    let mut parser = Parser::new();
    parser.set_input_string(&mut input);
    let mut line = 1;
    loop {
        // The parser panics at some texts (0.3: at a tag with a comma behind it). It is not used again after that.
        let parsed = catch_unwind(AssertUnwindSafe(|| parser.parse())).map_err(|_| not_understood(line))?;
        let event = parsed.map_err(|error| not_yaml(&error))?;
        if event.data == EventData::StreamEnd {
            break;
        }
        line = line_number(event.end_mark.line);
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

/// `line`: where the last of what was understood ends.
fn not_understood(line: u32) -> YamlError {
    let message = "what follows here cannot be read as YAML, though it may be some; where a comma stands directly behind a tag, \
                   put a blank between them (`!reset ,`)";
    YamlError { line, message: message.into() }
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
    /// Of its keys and values so far.
    measure: Measure,
}

struct Builder<'s> {
    source: &'s Arc<Source>,
    /// With the size of each.
    anchors: HashMap<String, (Node, Measure)>,
    stack: Vec<Open>,
    documents: Vec<Node>,
    spent: &'s Spent,
}

fn too_much(line: u32) -> impl Fn(TooMuch) -> YamlError {
    move |error| YamlError { line, message: error.to_string() }
}

/// Names that are written once and copied often must be short.
fn check_name(what: &str, name: Option<&str>, line: u32) -> Result<(), YamlError> {
    let bytes = name.map_or(0, str::len);
    budgets::KEY_BYTES.check(bytes as u64, format_args!("{what} of {bytes} bytes")).map_err(too_much(line))
}

impl Builder<'_> {
    fn event(&mut self, event: Event) -> Result<(), YamlError> {
        let line = line_number(event.start_mark.line);
        match event.data {
            EventData::Scalar { value, style, anchor, tag, .. } => {
                check_name("a tag", tag.as_deref(), line)?;
                check_name("an anchor", anchor.as_deref(), line)?;
                let (tag, kind) = read_tag(tag.as_deref(), line)?;
                let scalar = match kind {
                    None if style == ScalarStyle::Plain => Scalar::plain(&value),
                    _ => Scalar::text(value),
                };
                let node = Node { value: Value::Scalar(scalar), tag, source: self.source.clone(), line };
                self.spent.nodes(1).map_err(too_much(line))?;
                let measure = node.measure();
                self.finish(node, anchor, measure)
            }
            EventData::SequenceStart { anchor, tag, .. } => self.open(Value::List(Vec::new()), anchor, tag, line),
            EventData::MappingStart { anchor, tag, .. } => self.open(Value::Map(Vec::new()), anchor, tag, line),
            EventData::SequenceEnd | EventData::MappingEnd => {
                let Some(open) = self.stack.pop() else { return Ok(()) };
                let Open { mut node, anchor, merges, mut seen, measure, .. } = open;
                for merged in merges {
                    merge_in(&mut node, merged, &mut seen)?;
                }
                self.finish(node, anchor, measure)
            }
            EventData::Alias { anchor } => {
                if let Some((node, measure)) = self.anchors.get(&anchor) {
                    let measure = *measure;
                    self.spent.copy(&measure).map_err(too_much(line))?;
                    let node = node.clone();
                    return self.finish(node, None, measure);
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
        let depth = self.stack.len() + 1;
        budgets::DEPTH.check(depth as u64, format_args!("{depth} levels")).map_err(too_much(line))?;
        check_name("a tag", tag.as_deref(), line)?;
        check_name("an anchor", anchor.as_deref(), line)?;
        self.spent.nodes(1).map_err(too_much(line))?;
        let (tag, _) = read_tag(tag.as_deref(), line)?;
        let node = Node { value, tag, source: self.source.clone(), line };
        self.stack.push(Open {
            node,
            anchor,
            key: None,
            merges: Vec::new(),
            seen: HashSet::new(),
            measure: Measure::EMPTY,
        });
        Ok(())
    }

    /// Hands a whole node to what holds it.
    fn finish(&mut self, node: Node, anchor: Option<String>, measure: Measure) -> Result<(), YamlError> {
        let depth = self.stack.len() + measure.depth;
        let deep = budgets::DEPTH.check(depth as u64, format_args!("{depth} levels, by its aliases"));
        deep.map_err(too_much(node.line))?;
        if let Some(anchor) = anchor {
            // What is kept for its aliases is a copy as well: anchors in one another would hold many of the innermost.
            self.spent.copy(&measure).map_err(too_much(node.line))?;
            self.anchors.insert(anchor, (node.clone(), measure));
        }
        let Some(open) = self.stack.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        open.measure = open.measure.and(&measure);
        match &mut open.node.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match open.key.take() {
                None => open.key = Some((key_text(&node)?, node.line)),
                Some((key, _)) if key == "<<" => open.merges.push(node),
                Some((key, line)) => {
                    if !open.seen.insert(key.clone()) {
                        let first = entries.iter().find(|entry| entry.key == key).map_or(0, |entry| entry.line);
                        let message = format!("key {key:?} is already defined at line {first}", key = Quoted(&key));
                        return Err(YamlError { line, message });
                    }
                    let count = entries.len() + 1;
                    let wide = budgets::KEYS.check(count as u64, format_args!("a mapping with {count} keys"));
                    wide.map_err(too_much(line))?;
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
        Value::Scalar(scalar) if scalar.kind != Kind::Text => {
            let key = Quoted(&scalar.text);
            let message = format!(
                "the key {key:?} is {} and no text, which Compose refuses; put it in quotes",
                scalar.kind.what()
            );
            Err(YamlError { line: node.line, message })
        }
        Value::Scalar(scalar) => {
            check_name("a key", Some(&scalar.text), node.line)?;
            Ok(scalar.text.clone())
        }
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
/// `known` are the keys that it has.
fn merge_in(node: &mut Node, merged: Node, known: &mut HashSet<String>) -> Result<(), YamlError> {
    match merged.value {
        Value::Map(additions) => {
            let Value::Map(entries) = &mut node.value else { return Ok(()) };
            entries.extend(additions.into_iter().filter(|entry| known.insert(entry.key.clone())));
            Ok(())
        }
        Value::List(items) => items.into_iter().try_for_each(|item| match item.value {
            Value::Map(_) => merge_in(node, item, known),
            _ => Err(YamlError { line: item.line, message: "<< takes a mapping or a list of mappings".into() }),
        }),
        Value::Scalar(_) => {
            Err(YamlError { line: merged.line, message: "<< takes a mapping or a list of mappings".into() })
        }
    }
}

#[cfg(test)]
mod tests;
