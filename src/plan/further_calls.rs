//! Whom an image names in what it says of itself.

use crate::model::ComponentName;
use std::collections::{BTreeMap, BTreeSet};

/// Whom the image of each component names. `names`: all by which a component is reached; `said`: what its image says.
pub(super) fn by_images<'a>(
    names: &BTreeMap<&ComponentName, BTreeSet<String>>,
    said: impl Iterator<Item = (&'a ComponentName, &'a [String])>,
) -> BTreeMap<ComponentName, BTreeSet<ComponentName>> {
    let named = |name: &ComponentName, said: &[String]| {
        let is_named = |called: &String| said.iter().any(|text| names_host(text, called));
        let others = names.iter().filter(|(other, names)| **other != name && names.iter().any(is_named));
        others.map(|(other, _)| (*other).clone()).collect::<BTreeSet<ComponentName>>()
    };
    said.map(|(name, said)| (name.clone(), named(name, said))).collect()
}

/// Whether the name stands in the text as a host does: `http://api:80`, `user@api/x`, `a,api`, `HOST=api`. A part of a path
/// (`/usr/src/app`) is none, and variables of images are full of those.
fn names_host(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        let begins = before.is_empty() || before.ends_with("//") || before.ends_with(['@', ',', ';', '=', ' ', '"']);
        begins && (after.is_empty() || after.starts_with([':', '/', ',', ';', ' ', '"', '?']))
    })
}
