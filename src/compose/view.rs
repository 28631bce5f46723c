//! A node with the path of its key and the place where problems go: what the readers of each key work with.

use super::problems::Problems;
use super::scalar::{Kind, Scalar};
use super::suggest;
use super::units;
use super::yaml::{Node, Value};
use crate::model::budgets;
use crate::model::{Place, Quoted};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

#[derive(Clone)]
pub struct View<'n> {
    pub node: &'n Node,
    /// The key's path (`services.api.ports[0].target`).
    pub path: String,
    pub problems: &'n Problems,
    /// Line of the key, where the value stands below a key.
    key_line: Option<u32>,
}

impl<'n> View<'n> {
    pub fn new(node: &'n Node, path: impl Into<String>, problems: &'n Problems) -> Self {
        Self { node, path: path.into(), problems, key_line: None }
    }

    /// Where the key stands, which is a line above the value of a mapping or list.
    pub fn key_place(&self) -> Place {
        Place { file: self.node.source.file.clone(), line: self.key_line.unwrap_or(self.node.line) }
    }
    pub fn error(&self, message: impl Into<String>) {
        self.problems.error(Some(self.key_place()), &self.path, message);
    }
    /// An error only because launchway.toml does not allow it; `why` ends in `;` or `, or`, `allow` is the line of
    /// `[projects.<name>.allow]` that would allow it.
    pub fn refuse(&self, why: &str, allow: impl Into<String>) {
        self.problems.refusal(Some(self.key_place()), &self.path, why, allow);
    }
    pub fn warning(&self, message: impl Into<String>) {
        self.problems.warning(Some(self.key_place()), &self.path, message);
    }
    pub fn note(&self, message: impl Into<String>) {
        self.problems.note(Some(self.key_place()), &self.path, message);
    }

    /// What stands under a key; nothing where it is absent or null.
    pub fn get(&self, key: &str) -> Option<View<'n>> {
        self.get_or_null(key).filter(|view| !view.node.is_null())
    }
    pub fn get_or_null(&self, key: &str) -> Option<View<'n>> {
        let entry = self.node.entries()?.iter().find(|entry| entry.key == key)?;
        Some(self.child(key, &entry.node, entry.line))
    }
    fn child(&self, key: &str, node: &'n Node, line: u32) -> View<'n> {
        let path = if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) };
        View { node, path, problems: self.problems, key_line: Some(line) }
    }

    fn wrong(&self, wanted: &str) {
        self.error(format!("must be {wanted}, not {}", self.described()));
    }
    /// The value as people wrote it, when it is short enough to be shown.
    fn described(&self) -> String {
        match &self.node.value {
            Value::Scalar(scalar) if scalar.kind != Kind::Null && scalar.text.len() <= 80 => {
                format!("{:?}", Quoted(&scalar.text))
            }
            _ => self.node.what().to_string(),
        }
    }

    /// The keys of a mapping in their order; an error for anything else.
    pub fn entries(&self) -> Vec<(&'n str, View<'n>)> {
        match &self.node.value {
            Value::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.as_str(), self.child(&entry.key, &entry.node, entry.line)))
                .collect(),
            Value::List(items) => {
                self.wrong_item(items);
                Vec::new()
            }
            _ => {
                self.wrong("a mapping");
                Vec::new()
            }
        }
    }

    /// A list where a mapping is read is left as it is when one of its items has no short form: that one is named. Its value
    /// may be a secret, and is not.
    fn wrong_item(&self, items: &'n [Node]) {
        let wrong = items.iter().enumerate().find(|(_, item)| item.text().is_none());
        let Some((index, item)) = wrong else { return self.wrong("a mapping") };
        let item = self.child_item(index, item);
        let key = self.path.rsplit('.').next().unwrap_or_default();
        let in_list = |name: &str| match key {
            "depends_on" | "networks" | "models" => format!("- {name}"),
            _ => format!("- {name}=..."),
        };
        match item.node.entries().and_then(|entries| entries.first()) {
            Some(entry) => item.error(format!(
                "is a mapping within a list; write all of `{key}` as a mapping, without dashes (`{name}: ...`), or as a list of \
                 texts (`{}`)",
                in_list(&Quoted(&entry.key).to_string()),
                name = Quoted(&entry.key),
            )),
            None => item.error(format!(
                "must be a text such as `{}`, not {}; or write all of `{key}` as a mapping",
                in_list("NAME"),
                item.described()
            )),
        }
    }

    fn child_item(&self, index: usize, node: &'n Node) -> View<'n> {
        View { node, path: format!("{}[{index}]", self.path), problems: self.problems, key_line: None }
    }

    /// How many items a list has.
    pub fn length(&self) -> usize {
        if let Value::List(items) = &self.node.value { items.len() } else { 0 }
    }

    /// The items of a list; an error for anything else.
    pub fn items(&self) -> Vec<View<'n>> {
        match &self.node.value {
            Value::List(items) => items.iter().enumerate().map(|(index, node)| self.child_item(index, node)).collect(),
            _ => {
                self.wrong("a list");
                Vec::new()
            }
        }
    }

    /// Reports keys that are not among `known` (`x-...` may stand anywhere). False where this is no mapping.
    pub fn only(&self, known: &[&str]) -> bool {
        #[cfg(test)]
        super::tests::verdicts::expect_all(&self.path, known);
        if self.node.entries().is_none() {
            self.wrong("a mapping");
            return false;
        }
        for (key, view) in self.entries() {
            if !known.contains(&key) && !key.starts_with("x-") {
                if self.problems.is_full() {
                    view.error("is not a key here");
                    continue;
                }
                let hint = suggest::hint(key, known.iter().copied());
                let accepted = if hint.is_empty() { format!("; accepted: {}", known.join(", ")) } else { hint };
                view.error(format!("{key:?} is not a key here{accepted}", key = Quoted(&key)));
            }
        }
        true
    }

    /// A text; numbers are refused as Compose refuses them (they need quotes).
    pub fn text(&self) -> Option<String> {
        match self.node.text() {
            Some(text) => Some(text.to_string()),
            None => {
                let quotes = self.node.scalar().is_some_and(|s| s.kind != Kind::Null);
                self.wrong(if quotes { "a text (put it in quotes)" } else { "a text" });
                None
            }
        }
    }
    /// A text, a number or a boolean, as text.
    pub fn scalar(&self) -> Option<String> {
        match self.node.scalar() {
            Some(scalar) if !matches!(scalar.kind, Kind::Null | Kind::Date) => Some(scalar.text.clone()),
            Some(Scalar { kind: Kind::Date, .. }) => {
                self.wrong("a text or a number, not a date (put it in quotes)");
                None
            }
            _ => {
                self.wrong("a text or a number");
                None
            }
        }
    }
    pub fn bool(&self) -> Option<bool> {
        match self.node.scalar().map(|scalar| scalar.text.to_ascii_lowercase()).as_deref() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(word @ ("yes" | "on" | "y")) => {
                self.warning(format!("{word:?} is read as true; write true", word = Quoted(&word)));
                Some(true)
            }
            Some(word @ ("no" | "off" | "n")) => {
                self.warning(format!("{word:?} is read as false; write false", word = Quoted(&word)));
                Some(false)
            }
            _ => {
                self.wrong("true or false");
                None
            }
        }
    }
    /// A number, also one in quotes. `wanted` is for the message: `a whole number from 0 on`.
    pub fn number<N: FromStr>(&self, wanted: &str) -> Option<N> {
        let number = self.node.scalar().and_then(|scalar| scalar.text.trim().parse().ok());
        if number.is_none() {
            self.wrong(wanted);
        }
        number
    }
    /// A time that a deployment waits for: no longer than `limits.deploy`, which is what one may take at all. A repository would
    /// hold a slot of everybody's, and whoever stops what it started would wait as long.
    pub fn duration(&self) -> Option<Duration> {
        let duration = self.any_duration()?;
        if let Some(longest) = self.problems.longest.filter(|longest| duration > *longest) {
            let (wanted, longest) = (units::duration_text(duration), units::duration_text(longest));
            self.error(format!(
                "{wanted} is longer than a deployment may take; the limit `limits.deploy` of launchway.toml is {longest}"
            ));
        }
        Some(duration)
    }
    /// A time that a canary is held or not judged, in which its deployment lends its slot.
    pub fn hold_duration(&self) -> Option<Duration> {
        let duration = self.any_duration()?;
        let wanted = units::duration_text(duration);
        if let Err(error) = budgets::HOLD_SECONDS.check(duration.as_secs(), format_args!("{wanted} in seconds")) {
            self.error(error.to_string());
        }
        Some(duration)
    }
    /// A time that nobody waits for.
    pub fn any_duration(&self) -> Option<Duration> {
        let duration = self.node.text().and_then(units::duration);
        // An unquoted 0 is a number, and the one duration that needs no unit.
        let zero = self.node.scalar().filter(|scalar| scalar.kind == Kind::Int && scalar.text == "0");
        let duration = duration.or(zero.map(|_| Duration::ZERO));
        if duration.is_none() {
            self.wrong("a duration with its unit, such as 30s, 1m30s or 2h");
        }
        duration
    }
    /// A size in bytes.
    pub fn bytes(&self) -> Option<i64> {
        let bytes = self.scalar_text().and_then(units::bytes);
        if bytes.is_none() {
            self.wrong("a size, such as 256M, 1g or 1024");
        }
        bytes
    }
    pub fn cpu_millis(&self) -> Option<u64> {
        let millis = self.scalar_text().and_then(units::cpu_millis);
        if millis.is_none() {
            self.wrong("a number of cores, such as 0.5 or 2");
        }
        millis
    }
    /// A share of 1: `1%` or `0.01`.
    pub fn share(&self) -> Option<f64> {
        let share = self.scalar_text().and_then(units::share);
        if share.is_none() {
            self.wrong("a share, such as 1% or 0.01");
        }
        share
    }
    fn scalar_text(&self) -> Option<&'n str> {
        self.node.scalar().map(|scalar| scalar.text.as_str())
    }

    /// A word out of a few.
    pub fn word(&self, words: &[&str]) -> Option<String> {
        let text = self.text()?;
        if words.contains(&text.as_str()) {
            return Some(text);
        }
        let hint = suggest::hint(&text, words.iter().copied());
        self.error(format!("{text:?} is not one of {}{hint}", words.join(", "), text = Quoted(&text)));
        None
    }
    /// A list of texts.
    pub fn texts(&self) -> Vec<String> {
        self.items().iter().filter_map(View::text).collect()
    }
    /// A mapping of texts, numbers or booleans; a null value is an empty text.
    pub fn text_map(&self) -> BTreeMap<String, String> {
        let mut map = BTreeMap::new();
        for (key, view) in self.entries() {
            if view.node.is_null() {
                map.insert(key.to_string(), String::new());
            } else if let Some(text) = view.scalar() {
                map.insert(key.to_string(), text);
            }
        }
        map
    }
}
