//! Markdown, as far as the checks need it: headings, links, blocks of code, code within a line.

use crate::{repository, text_of};
use std::collections::BTreeMap;

/// The documents outside of `docs/` that are checked, too.
pub const AT_THE_ROOT: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// One document, taken apart.
pub struct Document {
    /// From the repository's root: `docs/timing.md`.
    pub path: String,
    /// The names by which links reach its headings.
    pub anchors: Vec<String>,
    pub links: Vec<Link>,
    pub blocks: Vec<Block>,
    pub spans: Vec<Span>,
}

/// `[text](target)`, with the line on which it stands.
pub struct Link {
    pub line: usize,
    pub target: String,
}

/// A fenced block of code.
pub struct Block {
    /// The line of the fence.
    pub line: usize,
    /// The words after the fence: the language, and whether the block is marked as something else (`other`).
    pub words: Vec<String>,
    pub text: String,
}

/// Code within a line, such as `launchway status`.
pub struct Span {
    pub line: usize,
    pub text: String,
}

impl Block {
    /// Whether it is in one of these languages, and not marked as something that is not ours.
    pub fn is(&self, languages: &[&str]) -> bool {
        self.words.first().is_some_and(|word| languages.contains(&word.as_str()))
            && !self.words.contains(&"other".into())
    }
}

/// All documents that are checked: those at the root, and every page of the book.
pub fn documents() -> Vec<Document> {
    let mut paths: Vec<String> = AT_THE_ROOT.map(String::from).to_vec();
    paths.extend(pages());
    paths.into_iter().map(|path| Document::read(&path)).collect()
}

/// The pages of the book, `docs/SUMMARY.md` among them.
pub fn pages() -> Vec<String> {
    let folder = std::fs::read_dir(repository("docs")).expect("docs/ can be listed");
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<String> =
        names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")).collect();
    pages.sort();
    pages
}

impl Document {
    pub fn read(path: &str) -> Self {
        Self::of(path, &text_of(path))
    }

    pub fn of(path: &str, text: &str) -> Self {
        let mut document = Self {
            path: path.to_string(),
            anchors: Vec::new(),
            links: Vec::new(),
            blocks: Vec::new(),
            spans: Vec::new(),
        };
        let mut open: Option<Block> = None;
        let mut seen = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let fence = line.trim_start().strip_prefix("```");
            match (&mut open, fence) {
                (Some(_), Some(_)) => document.blocks.extend(open.take()),
                (Some(block), None) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, Some(info)) => {
                    let words = info.split_whitespace().map(String::from).collect();
                    open = Some(Block { line: index + 1, words, text: String::new() });
                }
                (None, None) => document.line(line, index + 1, &mut seen),
            }
        }
        assert!(open.is_none(), "{path}: a block of code is not closed");
        document
    }

    /// A line outside of blocks. `seen`: how often each name of a heading came.
    fn line(&mut self, line: &str, number: usize, seen: &mut BTreeMap<String, usize>) {
        if line.starts_with('#')
            && let Some((_, title)) = line.split_once(' ')
        {
            let name = anchor(title);
            let before = seen.entry(name.clone()).or_insert(0);
            self.anchors.push(if *before == 0 { name } else { format!("{name}-{before}") });
            *before += 1;
        }
        for (index, part) in line.split('`').enumerate() {
            if index % 2 == 1 {
                self.spans.push(Span { line: number, text: part.to_string() });
            }
        }
        // What stands in code is no link.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let mut rest = prose.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else { break };
            self.links.push(Link { line: number, target: target.to_string() });
            rest = after;
        }
    }
}

/// The name of a heading in links, as forges and mdBook make it.
pub fn anchor(title: &str) -> String {
    let kept = title.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn a_document_is_taken_apart() {
    let text = "# One: `two`\n[a](b.md#c) and `[no](link)`\n```toml other\n[x](y)\n```\n# One: two\n";
    let document = Document::of("x.md", text);
    assert_eq!(document.anchors, ["one-two", "one-two-1"]);
    assert_eq!(document.links.iter().map(|link| link.target.as_str()).collect::<Vec<_>>(), ["b.md#c"]);
    assert_eq!(document.spans[1].text, "[no](link)");
    assert!(!document.blocks[0].is(&["toml"]) && document.blocks[0].text == "[x](y)\n");
}
