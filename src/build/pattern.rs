//! One pattern of a `.dockerignore`: Go's `filepath.Match`, and `**` for any number of folders.

#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub(super) is_exception: bool,
    text: String,
    form: Form,
}

/// moby's matcher takes shortcuts for patterns that begin or end in `**`, with consequences that can be seen: `**a`
/// matches `xa`, while `**a*` does not match `xab`.
#[derive(Debug, Clone)]
enum Form {
    Exact,
    /// `text**`
    Prefix(String),
    /// `**text`
    Suffix(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Clone)]
enum Part {
    Char(char),
    /// `?`
    Any,
    /// `*`
    Star,
    /// `**/`, or `**` before something: nothing, or anything that ends in a slash.
    Folders,
    /// `**` at the end: anything.
    Rest,
    /// `[a-z]`, `[^a-z]`. Unlike `?` and `*`, it may match a slash.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// `text` is cleaned, without `!`.
    pub(super) fn new(text: &str, is_exception: bool) -> Result<Self, &'static str> {
        let mut parts = Vec::new();
        let mut form = Form::Exact;
        let mut chars = text.chars().peekable();
        let mut is_first = true;
        while let Some(c) = chars.next() {
            match c {
                '*' if chars.peek() == Some(&'*') => {
                    chars.next();
                    if chars.peek() == Some(&'/') {
                        chars.next();
                    }
                    if chars.peek().is_none() {
                        parts.push(Part::Rest);
                        form = match form {
                            Form::Exact => Form::Prefix(text[..text.len() - 2].to_string()),
                            _ => Form::Parts(Vec::new()),
                        };
                    } else {
                        parts.push(Part::Folders);
                        form = Form::Parts(Vec::new());
                    }
                    if is_first {
                        form = Form::Suffix(text[2..].to_string());
                    }
                }
                '*' => {
                    parts.push(Part::Star);
                    form = Form::Parts(Vec::new());
                }
                '?' => {
                    parts.push(Part::Any);
                    form = Form::Parts(Vec::new());
                }
                '[' => {
                    parts.push(class(&mut chars)?);
                    form = Form::Parts(Vec::new());
                }
                '\\' => {
                    parts.push(Part::Char(chars.next().ok_or("it ends in a backslash")?));
                    form = Form::Parts(Vec::new());
                }
                ']' => {
                    parts.push(Part::Char(']'));
                    form = Form::Parts(Vec::new());
                }
                c => parts.push(Part::Char(c)),
            }
            is_first = false;
        }
        if matches!(form, Form::Parts(_)) {
            form = Form::Parts(parts);
        }
        Ok(Self { is_exception, text: text.to_string(), form })
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        match &self.form {
            Form::Exact => path == self.text,
            Form::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Form::Suffix(suffix) => path.ends_with(suffix.as_str()) || suffix.strip_prefix('/') == Some(path),
            Form::Parts(parts) => {
                let path: Vec<char> = path.chars().collect();
                // Positions in the path that the parts so far can end at; so no pattern takes exponential time.
                let mut ends = vec![false; path.len() + 1];
                ends[0] = true;
                for part in parts {
                    ends = part.step(&path, &ends);
                }
                ends[path.len()]
            }
        }
    }

    /// Whether it could match something below the folder `path`; in doubt, yes.
    pub(super) fn may_match_below(&self, path: &str) -> bool {
        let plain = self.text.split(['*', '?', '[', '\\']).next().unwrap_or_default();
        if plain.len() < self.text.len() {
            // Up to the last whole folder before the first special character.
            let plain = plain.rsplit_once('/').map(|(folders, _)| folders).unwrap_or_default();
            return plain.is_empty() || is_below(plain, path) || is_below(path, plain) || plain == path;
        }
        is_below(plain, path)
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

impl Part {
    fn step(&self, path: &[char], from: &[bool]) -> Vec<bool> {
        let mut to = vec![false; from.len()];
        for start in (0..from.len()).filter(|start| from[*start]) {
            let next = path.get(start).copied();
            match self {
                Part::Char(c) if next == Some(*c) => to[start + 1] = true,
                Part::Any if next.is_some_and(|c| c != '/') => to[start + 1] = true,
                Part::Class { negated, ranges } => {
                    if next.is_some_and(|c| ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated) {
                        to[start + 1] = true;
                    }
                }
                Part::Star => {
                    to[start] = true;
                    let run = path[start..].iter().take_while(|c| **c != '/').count();
                    to[start..=start + run].fill(true);
                }
                Part::Folders => {
                    to[start] = true;
                    for (offset, _) in path[start..].iter().enumerate().filter(|(_, c)| **c == '/') {
                        to[start + offset + 1] = true;
                    }
                }
                Part::Rest => to[start..].fill(true),
                Part::Char(_) | Part::Any => {}
            }
        }
        to
    }
}

/// The rest of a class after its `[`, by the rules of Go's `filepath.Match`.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Part, &'static str> {
    const OPEN: &str = "a '[' is not closed";
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    let one = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| match chars.next() {
        Some('\\') => chars.next().ok_or(OPEN),
        Some('-' | ']') => Err("'-' and ']' in brackets must be escaped by a backslash"),
        Some(c) => Ok(c),
        None => Err(OPEN),
    };
    loop {
        if chars.peek() == Some(&']') && !ranges.is_empty() {
            chars.next();
            return Ok(Part::Class { negated, ranges });
        }
        let low = one(chars)?;
        let high = if chars.next_if_eq(&'-').is_some() { one(chars)? } else { low };
        ranges.push((low, high));
    }
}
