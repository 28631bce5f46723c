//! For `fuzz/`: what this room keeps to itself.

use super::dotenv::{Format, parse};
use super::interpolate::{Lookup, interpolate};
use std::collections::BTreeMap;

pub use super::memory_tree::MemoryTree;

struct Values<'a>(&'a BTreeMap<String, String>);

impl Lookup for Values<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
    fn missing(&self, _: &str) {}
}

/// The text with its variables replaced; `None` where that is an error.
pub fn interpolated(text: &str, values: &BTreeMap<String, String>) -> Option<String> {
    interpolate(text, &Values(values)).ok()
}

/// What an env file sets; `None` where it is an error.
pub fn dotenv(text: &str, raw: bool, outer: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    let format = if raw { Format::Raw } else { Format::Compose };
    parse(text, format, outer).ok().map(|read| read.values)
}
