//! How a file of variables is named in the settings.

use serde::Deserialize;

/// `"shop.variables"` or `{ path = "shop.variables", format = "dotenv" }`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a path or { path = \"...\", format = \"dotenv\" }")]
pub enum VariableFile {
    Path(String),
    Formatted(Formatted),
}

/// A file of variables, and how it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Formatted {
    pub(super) path: String,
    pub(super) format: Format,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Format {
    Dotenv,
    Lines,
}
