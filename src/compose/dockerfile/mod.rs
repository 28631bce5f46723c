//! What a Dockerfile would have the engine fetch: images, URLs, frontends. Read as BuildKit reads it, without running any of it.
//!
//! Source: BuildKit's `frontend/dockerfile/parser` and `shell/lex.go`. Its versions read a few things differently (heredocs,
//! an escaped escape at the end of a line), and which one will read is not known here: what any of them would fetch counts.

mod hosts;
mod lines;
mod reached;
mod renamed;
mod sources;
mod syntax;
mod words;

pub use hosts::remote;
pub use renamed::renamed;
pub use sources::{Base, Fetched, Image, Platform, Remote, Settings, fetched};
pub use syntax::frontends;

#[cfg(test)]
mod tests;
