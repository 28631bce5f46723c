//! README.md is one page.

use crate::text_of;

/// What a stranger reads before deciding.
const LINES: usize = 150;

#[test]
fn the_readme_is_one_page() {
    let lines = text_of("README.md").lines().count();
    assert!(lines <= LINES, "README.md has {lines} lines; move what is beyond {LINES} to docs/");
}
