//! What the documents say, held against the code: links lead somewhere, commands are commands, settings and Compose files are
//! read without an error, and nothing that can be set is missing. docs/writing.md says how a block is marked.

#[path = "docs/commands.rs"]
mod commands;
#[path = "docs/compose.rs"]
mod compose;
#[path = "docs/links.rs"]
mod links;
#[path = "docs/markdown.rs"]
mod markdown;
#[path = "docs/reference.rs"]
mod reference;
#[path = "docs/settings.rs"]
mod settings;
#[path = "docs/size.rs"]
mod size;

use std::path::{Path, PathBuf};

/// A file of this repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The text of a file of this repository.
fn text_of(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path} cannot be read: {error}"))
}

/// Fails with everything that is wrong, a line each.
fn nothing_is_wrong(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
