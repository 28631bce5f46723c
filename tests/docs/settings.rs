//! Blocks of `launchway.toml`, read by the loader that the server uses, and the list of settings.

use crate::markdown::{Block, documents};
use crate::{nothing_is_wrong, text_of};
use std::path::Path;
use toml::{Table, Value};

/// What stands in a secret's place: long enough for every use of one.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn every_block_of_settings_is_read() {
    let mut wrong = Vec::new();
    for document in documents() {
        for block in document.blocks.iter().filter(|block| block.is(&["toml"])) {
            if let Err(why) = read(block) {
                wrong.push(format!("{}:{}: {why}", document.path, block.line));
            }
        }
    }
    nothing_is_wrong(&wrong);
}

#[test]
fn the_example_of_the_settings_is_read() {
    let text = text_of("launchway.example.toml");
    let block = Block { line: 1, words: vec!["toml".into()], text: text.clone() };
    read(&block).unwrap_or_else(|why| panic!("launchway.example.toml: {why}"));
    // What it shows as a comment is read as well, all of it at once.
    let shown: Vec<&str> =
        text.lines().map(|line| line.strip_prefix("# ").filter(is_setting).unwrap_or(line)).collect();
    let block = Block { line: 1, words: vec!["toml".into()], text: shown.join("\n") };
    read(&block).unwrap_or_else(|why| panic!("launchway.example.toml, with what it comments out: {why}"));
}

/// Whether a commented line is a setting rather than a sentence.
fn is_setting(line: &&str) -> bool {
    let key = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    line.starts_with('[') || line.split_once(" = ").is_some_and(|(before, _)| key(before))
}

/// Completes a part of the settings by what no settings are without, and reads it.
fn read(block: &Block) -> Result<(), String> {
    let mut table: Table = block.text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    complete(&mut table);
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut whole = Value::Table(table);
    supply(&mut whole, folder.path());
    let text = toml::to_string(&whole).map_err(|error| error.to_string())?;
    match launchway::config::parse(&text, &folder.path().join("launchway.toml")) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string().replace(&folder.path().display().to_string(), "")),
    }
}

/// A project, and of each project what it cannot do without.
fn complete(table: &mut Table) {
    let projects = table.entry("projects").or_insert_with(|| Value::Table(Table::new()));
    let Some(projects) = projects.as_table_mut() else { return };
    if projects.is_empty() {
        projects.insert("shop".into(), Value::Table(Table::new()));
    }
    for (_, project) in projects.iter_mut() {
        let Some(project) = project.as_table_mut() else { continue };
        let mut missing = |key: &str, value: Value| {
            project.entry(key).or_insert(value);
        };
        missing("forge", "github".into());
        missing("repository", "https://github.com/acme/shop.git".into());
        missing("secret", SECRET.into());
        missing("environments", Value::Table(Table::new()));
        let Some(environments) = project.get_mut("environments").and_then(Value::as_table_mut) else { continue };
        if environments.is_empty() {
            environments.insert("production".into(), Value::Table(Table::new()));
        }
        for (_, environment) in environments.iter_mut() {
            let Some(environment) = environment.as_table_mut() else { continue };
            if !environment.contains_key("tag") {
                environment.entry("branch").or_insert("main".into());
            }
        }
    }
}

/// Writes the files that values are to be read from, and puts a text in place of what a variable would give.
fn supply(value: &mut Value, folder: &Path) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| supply(item, folder)),
        Value::Table(table) => {
            let only = (table.len() == 1).then(|| table.iter().next()).flatten();
            match only.map(|(key, source)| (key.as_str(), source.as_str())) {
                // Each a content of its own: two people's codes must differ.
                Some(("file", Some(file))) => write(folder, file, &format!("{SECRET}{file}")),
                Some(("env", Some(name))) => *value = format!("{SECRET}{name}").into(),
                _ => {
                    for file in table.get("variable-files").and_then(Value::as_array).into_iter().flatten() {
                        let path = file.as_str().or_else(|| file.get("path").and_then(Value::as_str));
                        write(folder, path.unwrap_or_default(), "NAME=value\n");
                    }
                    table.iter_mut().for_each(|(_, inner)| supply(inner, folder));
                }
            }
        }
        _ => {}
    }
}

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    assert!(
        path.starts_with(folder),
        "{file}: the documents name files beside launchway.toml, so that a test can make them"
    );
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Where docs/settings.md lists the fields of each struct of `config/file.rs`; `""`: anywhere.
const SECTIONS: [(&str, &str); 9] = [
    ("File", ""),
    ("FileMetrics", "Measures and traces"),
    ("FileTelemetry", "Measures and traces"),
    ("FileRegistry", "Registries"),
    ("FileLimits", "Limits"),
    ("FileKeep", "What is kept"),
    ("FileEdge", "The edge"),
    ("FileProject", "A project"),
    ("FileEnvironment", "An environment"),
];

#[test]
fn the_list_of_settings_has_every_key() {
    let page = text_of("docs/settings.md");
    let source = text_of("src/config/file.rs");
    let structs: Vec<&str> = source.split("pub struct ").skip(1).map(|rest| rest.split(' ').next().unwrap()).collect();
    assert_eq!(structs, SECTIONS.map(|(name, _)| name), "each table of src/config/file.rs has its section");
    let mut wrong = Vec::new();
    for (name, section) in SECTIONS {
        wrong.extend(missing_in(section_of(&page, section), section, fields(&source, name)));
    }
    let mut permissions = fields(&text_of("src/model/permissions.rs"), "Permissions");
    // Filled in by the loader from `binds` and `host-paths`.
    permissions.retain(|key| !["mountable", "binds"].contains(&key.as_str()));
    wrong.extend(missing_in(section_of(&page, "A project"), "A project", permissions));
    nothing_is_wrong(&wrong);
}

/// What stands below a heading of the second level, up to the next one; all of the page for `""`.
fn section_of<'p>(page: &'p str, heading: &str) -> &'p str {
    if heading.is_empty() {
        return page;
    }
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    rest.split_once("\n## ").map_or(rest, |(section, _)| section)
}

#[test]
fn the_list_of_x_launchway_has_every_key() {
    let page = text_of("docs/compose.md") + &text_of("docs/methods.md");
    let source = text_of("src/compose/launchway.rs");
    let mut keys = Vec::new();
    for list in ["COMPONENT_KEYS: &[&str]", "STRATEGY_KEYS: &[&str]", "KEYS: [&str; 8]"] {
        let (_, rest) = source.split_once(list).unwrap_or_else(|| panic!("src/compose/launchway.rs has no {list}"));
        let (names, _) = rest.split_once(';').expect("the end of the list");
        keys.extend(names.split('"').skip(1).step_by(2).map(String::from));
    }
    nothing_is_wrong(&missing_in(&page, "docs/compose.md and docs/methods.md", keys));
}

/// The fields of a struct, as they are written in TOML.
fn fields(source: &str, name: &str) -> Vec<String> {
    let (_, rest) = source.split_once(&format!("pub struct {name} {{")).unwrap_or_else(|| panic!("no struct {name}"));
    let (body, _) = rest.split_once("\n}").expect("the struct's end");
    let lines = body.lines().filter_map(|line| line.trim().strip_prefix("pub "));
    let found: Vec<String> = lines.filter_map(|line| Some(line.split_once(": ")?.0.replace('_', "-"))).collect();
    assert!(!found.is_empty(), "{name} has no fields");
    found
}

fn missing_in(text: &str, place: &str, keys: Vec<String>) -> Vec<String> {
    let forms = |key: &String| [format!("`{key}`"), format!(".{key}`"), format!("`[{key}]`"), format!("`[{key}.")];
    let is_there = |key: &String| forms(key).iter().any(|form| text.contains(form));
    keys.iter().filter(|key| !is_there(key)).map(|key| format!("{place}: `{key}` is not listed")).collect()
}
