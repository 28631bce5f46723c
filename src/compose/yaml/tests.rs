use super::*;
use crate::model::plain;

fn read(text: &str) -> Result<Vec<Node>, YamlError> {
    let source = Source { file: "compose.yaml".into(), folder: RepoPath::root(), variables: Arc::default() };
    parse(text, &Arc::new(source), &Spent::default())
}

fn one(text: &str) -> Node {
    read(text).unwrap().remove(0)
}

#[test]
fn nodes_know_their_lines() {
    let node = one("a: 1\nb:\n  - x\n  - y: |\n      long\n");
    assert_eq!(node.get("a").unwrap().line, 1);
    let Value::List(items) = &node.get("b").unwrap().value else { panic!() };
    assert_eq!((items[0].line, items[1].line), (3, 4));
    assert_eq!(items[1].get("y").unwrap().text(), Some("long\n"));
}

#[test]
fn merge_keys_add_what_the_mapping_does_not_have() {
    let node = one("x: &x {a: 1, b: 2}\nz: &z {b: 3, c: 4}\ny:\n  b: own\n  <<: [*x, *z]\n");
    let y = node.get("y").unwrap();
    let text = |key: &str| y.get(key).unwrap().scalar().unwrap().text.clone();
    assert_eq!((text("a"), text("b"), text("c")), ("1".into(), "own".into(), "4".into()));
}

#[test]
fn a_key_named_twice_is_an_error_with_both_lines() {
    let YamlError { line, message } = read("a: 1\nb: 2\na: 3\n").unwrap_err();
    assert_eq!((line, plain(&message).as_ref()), (3, "key \"a\" is already defined at line 1"));
}

#[test]
fn a_billion_laughs_is_refused_without_eating_memory() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = level - 1;
        let aliases = vec![format!("*a{before}"); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(read(&text).unwrap_err().message.contains("the limit `nodes`"));
}

#[test]
fn deep_nesting_and_broken_yaml_are_errors_with_their_line() {
    assert!(read(&"- ".repeat(5_000)).unwrap_err().message.contains("the limit `depth`"));
    assert_eq!(read("a:\n  - b\n c: d\n").unwrap_err().line, 3);
    assert!(read("a: *nope\n").is_err());
    assert!(read("a: &a [*a]\n").unwrap_err().message.contains("inside what it names"));
    assert!(read("a: !vault x\n").unwrap_err().message.contains("!reset or !override"));
}

/// The parser panics at it.
#[test]
fn what_the_parser_falls_over_is_an_error_with_its_line() {
    let error = read("a: b\nc: {d: !reset, e: f}\n").unwrap_err();
    assert_eq!(error.line, 2);
    insta::assert_snapshot!(error.message, @"what follows here cannot be read as YAML, though it may be some; where a comma stands directly behind a tag, put a blank between them (`!reset ,`)");
    let node = one("a: b\nc: {d: !reset , e: f}\n");
    assert_eq!(node.get("c").unwrap().get("d").unwrap().tag, Tag::Reset);
}

#[test]
fn tags_of_compose_are_kept() {
    let node = one("a: !reset null\nb: !override [x]\nc: !!str 5\n");
    assert_eq!(node.get("a").unwrap().tag, Tag::Reset);
    assert_eq!(node.get("b").unwrap().tag, Tag::Override);
    assert_eq!(node.get("c").unwrap().text(), Some("5"));
}

#[test]
fn flow_collections_may_be_indented_in_any_way() {
    let node = one("a:\n  b: [\n    x,\n  ]\n  c: {\n  d: 1\n  }\n");
    assert!(matches!(&node.get("a").unwrap().get("b").unwrap().value, Value::List(items) if items.len() == 1));
}

#[test]
fn hostile_files_are_refused_in_no_time() {
    let megabyte = |piece: &str| piece.repeat((1 << 20) / piece.len());
    let files = [
        "[",
        "{a: ",
        "- ",
        "? ",
        "&a ",
        "!!str ",
        "*a ",
        "a: ",
        "\"",
        "'\n",
        "|\n",
        "%",
        "a",
        "\t",
        "[a,",
        "{a,",
        "x: &a [*a]\n",
        "\u{1}",
    ];
    for piece in files {
        let started = std::time::Instant::now();
        let _ = read(&megabyte(piece));
        assert!(started.elapsed().as_secs() < 10, "{piece:?} took {:?}", started.elapsed());
    }
}
