//! `.dockerignore`, with the semantics of moby's `patternmatcher` and of the walk in BuildKit's `fsutil`, so that the
//! same files reach the engine as with `docker build`
//! (https://github.com/moby/patternmatcher, https://docs.docker.com/build/concepts/context/#dockerignore-files).

use super::pattern::Pattern;
use crate::model::budgets;

/// The patterns of one ignore file, in its order.
#[derive(Debug, Clone, Default)]
pub struct Dockerignore {
    patterns: Vec<Pattern>,
}

/// Which patterns matched a folder: what lies in it is matched by them too.
#[derive(Debug, Clone, Default)]
pub struct FolderMatch {
    matched: Vec<bool>,
}

/// A line of an ignore file that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {pattern:?} is not a pattern: {why}")]
pub struct InvalidPattern {
    /// From 1.
    pub line: usize,
    pub pattern: String,
    pub why: &'static str,
}

impl Dockerignore {
    /// Reads the text of an ignore file.
    ///
    /// # Errors
    /// The first line that is no pattern.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut patterns = Vec::new();
        for (number, line) in text.lines().enumerate() {
            // A comment begins in the first column; ` #x` is a pattern.
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let line = line.trim();
            let (is_exception, rest) = match line.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line),
            };
            let invalid = |why| InvalidPattern { line: number + 1, pattern: line.to_string(), why };
            if rest.is_empty() {
                return Err(invalid("an exception needs a pattern after the '!'"));
            }
            let cleaned = clean(rest);
            if is_exception && cleaned == "/" {
                return Err(invalid("an exception cannot be for the context itself"));
            }
            let cleaned = if cleaned.len() > 1 { cleaned.strip_prefix('/').unwrap_or(&cleaned) } else { &cleaned };
            if patterns.len() as u64 >= budgets::PATTERNS.most {
                return Err(invalid("an ignore file may have 1000 patterns (the limit `patterns`)"));
            }
            if line.len() as u64 > budgets::KEY_BYTES.most {
                return Err(invalid("a pattern may have 1024 bytes (the limit `key-bytes`)"));
            }
            patterns.push(Pattern::new(cleaned, is_exception).map_err(invalid)?);
        }
        Ok(Self { patterns })
    }

    /// Whether it leaves nothing out.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether `path` (relative to the context) is ignored, given what matched the folder that holds it
    /// ([`FolderMatch::default`] in the context's root). The last pattern that matches wins; a pattern that matched the
    /// folder matches what is in it.
    pub fn is_ignored(&self, path: &str, folder: &FolderMatch) -> (bool, FolderMatch) {
        let mut ignored = false;
        let mut matched = vec![false; self.patterns.len()];
        for (index, pattern) in self.patterns.iter().enumerate() {
            let mut matches = folder.matched.get(index).copied().unwrap_or(false);
            if !matches {
                // Where the pattern could change nothing, moby does not look, and so does not remember a match for
                // what lies below. That is visible (`a/b` then `!a` keeps `a/b` out), so it is done alike.
                if pattern.is_exception != ignored {
                    continue;
                }
                matches = pattern.matches(path);
            }
            matched[index] = matches;
            if matches {
                ignored = !pattern.is_exception;
            }
        }
        (ignored, FolderMatch { matched })
    }

    /// Whether an exception could bring something back from below the ignored folder `path`.
    pub fn may_except_below(&self, path: &str) -> bool {
        self.patterns.iter().filter(|pattern| pattern.is_exception).any(|pattern| pattern.may_match_below(path))
    }
}

/// Go's `filepath.Clean`: `.` and empty parts go, `..` takes its parent with it.
fn clean(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_absolute => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (is_absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_string(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests;
