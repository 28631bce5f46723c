//! A Dockerfile that names other images instead of some: what another component builds is called by the name under which
//! Launchway keeps it, which nobody else can give. BuildKit's further contexts could do so too, but not before Docker 23, not
//! with an older `# syntax=`, and a stage that has the context's name would be replaced by it.

use super::lines::DIALECTS;
use super::sources::{Naming, Settings, fetched, namings};
use crate::model::{Quoted, full_image_name};
use std::collections::{BTreeMap, BTreeSet};

/// The text with other images named. `names`: a name, however it is written, and what stands in its place. Each line stays
/// where it is.
///
/// # Errors
/// The line, and why the name there cannot be replaced; or why no BuildKit would read the text.
pub fn renamed(text: &str, settings: &Settings<'_>, names: &BTreeMap<String, String>) -> Result<String, (u32, String)> {
    let names: BTreeMap<String, &String> = names.iter().map(|(name, to)| (full_image_name(name), to)).collect();
    let other = |reference: &str| names.get(&full_image_name(reference)).copied();
    let mut all: BTreeSet<Naming> = BTreeSet::new();
    let mut wrong = None;
    for dialect in DIALECTS {
        match namings(text, dialect, settings) {
            Ok(found) => all.extend(found),
            Err(why) => wrong = wrong.or(Some(why)),
        }
    }
    if let Some(wrong) = wrong.filter(|_| all.is_empty()) {
        return Err(wrong);
    }
    let mut lines: Vec<String> = text.split('\n').map(str::to_string).collect();
    for Naming { lines: (first, last), word, plain: (before, reference, after) } in &all {
        let Some(to) = other(reference) else { continue };
        let instruction = lines.iter_mut().take(*last as usize).skip(*first as usize - 1);
        let place = instruction.filter_map(|line| Some((find_word(line, word)?, line))).next();
        if let Some((at, line)) = place {
            line.replace_range(at..at + word.len(), &format!("{before}{to}{after}"));
        }
    }
    let text = lines.join("\n");
    let left = fetched(&text, settings)?;
    let named = left.images.iter().find(|image| {
        let reference = image.reference.as_ref().filter(|reference| left.needed.contains(*reference));
        reference.is_some_and(|reference| other(reference).is_some())
    });
    match named {
        Some(image) => Err((
            image.line,
            format!(
                "another service builds {}, and it cannot be put in here; write the name in one piece on the instruction's line",
                Quoted(image.reference.as_deref().unwrap_or_default())
            ),
        )),
        None => Ok(text),
    }
}

/// Where the word stands for itself, between blanks or the line's ends.
fn find_word(line: &str, word: &str) -> Option<usize> {
    let is_apart = |c: Option<char>| c.is_none_or(char::is_whitespace);
    line.match_indices(word)
        .map(|(at, _)| at)
        .find(|at| is_apart(line[..*at].chars().next_back()) && is_apart(line[at + word.len()..].chars().next()))
}
