//! What hides secrets in text that leaves the process.

mod forms;
mod views;
mod wrapped;

use super::quoted::{Part, parts};
use super::{Secret, plain};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use forms::Form;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use wrapped::Wrapped;

/// Replaces every known secret in text that leaves the process: logs, build output, pages, statuses, errors.
///
/// A secret is found as it is, and as programs write it: in base64 (anywhere in what was encoded, so in the header that signs
/// in with it too, and broken over lines), in hex, with percent signs, with backslashes (JSON, shells, YAML), with HTML's
/// entities, and with two of these around each other. What leaves is made [`plain`] as well, and before secrets are looked for:
/// a colour in the middle of a secret hides it from nobody.
///
/// Text from elsewhere goes through [`Mask::apply`], a sentence of ours through [`Mask::sentence`]: our own words are no secret,
/// also where a secret is one of them.
///
/// It is for accidents. Whoever may run commands with a secret can always write it in a way that nobody foresees.
#[derive(Clone, Default)]
pub struct Mask {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Whole secrets and the lines of those that have several, each once.
    values: Vec<String>,
    /// Made when it is needed first: many masks never are.
    search: OnceLock<Search>,
}

struct Search {
    patterns: AhoCorasick,
    /// Beside each pattern.
    forms: Vec<Form>,
    /// Beside each pattern: what it is of can be no word of ours.
    no_words: Vec<bool>,
    wrapped: Wrapped,
    /// A secret holds a quote, which shells and YAML write in ways of their own.
    has_quotes: bool,
}

/// Values shorter than this are left alone: masking them would shred ordinary text and hide nothing.
const SHORTEST: usize = 4;
/// Nor these, which somebody may have set as a secret: they say nothing, and are in every log.
const TRIVIAL: [&str; 4] = ["true", "false", "null", "none"];

/// From this length on, letters and digits together are no word, unit or name that our sentences use.
const NO_WORD: usize = 7;
/// From this length on, no word is that has anything else than letters in it.
const NO_COMPOUND: usize = 16;
/// From this length on, nothing is.
const LONGER_THAN_ANY: usize = 32;

/// Whether a secret can be no part of a sentence of ours, but by quoting it.
fn is_no_word(secret: &str) -> bool {
    let has = |is: fn(char) -> bool| secret.chars().any(is);
    let is_mixed = has(|c| c.is_ascii_digit()) && has(char::is_alphabetic);
    let is_compound = secret.len() >= NO_COMPOUND && has(|c| !c.is_alphabetic());
    let is_one = !has(char::is_whitespace) && (is_compound || (secret.len() >= NO_WORD && is_mixed));
    secret.len() >= LONGER_THAN_ANY || is_one
}

/// Which secrets are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    /// Those that can be no word of ours.
    NoWords,
}

impl Mask {
    /// Of secrets that somebody declared. Values shorter than 4 bytes are left alone, and words such as `true`.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut values: Vec<String> = Vec::new();
        for secret in secrets {
            let whole = secret.expose();
            values.push(whole.trim().to_string());
            // A secret of several lines reaches line-by-line output in pieces. What all such secrets have is none.
            let lines = whole.lines().map(str::trim).filter(|line| line.chars().any(char::is_alphanumeric));
            values.extend(lines.filter(|line| !line.starts_with("-----")).map(str::to_string));
        }
        Self::of(values)
    }

    /// This mask, and what another one hides.
    pub fn and(&self, other: &Mask) -> Self {
        if other.inner.values.is_empty() {
            return self.clone();
        }
        Self::of(self.inner.values.iter().chain(&other.inner.values).cloned().collect())
    }

    /// Of pieces of text, each as it is: their lines count only where they are pieces of their own.
    pub fn of_pieces(pieces: impl IntoIterator<Item = String>) -> Self {
        Self::of(pieces.into_iter().collect())
    }

    fn of(mut values: Vec<String>) -> Self {
        values.retain(|value| value.len() >= SHORTEST && !TRIVIAL.contains(&value.to_lowercase().as_str()));
        values.sort();
        values.dedup();
        Self { inner: Arc::new(Inner { values, search: OnceLock::new() }) }
    }

    /// Text from elsewhere as it may leave: [`plain`], and with each secret replaced by `***`.
    pub fn apply(&self, text: &str) -> String {
        self.replaced(text, Which::All)
    }

    /// A sentence of ours as it may leave. Secrets are looked for in what it quotes ([`super::Quoted`]); beyond that only those
    /// that can be no word of ours, should somebody else's text have come in without a mark.
    pub fn sentence(&self, text: &str) -> String {
        let part = |part| match part {
            Part::Quoted(text) => self.replaced(text, Which::All),
            Part::Ours(text) => self.replaced(text, Which::NoWords),
        };
        parts(text).map(part).collect()
    }

    fn replaced(&self, text: &str, which: Which) -> String {
        let text = plain(text);
        if self.inner.values.is_empty() {
            return text.into_owned();
        }
        let found = self.search().find(text.as_bytes(), which);
        if found.is_empty() {
            return text.into_owned();
        }
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        for Range { start, end } in found {
            out.push_str(&text[copied..start]);
            out.push_str("***");
            copied = end;
        }
        out.push_str(&text[copied..]);
        out
    }

    /// Where a stream of bytes without a line break can be cut, so that no secret is in two pieces: at `most` bytes, or after
    /// the secret that is there. `None`: more has to come before that is known, unless `is_all`.
    pub fn cut(&self, bytes: &[u8], most: usize, is_all: bool) -> Option<usize> {
        let is_empty = self.inner.values.is_empty();
        if is_empty || bytes.len() <= most {
            let is_known = is_all || (is_empty && bytes.len() >= most);
            return is_known.then(|| on_boundary(bytes, most.min(bytes.len())));
        }
        let search = self.search();
        // What begins before the cut has ended there; written in another way it is up to three times as long.
        let reach = search.patterns.max_pattern_len().min(MOST_AHEAD) * 3;
        if bytes.len() < most + reach && !is_all {
            return None;
        }
        let ahead = &bytes[..bytes.len().min(most + reach)];
        let mut cut = on_boundary(bytes, most);
        let around = cut.saturating_sub(reach);
        for found in search.find(&ahead[around..], Which::All) {
            if found.start + around < cut && cut < found.end + around {
                cut = found.end + around;
            }
        }
        Some(cut)
    }

    fn search(&self) -> &Search {
        self.inner.search.get_or_init(|| Search::new(&self.inner.values))
    }
}

/// So many bytes of secrets are looked for in every form. A commit can call a whole file a secret, and each byte is a dozen of
/// patterns.
const MOST_ENCODED: usize = 64 << 10;
/// So many more only as they are.
const MOST_AS_IT_IS: usize = 1 << 20;

/// Further ahead than this no stream is read for the sake of a secret.
const MOST_AHEAD: usize = 4_096;

/// Not in the middle of a character.
fn on_boundary(bytes: &[u8], mut at: usize) -> usize {
    while at > 0 && at < bytes.len() && bytes[at] & 0xc0 == 0x80 {
        at -= 1;
    }
    at
}

impl Search {
    fn new(values: &[String]) -> Self {
        let mut patterns = Vec::new();
        let mut all = Vec::new();
        let mut no_words = Vec::new();
        let mut wrapped = Vec::new();
        let (mut room, mut room_as_it_is) = (MOST_ENCODED, MOST_AS_IT_IS);
        // Small ones first: a file that is a secret has many lines, and fills whatever room there is.
        let mut by_length: Vec<&String> = values.iter().collect();
        by_length.sort_by_key(|value| value.len());
        for value in by_length {
            let is_no_word = is_no_word(value);
            let of_value = match (value.len() <= room, value.len() <= room_as_it_is) {
                (true, _) => {
                    room -= value.len();
                    forms::forms(value)
                }
                (false, true) => {
                    room_as_it_is -= value.len();
                    vec![(value.as_bytes().to_vec(), Form::Whole)]
                }
                (false, false) => break,
            };
            for (text, form) in of_value {
                if form.is_base64() {
                    wrapped.push(text.clone());
                }
                patterns.push(text);
                all.push(form);
                no_words.push(is_no_word);
            }
        }
        let built = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&patterns);
        // It fails only for more than 2 GiB of patterns, and then the few that are left have to do.
        let (patterns, forms, no_words) = match built {
            Ok(built) => (built, all, no_words),
            Err(_) => {
                let few = || values.iter().take(1000);
                let built = AhoCorasick::new(few()).unwrap_or_else(|_| nothing());
                (built, few().map(|_| Form::Whole).collect(), few().map(|value| is_no_word(value)).collect())
            }
        };
        let has_quotes = values.iter().any(|v| v.contains('\''));
        Self { patterns, forms, no_words, wrapped: Wrapped::new(wrapped), has_quotes }
    }

    /// Where secrets are, in order, apart from each other.
    fn find(&self, text: &[u8], which: Which) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        self.scan(text, which, &mut |range| found.push(range));
        // No escape goes over a line's end, and most lines have none.
        let mut begins = 0;
        for line in text.split(|byte| *byte == b'\n') {
            views::each_view(line, self.has_quotes, &mut |view| {
                self.scan(view.bytes(), which, &mut |range| {
                    let Range { start, end } = view.of_source(range);
                    found.push(begins + start..begins + end);
                });
            });
            begins += line.len() + 1;
        }
        merged(found, text)
    }

    fn scan(&self, bytes: &[u8], which: Which, tell: &mut dyn FnMut(Range<usize>)) {
        // As they end in order, those that overlap follow each other: one is told for all of them.
        let mut last: Option<Range<usize>> = None;
        for found in self.patterns.find_overlapping_iter(bytes) {
            let number = found.pattern().as_usize();
            if which == Which::NoWords && !self.no_words.get(number).is_some_and(|is| *is) {
                continue;
            }
            let form = self.forms.get(number).copied().unwrap_or(Form::Whole);
            let mut range = form.widened(bytes, found.range());
            if let Some(before) = last.take() {
                match range.start <= before.end {
                    true => range = range.start.min(before.start)..range.end.max(before.end),
                    false => tell(before),
                }
            }
            last = Some(range);
        }
        if let Some(last) = last {
            tell(last);
        }
        // Nobody breaks our own words into lines of base64.
        if which == Which::All {
            self.wrapped.find(bytes, tell);
        }
    }
}

/// An automaton that finds nothing.
fn nothing() -> AhoCorasick {
    match AhoCorasick::new::<[&str; 0], &str>([]) {
        Ok(nothing) => nothing,
        Err(error) => unreachable!("no pattern is not too many: {error}"),
    }
}

/// What overlaps or touches is one, and no character is in two pieces.
fn merged(mut found: Vec<Range<usize>>, text: &[u8]) -> Vec<Range<usize>> {
    let is_within = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    found.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(found.len());
    for mut range in found {
        while range.start > 0 && is_within(range.start) {
            range.start -= 1;
        }
        while is_within(range.end) {
            range.end += 1;
        }
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mask({} values)", self.inner.values.len())
    }
}

#[cfg(test)]
mod tests;
