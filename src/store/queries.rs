//! Every query of the store is prepared against a store that all migrations have made: a column or a table that is not
//! there is found without running what asks for it.

use super::Store;
use sqlx::{AssertSqlSafe, Connection, Executor, SqlSafeStr, SqliteConnection};
use std::path::{Path, PathBuf};

/// The words that a statement begins with.
const STATEMENTS: [&str; 6] = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ", "REPLACE "];

/// A text between quotes in a source file.
#[derive(Debug, PartialEq)]
struct Literal {
    line: usize,
    text: String,
    /// Where the text begins and ends in the file, quotes included.
    bytes: std::ops::Range<usize>,
}

/// The texts of a source file, without those in comments. Raw texts and characters in quotes are not among the store's.
fn literals(source: &str) -> Vec<Literal> {
    let bytes = source.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at += source[at..].find('\n').unwrap_or(source.len() - at);
            }
            b'"' => {
                let start = at;
                at += 1;
                let mut text = Vec::new();
                while bytes[at] != b'"' {
                    match (bytes[at], bytes.get(at + 1)) {
                        (b'\\', Some(b'\n')) => {
                            at += 2;
                            while bytes[at].is_ascii_whitespace() {
                                at += 1;
                            }
                        }
                        (b'\\', Some(escaped)) => {
                            text.push(if *escaped == b'n' { b'\n' } else { *escaped });
                            at += 2;
                        }
                        (byte, _) => {
                            text.push(byte);
                            at += 1;
                        }
                    }
                }
                at += 1;
                let line = source[..start].matches('\n').count() + 1;
                found.push(Literal { line, text: String::from_utf8(text).unwrap(), bytes: start..at });
            }
            _ => at += 1,
        }
    }
    found
}

/// The value of the file's `columns!`, and of `const NAME: &str = "..."`.
fn named(source: &str, literals: &[Literal], before: &str) -> Option<String> {
    let at = source.find(before)? + before.len();
    literals.iter().find(|literal| literal.bytes.start >= at).map(|literal| literal.text.clone())
}

/// The statements of a source file, with the line that each begins on. A text that is put together by `concat!` counts
/// as one.
fn statements(source: &str) -> Vec<(usize, String)> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let all = literals(source);
    let columns = named(source, &all, "macro_rules! columns");
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut previous: Option<&Literal> = None;
    for literal in &all {
        let between = previous.map(|previous| &source[previous.bytes.end..literal.bytes.start]);
        let joined: Option<String> = between.map(|text| text.split_whitespace().collect());
        match (joined.as_deref(), &columns, found.last_mut()) {
            (Some(",columns!(),"), Some(columns), Some((_, statement))) => {
                statement.push_str(columns);
                statement.push_str(&literal.text);
            }
            _ if STATEMENTS.iter().any(|word| literal.text.starts_with(word)) => {
                found.push((literal.line, literal.text.clone()));
            }
            _ => {}
        }
        previous = Some(literal);
    }
    for (line, statement) in &mut found {
        while let Some(start) = statement.find('{') {
            let end = start + statement[start..].find('}').unwrap_or_else(|| panic!("line {line}: {statement}"));
            let name = &statement[start + 1..end];
            let value = match name {
                // A number.
                "PIECE" => "1".to_string(),
                // The next text after the place where the name is given.
                name => [format!("let {name} = "), format!("const {name}: &str")]
                    .iter()
                    .find_map(|before| named(source, &all, before))
                    .unwrap_or_else(|| panic!("line {line}: what is {name:?} in {statement:?}?")),
            };
            statement.replace_range(start..=end, &value);
        }
    }
    found
}

/// A query builder appends the values to a statement that names only the columns.
fn complete(statement: String) -> String {
    match (statement.starts_with("INSERT ") && statement.trim_end().ends_with(')'), statement.split_once('(')) {
        (true, Some((_, columns))) if !statement.contains("VALUES") && !statement.contains("SELECT") => {
            let values = vec!["?"; columns.split(',').count()].join(", ");
            format!("{statement} VALUES ({values})")
        }
        _ => statement,
    }
}

fn sources() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.retain(|path| !path.ends_with("queries.rs"));
    files.sort();
    files
}

#[tokio::test]
async fn every_query_can_be_prepared() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(folder.path()).await.unwrap().close().await;
    let path = folder.path().join("launchway.db");
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let (mut prepared, mut wrong) = (0, Vec::new());
    for file in sources() {
        let source = std::fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        for (line, statement) in statements(&source) {
            prepared += 1;
            let statement = complete(statement);
            if let Err(error) = (&mut connection).prepare(AssertSqlSafe(statement.clone()).into_sql_str()).await {
                wrong.push(format!("src/store/{name}:{line}: {error}\n  {statement}"));
            }
            let reads_all = ["SELECT *", ".* FROM"].iter().any(|all| statement.contains(all));
            if reads_all {
                wrong.push(format!("src/store/{name}:{line}: names no columns\n  {statement}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(prepared > 150, "only {prepared} statements were found in src/store");
}

#[test]
fn statements_are_found_in_a_source_file() {
    let source = r#"
// "SELECT comment"
macro_rules! columns { () => { "a, \
    b" }; }
const SAME: &str = "x = 1";
fn f() {
    let sql = concat!("SELECT ", columns!(), " FROM t");
    let other = "DELETE FROM t
        WHERE a = \"b\"";
    format!("UPDATE t SET a = 1 WHERE {SAME}");
    "not a statement";
}
#[cfg(test)]
mod tests { "SELECT nothing"; }
"#;
    let found = statements(source);
    let texts: Vec<(usize, &str)> = found.iter().map(|(line, text)| (*line, text.as_str())).collect();
    let expected = [
        (7, "SELECT a, b FROM t"),
        (8, "DELETE FROM t\n        WHERE a = \"b\""),
        (10, "UPDATE t SET a = 1 WHERE x = 1"),
    ];
    assert_eq!(texts, expected);
}
