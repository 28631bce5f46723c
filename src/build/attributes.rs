//! `.gitattributes`: which files a checkout by git would write otherwise than they are stored. Builds and mounts get files as
//! git stores them, so that is said where it matters. `export-ignore` concerns `git archive` alone, and no checkout.

use super::BuildError;
use crate::model::{EntryKind, RepoPath, Tree, budgets};
use globset::{GlobBuilder, GlobMatcher};
use std::collections::BTreeMap;

/// A file that a checkout would write otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotApplied {
    /// The `.gitattributes` and its line.
    pub attributes: RepoPath,
    pub line: u32,
    /// As it is written, such as `eol=crlf`.
    pub attribute: String,
    pub file: RepoPath,
}

const NAME: &str = ".gitattributes";
/// Larger files are hardly what `$Id$` is written in.
const MOST_WITH_IDENT: u64 = 1 << 20;

/// The attributes that change what a checkout writes.
const TELLING: [&str; 5] = ["text", "eol", "working-tree-encoding", "ident", "filter"];

struct Rule {
    file: RepoPath,
    line: u32,
    matcher: GlobMatcher,
    /// Name and state: a value, `set`, `unset` or nothing where it is unspecified again.
    states: Vec<(String, Option<String>)>,
}

/// The rules that hold for files, by the folder of their `.gitattributes`.
pub struct Attributes<'t> {
    tree: &'t dyn Tree,
    rules: BTreeMap<RepoPath, Vec<Rule>>,
}

impl<'t> Attributes<'t> {
    /// Reads them of this tree, as far as they are asked for.
    pub fn new(tree: &'t dyn Tree) -> Self {
        Self { tree, rules: BTreeMap::new() }
    }

    /// Whether the rules of a folder and those above it can make any file another. What only deeper folders say is not looked for:
    /// that would be a walk through everything, for nearly nobody.
    pub fn may_tell(&mut self, folder: &RepoPath) -> Result<bool, BuildError> {
        let mut folder = folder.clone();
        loop {
            self.read(&folder)?;
            let mut states = self.rules.get(&folder).into_iter().flatten().flat_map(|rule| &rule.states);
            let tells = |(name, state): &(String, Option<String>)| match (name.as_str(), state.as_deref()) {
                ("eol", state) => state == Some("crlf"),
                ("filter", state) => state != Some("lfs"),
                (name, _) => name != "text",
            };
            if states.any(tells) {
                return Ok(true);
            }
            if folder.is_root() {
                return Ok(false);
            }
            folder = folder.parent();
        }
    }

    fn read(&mut self, folder: &RepoPath) -> Result<(), BuildError> {
        if !self.rules.contains_key(folder) {
            let rules = rules(self.tree, folder)?;
            self.rules.insert(folder.clone(), rules);
        }
        Ok(())
    }

    /// What a checkout would do to a file, by the last rule of the innermost folder.
    pub fn not_applied(&mut self, file: &RepoPath) -> Result<Option<NotApplied>, BuildError> {
        let mut folders = vec![file.parent()];
        while let Some(last) = folders.last().filter(|last| !last.is_root()) {
            folders.push(last.parent());
        }
        let mut states: BTreeMap<&str, (&RepoPath, u32, Option<&str>)> = BTreeMap::new();
        for folder in &folders {
            self.read(folder)?;
        }
        for folder in folders.iter().rev() {
            let below = file.relative_to(folder).unwrap_or(file.as_str());
            for rule in self.rules.get(folder).into_iter().flatten().filter(|rule| rule.matcher.is_match(below)) {
                for (name, state) in &rule.states {
                    states.insert(name, (&rule.file, rule.line, state.as_deref()));
                }
            }
        }
        self.telling(file, &states)
    }

    fn telling(
        &self,
        file: &RepoPath,
        states: &BTreeMap<&str, (&RepoPath, u32, Option<&str>)>,
    ) -> Result<Option<NotApplied>, BuildError> {
        let state = |name: &str| states.get(name).and_then(|(_, _, state)| *state);
        let found = |name: &str, attribute: String| {
            states.get(name).map(|(attributes, line, _)| NotApplied {
                attributes: (*attributes).clone(),
                line: *line,
                attribute,
                file: file.clone(),
            })
        };
        let is_binary = state("text") == Some("unset");
        if state("eol") == Some("crlf") && !is_binary {
            return Ok(found("eol", "eol=crlf".into()));
        }
        if let Some(encoding) = state("working-tree-encoding").filter(|state| !["set", "unset"].contains(state))
            && !encoding.eq_ignore_ascii_case("utf-8")
        {
            return Ok(found("working-tree-encoding", format!("working-tree-encoding={encoding}")));
        }
        // A pointer of Git LFS has an error of its own.
        if let Some(filter) = state("filter").filter(|state| !["set", "unset", "lfs"].contains(state)) {
            return Ok(found("filter", format!("filter={filter}")));
        }
        if state("ident") == Some("set") && self.has_ident(file)? {
            return Ok(found("ident", "ident".into()));
        }
        Ok(None)
    }

    fn has_ident(&self, file: &RepoPath) -> Result<bool, BuildError> {
        if self.tree.size(file)? > MOST_WITH_IDENT {
            return Ok(false);
        }
        let content = self.tree.read(file)?;
        Ok([&b"$Id$"[..], b"$Id:"].iter().any(|mark| content.windows(4).any(|window| window == *mark)))
    }
}

fn rules(tree: &dyn Tree, folder: &RepoPath) -> Result<Vec<Rule>, BuildError> {
    let Some(path) = folder.child(NAME) else { return Ok(Vec::new()) };
    // git follows no link here, either.
    if !tree.entry(&path)?.is_some_and(|entry| matches!(entry.kind, EntryKind::File | EntryKind::Executable)) {
        return Ok(Vec::new());
    }
    let text = String::from_utf8_lossy(&tree.read_small(&path, &budgets::FILE_BYTES)?).into_owned();
    let lines = text.lines().enumerate().filter_map(|(index, line)| rule(&path, index as u32 + 1, line));
    Ok(lines.collect())
}

fn rule(file: &RepoPath, number: u32, line: &str) -> Option<Rule> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') || line.starts_with('[') || line.starts_with('!') {
        return None;
    }
    let (pattern, attributes) = match line.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        Some((pattern, rest)) => (pattern, rest),
        None => line.split_once(char::is_whitespace)?,
    };
    let states: Vec<(String, Option<String>)> = attributes.split_whitespace().flat_map(states).collect();
    let states: Vec<_> = states.into_iter().filter(|(name, _)| TELLING.contains(&name.as_str())).collect();
    if states.is_empty() {
        return None;
    }
    Some(Rule { file: file.clone(), line: number, matcher: matcher(pattern)?, states })
}

/// A pattern with a slash is seen from its folder, one without is a name at any depth. A folder alone means nothing here.
fn matcher(pattern: &str) -> Option<GlobMatcher> {
    let glob = match pattern.strip_prefix('/') {
        Some(rooted) => rooted.to_string(),
        None if pattern.contains('/') => pattern.to_string(),
        None => format!("**/{pattern}"),
    };
    let glob = GlobBuilder::new(&glob).literal_separator(true).backslash_escape(true).build().ok()?;
    Some(glob.compile_matcher())
}

fn states(word: &str) -> Vec<(String, Option<String>)> {
    let state = |name: &str, state: &str| (name.to_string(), Some(state.to_string()));
    match word.split_at_checked(1) {
        _ if word == "binary" => vec![state("text", "unset")],
        Some(("-", name)) => vec![state(name, "unset")],
        Some(("!", name)) => vec![(name.to_string(), None)],
        _ => match word.split_once('=') {
            Some((name, value)) => vec![state(name, value)],
            None => vec![state(word, "set")],
        },
    }
}
