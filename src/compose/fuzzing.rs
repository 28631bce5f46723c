//! For `fuzz/`: what this room keeps to itself.

use super::dockerfile::{Settings, fetched};
use super::dotenv::{Format, parse};
use super::interpolate::{Lookup, interpolate};
use super::spent::Spent;
use crate::model::budgets::TooMuch;
use std::collections::BTreeMap;

pub use super::dockerfile::Fetched;
pub use super::memory_tree::MemoryTree;

struct Values<'a>(&'a BTreeMap<String, String>);

impl Lookup for Values<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
    fn spend(&self, _: usize) -> Result<(), TooMuch> {
        Ok(())
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
    parse(text, format, outer, BTreeMap::new(), &Spent::default()).ok().map(|read| read.values)
}

/// What the engine would fetch for a Dockerfile that has no settings around it; `None` where it is an error.
pub fn fetched_by(dockerfile: &str) -> Option<Fetched> {
    fetched(dockerfile, &Settings::default()).ok()
}
