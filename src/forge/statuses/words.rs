//! Texts as the forges take them.

use crate::model::plain_line;

/// One line, at most `limit` characters long, an ellipsis showing where it was cut.
/// Made plain because the text ends on terminals too (`git log --notes`).
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let clean = plain_line(text);
    let words: Vec<&str> = clean.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= limit {
        return line;
    }
    let mut cut: String = line.chars().take(limit.saturating_sub(1)).collect();
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

/// Characters above U+FFFF replaced: GitHub answers 422 "description doesn't accept 4-byte Unicode"
/// (github.com/ouzi-dev/commit-status-updater, issue 526).
pub(super) fn without_astral(text: &str) -> String {
    text.chars().map(|c| if c as u32 > 0xffff { '\u{fffd}' } else { c }).collect()
}

/// Whether a text would vanish or climb as one part of an API's path.
pub(super) fn is_no_path_segment(part: &str) -> bool {
    part.is_empty() || part == "." || part == ".." || part.chars().any(char::is_control)
}

/// `main` of `refs/heads/main`; what is short already stays.
pub(super) fn short_reference(reference: &str) -> &str {
    reference.strip_prefix("refs/heads/").or_else(|| reference.strip_prefix("refs/tags/")).unwrap_or(reference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_of_exactly_the_limit_stays_whole() {
        let text = "ü".repeat(140);
        assert_eq!(one_line(&text, 140), text);
    }

    #[test]
    fn one_more_is_cut_with_an_ellipsis() {
        let cut = one_line(&"ü".repeat(141), 140);
        assert_eq!(cut, format!("{}…", "ü".repeat(139)));
    }

    #[test]
    fn lines_become_blanks_and_terminal_escapes_go() {
        assert_eq!(one_line("a\r\n\tb\x1b[31mc\n", 140), "a bc");
    }

    #[test]
    fn an_emoji_becomes_a_replacement_character() {
        assert_eq!(without_astral("ok 🐛 é"), "ok \u{fffd} é");
    }

    proptest! {
        #[test]
        fn never_longer_than_the_limit_and_never_two_lines(text in ".{0,400}", limit in 1usize..300) {
            let line = one_line(&text, limit);
            prop_assert!(line.chars().count() <= limit);
            prop_assert!(!line.chars().any(char::is_control));
        }
    }
}
