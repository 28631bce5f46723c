//! The file's shape with every mistake in it, not only the first: what a mistake stands in is taken out, and the rest is
//! read once more.

use super::file::File;
use crate::compose::closest;
use serde::Deserialize as _;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

/// A mistake in the shape: where, what, and which key was meant, with its table (`projects.shop.forge`).
pub struct Mistake {
    pub span: Option<Range<usize>>,
    pub message: String,
    pub meant: Option<String>,
}

/// More than these nobody reads.
const MOST: usize = 100;

/// The file without what is wrong with its shape, and what that is; no file where nothing of it can be read.
pub fn read(text: &str) -> (Option<File>, Vec<Mistake>) {
    let mut table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let message = error.message().to_string();
            return (None, vec![Mistake { span: error.span(), message, meant: None }]);
        }
    };
    let mut mistakes = Vec::new();
    loop {
        let error = match File::deserialize(Deserializer::from(table.clone())) {
            Ok(file) => return (Some(file), mistakes),
            Err(error) => error,
        };
        let span = error.span();
        let taken = span.as_ref().and_then(|span| take_out(table.get_mut(), span.start, ""));
        let is_last = taken.is_none() || mistakes.len() + 1 == MOST;
        mistakes.push(mistake(span, taken, error.message()));
        if is_last {
            return (None, mistakes);
        }
    }
}

/// Takes out the innermost entry that a place lies in, and says which table it stood in, and its key.
fn take_out(table: &mut DeTable<'_>, offset: usize, name: &str) -> Option<(String, String)> {
    let mut wrong = None;
    for (key, value) in table.iter_mut() {
        let inner = if name.is_empty() { key.get_ref().to_string() } else { format!("{name}.{}", key.get_ref()) };
        if let Some(taken) = take_out_of(value, offset, &inner) {
            return Some(taken);
        }
        if key.span().contains(&offset) || value.span().contains(&offset) {
            wrong = Some(key.clone());
        }
    }
    let wrong = wrong?;
    table.remove(&wrong).map(|_| (name.to_string(), wrong.get_ref().to_string()))
}

fn take_out_of(value: &mut Spanned<DeValue<'_>>, offset: usize, name: &str) -> Option<(String, String)> {
    match value.get_mut() {
        DeValue::Table(table) => take_out(table, offset, name),
        DeValue::Array(items) => items.iter_mut().find_map(|item| take_out_of(item, offset, name)),
        _ => None,
    }
}

/// In the words of the other mistakes. `taken`: the table and the key that was taken out of it.
fn mistake(span: Option<Range<usize>>, taken: Option<(String, String)>, message: &str) -> Mistake {
    let (table, key) = taken.unwrap_or_default();
    let in_table = |key: &str| if table.is_empty() { key.to_string() } else { format!("{table}.{key}") };
    if let Some((written, known)) =
        message.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, expected"))
    {
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        let closest = closest(written, known.iter().copied());
        let place = if table.is_empty() { "at the top".to_string() } else { format!("in {table}") };
        let message = match closest {
            Some(closest) => format!("{written:?} is no key {place}; did you mean {closest:?}?"),
            None => format!("{written:?} is no key {place}; known there: {}", known.join(", ")),
        };
        return Mistake { span, message, meant: closest.map(in_table) };
    }
    let message = wrong_type(message).unwrap_or_else(|| message.to_string());
    Mistake { span, message, meant: Some(in_table(&key)) }
}

/// `must be a whole number, not a text`: the value stays unsaid, as it may be a secret in the wrong place.
fn wrong_type(message: &str) -> Option<String> {
    let (found, wanted) = message.strip_prefix("invalid type: ")?.rsplit_once(", expected ")?;
    let found = match found.split_whitespace().next()? {
        "string" => "a text",
        "integer" | "floating" => "a number",
        "boolean" => "true or false",
        "sequence" => "a list",
        "map" => "a table",
        other => other,
    };
    let wanted = match wanted {
        "usize" | "u8" | "u16" | "u32" | "u64" | "i8" | "i32" | "i64" => "a whole number",
        "a string" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        other => other,
    };
    Some(format!("must be {wanted}, not {found}"))
}
