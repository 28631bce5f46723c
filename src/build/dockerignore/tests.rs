use super::*;

/// Of these files, those that the ignore file leaves.
fn left<'a>(ignore: &str, files: &[&'a str]) -> Vec<&'a str> {
    let ignore = Dockerignore::parse(ignore).unwrap();
    let is_left = |file: &&str| {
        let mut matched = FolderMatch::default();
        let mut ignored = false;
        for (end, _) in file.match_indices('/').chain([(file.len(), "")]) {
            (ignored, matched) = ignore.is_ignored(&file[..end], &matched);
        }
        !ignored
    };
    files.iter().copied().filter(is_left).collect()
}

const FILES: [&str; 8] = [
    "README.md",
    "a.txt",
    "docs/README.md",
    "docs/guide/a.txt",
    "src/main.go",
    "src/a.b",
    "src/deep/er/x",
    ".git/config",
];

#[test]
fn a_pattern_ignores_what_it_names_and_what_lies_below() {
    assert_eq!(left("docs\n.git\n", &FILES), ["README.md", "a.txt", "src/main.go", "src/a.b", "src/deep/er/x"]);
    assert_eq!(left("/docs/\n./.git\nsrc/../a.txt", &FILES).len(), 4);
    assert_eq!(left("README.md", &FILES).len(), 7, "only in the root");
    assert_eq!(left("*/README.md", &FILES).len(), 7);
    assert_eq!(left("**/README.md", &FILES).len(), 6);
    assert_eq!(left("*", &FILES), [""; 0]);
    assert_eq!(left("**", &FILES), [""; 0]);
}

#[test]
fn the_last_pattern_that_matches_wins() {
    assert_eq!(left("*\n!src\n", &FILES), ["src/main.go", "src/a.b", "src/deep/er/x"]);
    assert_eq!(left("*\n!src\nsrc/deep", &FILES), ["src/main.go", "src/a.b"]);
    assert_eq!(left("**/*.md\n!README.md", &FILES).len(), 7);
    assert_eq!(left("!README.md\n*.md", &FILES).len(), 7, "the exception came too early");
    assert_eq!(left("docs\n!docs/guide/a.txt", &FILES).len(), 7);
}

#[test]
fn comments_blank_lines_and_marks_are_no_patterns() {
    assert_eq!(left("\u{feff}# a comment\n\n  \n*.txt  \r\n", &FILES).len(), 7);
    assert_eq!(left("#.txt\n #x", &["#.txt", "#x"]), ["#.txt"]);
    assert!(Dockerignore::parse("# nothing\n").unwrap().is_empty());
}

#[test]
fn special_characters_are_those_of_filepath_match() {
    assert_eq!(left("?.txt", &["a.txt", "ab.txt", "/.txt"]), ["ab.txt", "/.txt"]);
    assert_eq!(left("[a-c].txt", &["a.txt", "d.txt"]), ["d.txt"]);
    assert_eq!(left("[^a-c].txt", &["a.txt", "d.txt"]), ["a.txt"]);
    assert_eq!(left("\\*.txt", &["a.txt", "*.txt"]), ["a.txt"]);
    assert_eq!(left("a.b", &["axb", "a.b"]), ["axb"]);
    assert_eq!(left("**/*.go\nü?", &["x/main.go", "üß", "main.go.txt"]), ["main.go.txt"]);
    assert_eq!(left("a/**/z", &["a/z", "a/b/z", "a/b/c/z", "az", "b/a/z"]), ["az", "b/a/z"]);
    assert_eq!(left("a/**", &["a/x", "b"]), ["b"]);
}

#[test]
fn what_is_no_pattern_is_named_with_its_line() {
    let error = |text| Dockerignore::parse(text).unwrap_err().to_string();
    insta::assert_snapshot!(error("ok\n!\n"), @r#"line 2: "!" is not a pattern: an exception needs a pattern after the '!'"#);
    insta::assert_snapshot!(error("a[b"), @r#"line 1: "a[b" is not a pattern: a '[' is not closed"#);
    insta::assert_snapshot!(error("a\\"), @r#"line 1: "a\\" is not a pattern: it ends in a backslash"#);
    assert!(Dockerignore::parse("[]a]").is_err());
}

#[test]
fn a_long_pattern_of_stars_takes_no_time() {
    let before = std::time::Instant::now();
    let pattern = Dockerignore::parse(&"**/*a*".repeat(40)).unwrap();
    let (ignored, _) = pattern.is_ignored(&"b/".repeat(500), &FolderMatch::default());
    assert!(!ignored);
    assert!(before.elapsed() < std::time::Duration::from_secs(20));
}
