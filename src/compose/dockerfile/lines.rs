//! From text to instructions: directives, comments, continued lines, heredocs.

use super::words::words;

/// How a version of BuildKit reads what others read otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    pub heredocs: bool,
    /// `\\` at the end of a line continues it, as `\` does.
    pub escaped_escape_continues: bool,
}

/// Newest first.
pub const DIALECTS: [Dialect; 3] = [
    Dialect { heredocs: true, escaped_escape_continues: false },
    Dialect { heredocs: true, escaped_escape_continues: true },
    // Docker 20.10.
    Dialect { heredocs: false, escaped_escape_continues: true },
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// In lower case.
    pub name: String,
    /// All that follows, its lines joined.
    pub rest: String,
    /// Where it begins.
    pub line: u32,
    /// The last line that was joined to it; heredocs come after that.
    pub last: u32,
}

#[rustfmt::skip]
const INSTRUCTIONS: &[&str] = &[
    "add", "arg", "cmd", "copy", "entrypoint", "env", "expose", "from", "healthcheck", "label", "maintainer", "onbuild",
    "run", "shell", "stopsignal", "user", "volume", "workdir",
];

pub fn is_instruction(name: &str) -> bool {
    INSTRUCTIONS.contains(&name)
}

/// The instructions, and the character that escapes.
///
/// # Errors
/// The line, and why BuildKit would not read it either.
pub fn instructions(text: &str, dialect: Dialect) -> Result<(Vec<Instruction>, char), (u32, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Vec::new();
    let mut escape = '\\';
    let mut directives = true;
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).zip(1_u32..).peekable();
    if let Some((first, _)) = lines.peek()
        && first.starts_with("#!")
    {
        lines.next();
    }
    while let Some((line, number)) = lines.next() {
        let line = line.trim_start();
        if directives {
            match directive(line, "#") {
                Some((name, value)) if name == "escape" => match value {
                    "`" => escape = '`',
                    "\\" => escape = '\\',
                    other => return Err((number, format!("{other:?} is no character to escape with"))),
                },
                Some((name, _)) if matches!(name.as_str(), "syntax" | "check") => {}
                _ => directives = false,
            }
        }
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let (mut joined, mut goes_on) = without_continuation(line, escape, dialect);
        let mut last = number;
        while goes_on {
            let Some((line, number)) = lines.next() else { break };
            last = number;
            if line.trim_start().starts_with('#') || line.trim_start().is_empty() {
                continue;
            }
            let (more, still) = without_continuation(line, escape, dialect);
            joined.push_str(&more);
            goes_on = still;
        }
        let joined = joined.trim_start();
        if joined.is_empty() {
            continue;
        }
        let (name, rest) = joined.split_once(is_blank).unwrap_or((joined, ""));
        let name = name.to_lowercase();
        if !is_instruction(&name) {
            return Err((number, format!("unknown instruction: {}", name.to_uppercase())));
        }
        let rest = rest.trim().to_string();
        if dialect.heredocs && takes_heredocs(&name, &rest) {
            for Heredoc { word, tabs } in heredocs(&rest).map_err(|why| (number, why))? {
                let end = |line: &str| if tabs { line.trim_start_matches('\t') == word } else { line == word };
                if !lines.by_ref().any(|(line, _)| end(line)) {
                    return Err((number, format!("nothing ends the heredoc {word}")));
                }
            }
        }
        found.push(Instruction { name, rest, line: number, last });
    }
    Ok((found, escape))
}

/// `# name = value`: name in lower case, value.
pub fn directive<'a>(line: &'a str, comment: &str) -> Option<(String, &'a str)> {
    let (name, value) = line.strip_prefix(comment)?.trim_start().split_once('=')?;
    let name = name.trim_end();
    let value = value.trim();
    let is_name =
        name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric());
    (is_name && !value.is_empty()).then(|| (name.to_lowercase(), value))
}

/// What BuildKit splits words at. A line feed cannot be in a line.
pub fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\u{b}' | '\u{c}')
}

fn without_continuation(line: &str, escape: char, dialect: Dialect) -> (String, bool) {
    let trimmed = line.trim_end_matches([' ', '\t']);
    let Some(before) = trimmed.strip_suffix(escape) else { return (line.to_string(), false) };
    if before.ends_with(escape) && !dialect.escaped_escape_continues {
        return (line.to_string(), false);
    }
    (before.to_string(), true)
}

fn takes_heredocs(name: &str, rest: &str) -> bool {
    match name {
        "add" | "copy" | "run" => true,
        "onbuild" => {
            let inner = rest.split(is_blank).next().unwrap_or_default().to_lowercase();
            matches!(inner.as_str(), "add" | "copy" | "run")
        }
        _ => false,
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Heredoc {
    word: String,
    /// `<<-`: tabs before its end do not count.
    tabs: bool,
}

/// Whoever takes a line for a heredoc that is none reads past instructions. So where quotes leave a doubt, it is refused.
fn heredocs(rest: &str) -> Result<Vec<Heredoc>, String> {
    let with_quotes: Vec<Heredoc> = words(rest, '\\').iter().filter_map(|word| heredoc(word)).collect();
    let plain: Vec<Heredoc> = rest.split(is_blank).filter_map(heredoc).collect();
    if with_quotes != plain {
        return Err("it cannot be told whether `<<` begins a heredoc here; write it without quotes around it".into());
    }
    Ok(plain)
}

/// `<<EOF`, `3<<-"EOF"`.
fn heredoc(word: &str) -> Option<Heredoc> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (tabs, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let word: String = rest.chars().filter(|c| !matches!(c, '"' | '\'' | '\\')).collect();
    Some(Heredoc { word, tabs })
}
