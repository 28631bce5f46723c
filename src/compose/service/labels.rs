//! Labels of containers, networks and volumes.

use crate::compose::view::View;
use std::collections::BTreeMap;

/// What only Launchway may say of a thing: by these it recognises what is its own.
const RESERVED: [&str; 2] = ["launchway.", "com.docker.compose."];

pub fn is_reserved(key: &str) -> bool {
    RESERVED.iter().any(|prefix| key.starts_with(prefix))
}

pub fn why_reserved() -> String {
    format!("labels that begin with {} are Launchway's and Compose's own", RESERVED.join(" or "))
}

pub fn labels(view: &View<'_>) -> BTreeMap<String, String> {
    let Some(labels) = view.get("labels") else { return BTreeMap::new() };
    for (key, label) in labels.entries() {
        if is_reserved(key) {
            label.error(why_reserved());
        }
    }
    labels.text_map()
}
