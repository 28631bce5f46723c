//! Labels of containers, networks and volumes.

use crate::compose::view::View;
use std::collections::BTreeMap;

/// What only Launchway may say of a thing: by these it recognises what is its own.
const RESERVED: [&str; 2] = ["launchway.", "com.docker.compose."];

pub fn labels(view: &View<'_>) -> BTreeMap<String, String> {
    let Some(labels) = view.get("labels") else { return BTreeMap::new() };
    for (key, label) in labels.entries() {
        if RESERVED.iter().any(|prefix| key.starts_with(prefix)) {
            label.error(format!("labels that begin with {} are Launchway's and Compose's own", RESERVED.join(" or ")));
        }
    }
    labels.text_map()
}
