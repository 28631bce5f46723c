//! How text gets into pages: `askama.toml` names this for every template.

use crate::model::plain;
use askama::filters::{Escaper, Html};
use std::fmt;

/// Escaped for HTML, and without what hides, turns the direction, or steers a terminal that the page is copied to.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainHtml;

impl Escaper for PlainHtml {
    fn write_escaped_str<W: fmt::Write>(&self, dest: W, string: &str) -> fmt::Result {
        Html.write_escaped_str(dest, &plain(string))
    }
}
