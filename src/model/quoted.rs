//! What somebody else wrote, in a sentence of ours.
//!
//! What an app, the engine, git, a forge or a person says may hold a secret; our own words hold none, and a secret may well be
//! a word that we use ("wrong", "release"). So a sentence remembers which of its parts came from elsewhere, from where they
//! enter it until it leaves: there [`super::Mask::sentence`] looks for secrets in those parts, and leaves our words alone.
//!
//! The marks are two of Unicode's noncharacters, which are for use inside of a process and for nothing else (The Unicode
//! Standard, 23.7). They never leave: [`super::plain`] drops them.

use std::fmt::{self, Debug, Display, Write};

const BEGINS: char = '\u{fdd0}';
const ENDS: char = '\u{fdd1}';

/// Text from elsewhere, to be put into a sentence of ours by `format!` and its like. `{:?}` writes it in quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Quoted<T>(pub T);

impl<T: Display> Display for Quoted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char(BEGINS)?;
        write!(Unmarked(f), "{}", self.0)?;
        f.write_char(ENDS)
    }
}

impl<T: Display> Debug for Quoted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.0.to_string().chars().filter(|c| !is_mark(*c)).collect();
        write!(f, "{BEGINS}{text:?}{ENDS}")
    }
}

/// Passes on all but marks: all of it is somebody else's, and nobody else ends that.
struct Unmarked<'f, 'b>(&'f mut fmt::Formatter<'b>);

impl Write for Unmarked<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.split(is_mark).try_for_each(|part| self.0.write_str(part))
    }
}

/// A part of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'t> {
    Ours(&'t str),
    Quoted(&'t str),
}

/// The parts of a sentence in their order, none of them empty. What begins and does not end is quoted to the sentence's end.
pub(super) fn parts(sentence: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = sentence;
    let mut quoted = false;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = rest.find(if quoted { ENDS } else { BEGINS }).unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            let was_quoted = quoted;
            quoted = !quoted;
            rest = after.strip_prefix(is_mark).unwrap_or(after);
            if !part.is_empty() {
                return Some(if was_quoted { Part::Quoted(part) } else { Part::Ours(part) });
            }
        }
        None
    })
}

pub(super) fn is_mark(c: char) -> bool {
    matches!(c, BEGINS | ENDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(sentence: &str) -> Vec<Part<'_>> {
        parts(sentence).collect()
    }

    #[test]
    fn a_sentence_remembers_what_is_quoted() {
        let why = format!("the engine says {}", Quoted("no"));
        let sentence = format!("web: {why}, {:?}; release 41 is live", Quoted("a\"b"));
        let expected = [
            Part::Ours("web: the engine says "),
            Part::Quoted("no"),
            Part::Ours(", "),
            Part::Quoted("\"a\\\"b\""),
            Part::Ours("; release 41 is live"),
        ];
        assert_eq!(read(&sentence), expected);
    }

    #[test]
    fn a_quotation_within_a_quotation_is_a_part_of_it() {
        let inner = format!("x {} y", Quoted("z"));
        assert_eq!(read(&Quoted(&inner).to_string()), [Part::Quoted("x z y")]);
        assert_eq!(read(&format!("{:?}", Quoted(&inner))), [Part::Quoted("\"x z y\"")]);
    }

    #[test]
    fn what_is_cut_in_the_middle_stays_quoted() {
        let cut: String = format!("a {} b", Quoted("secret")).chars().take(6).collect();
        assert_eq!(read(&cut), [Part::Ours("a "), Part::Quoted("sec")]);
    }

    proptest! {
        #[test]
        fn nobody_ends_a_quotation_from_within(text in "[a-c\u{fdd0}\u{fdd1}]{1,12}") {
            let sentence = format!("{}!", Quoted(&text));
            let parts = read(&sentence);
            prop_assert!(parts.len() <= 2 && parts.last() == Some(&Part::Ours("!")));
            prop_assert!(parts.iter().all(|part| *part == Part::Ours("!") || matches!(part, Part::Quoted(_))));
        }
    }
}
