//! What hides secrets in text that leaves the process.

mod forms;
mod views;
mod wrapped;

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
    wrapped: Wrapped,
    /// A secret holds a quote, which shells and YAML write in ways of their own.
    has_quotes: bool,
}

/// Values shorter than this are left alone: masking them would shred ordinary text and hide nothing.
const SHORTEST: usize = 4;
/// Nor these, which somebody may have set as a secret: they say nothing, and are in every log.
const TRIVIAL: [&str; 4] = ["true", "false", "null", "none"];

impl Mask {
    /// Values shorter than 4 bytes are left alone, and words such as `true`.
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

    /// This mask, and further secrets.
    pub fn with<'a>(&self, secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut values = Self::new(secrets).inner.values.clone();
        values.extend(self.inner.values.iter().cloned());
        Self::of(values)
    }

    fn of(mut values: Vec<String>) -> Self {
        values.retain(|value| value.len() >= SHORTEST && !TRIVIAL.contains(&value.to_lowercase().as_str()));
        values.sort();
        values.dedup();
        Self { inner: Arc::new(Inner { values, search: OnceLock::new() }) }
    }

    /// The text as it may leave: [`plain`], and with each secret replaced by `***`.
    pub fn apply(&self, text: &str) -> String {
        let text = plain(text);
        if self.inner.values.is_empty() {
            return text.into_owned();
        }
        let found = self.search().find(text.as_bytes());
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
        for found in search.find(&ahead[around..]) {
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
        let mut wrapped = Vec::new();
        for value in values {
            for (text, form) in forms::forms(value) {
                if form.is_base64() {
                    wrapped.push(text.clone());
                }
                patterns.push(text);
                all.push(form);
            }
        }
        let built = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&patterns);
        // It fails only for more than 2 GiB of patterns, and then the few that are left have to do.
        let (patterns, forms) = match built {
            Ok(built) => (built, all),
            Err(_) => {
                (AhoCorasick::new(values.iter().take(1000)).unwrap_or_else(|_| nothing()), vec![Form::Whole; 1000])
            }
        };
        Self { patterns, forms, wrapped: Wrapped::new(wrapped), has_quotes: values.iter().any(|v| v.contains('\'')) }
    }

    /// Where secrets are, in order, apart from each other.
    fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        self.scan(text, &mut |range| found.push(range));
        // No escape goes over a line's end, and most lines have none.
        let mut begins = 0;
        for line in text.split(|byte| *byte == b'\n') {
            views::each_view(line, self.has_quotes, &mut |view| {
                self.scan(view.bytes(), &mut |range| {
                    let Range { start, end } = view.of_source(range);
                    found.push(begins + start..begins + end);
                });
            });
            begins += line.len() + 1;
        }
        merged(found, text)
    }

    fn scan(&self, bytes: &[u8], tell: &mut dyn FnMut(Range<usize>)) {
        // As they end in order, those that overlap follow each other: one is told for all of them.
        let mut last: Option<Range<usize>> = None;
        for found in self.patterns.find_overlapping_iter(bytes) {
            let form = self.forms.get(found.pattern().as_usize()).copied().unwrap_or(Form::Whole);
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
        self.wrapped.find(bytes, tell);
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
