//! Every key of a Compose file has its verdict in docs/compose-keys.md.

use super::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::LazyLock;

const DOCS: &str = include_str!("../../../docs/compose-keys.md");
const SCHEMA: &str = include_str!("../../../tests/data/compose-spec/compose-spec.json");
const VERDICTS: [&str; 5] = ["free", "checked", "needs", "refused", "ignored"];

struct Row {
    verdict: &'static str,
    how: &'static str,
}

static ROWS: LazyLock<BTreeMap<&'static str, Row>> = LazyLock::new(|| {
    let row = |line: &'static str| {
        let cells: Vec<&str> =
            line.trim_matches('|').split(" |").map(str::trim).map(|c| c.trim_matches('|').trim()).collect();
        let key = cells[0].strip_prefix('`')?.strip_suffix('`')?;
        Some((key, Row { verdict: cells[1], how: cells.get(2).copied().unwrap_or_default() }))
    };
    let rows: Vec<(&str, Row)> = DOCS.lines().filter(|line| line.starts_with("| `")).filter_map(row).collect();
    let count = rows.len();
    let rows: BTreeMap<&str, Row> = rows.into_iter().collect();
    assert_eq!(rows.len(), count, "a key stands there twice");
    rows
});

/// The verdict on a key: its own, or that on all that is below one that is refused or ignored.
fn verdict(key: &str) -> Option<&'static str> {
    if let Some(row) = ROWS.get(key) {
        return Some(row.verdict);
    }
    let above = key.rsplit_once('.')?.0;
    verdict(above).filter(|verdict| ["refused", "ignored"].contains(verdict))
}

/// Every reader of a mapping says which keys it knows; each must have its verdict. Called by [`View::only`] in tests.
///
/// [`View::only`]: crate::compose::view::View::only
pub(in crate::compose) fn expect_all(path: &str, known: &[&str]) {
    if path.contains("x-launchway") {
        return;
    }
    let path = general(path);
    // A name that holds dots itself: where it ends cannot be told from the path.
    let is_plain =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-*".contains(c));
    if !path.is_empty() && !path.split('.').all(is_plain) {
        return;
    }
    for key in known.iter().filter(|key| !key.starts_with("x-")) {
        let key = if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
        assert!(
            shorter(&key).any(|key| verdict(&key).is_some()),
            "{key} is read, and has no verdict in docs/compose-keys.md"
        );
    }
}

/// The key, and what it is where the name that a `*` stands for went on behind its dots: `services.*.yaml.image` may be the
/// image of a service `compose.yaml`.
fn shorter(key: &str) -> impl Iterator<Item = String> {
    let parts: Vec<&str> = key.split('.').collect();
    let after = parts.iter().rposition(|part| *part == "*").map_or(parts.len(), |star| star + 1);
    let most = parts.len() - after;
    let cut = move |more: usize| [&parts[..after], &parts[after + more..]].concat().join(".");
    (0..=most).map(cut)
}

/// `services.web.ports[0]` is `services.*.ports`.
fn general(path: &str) -> String {
    let mut plain = String::new();
    let mut depth = 0;
    for c in path.chars() {
        depth += i32::from(c == '[');
        if depth == 0 {
            plain.push(c);
        }
        depth -= i32::from(c == ']');
    }
    let mut parts: Vec<String> = Vec::new();
    // What a name of somebody's own stands below; it may hold dots itself.
    let named =
        ["services", "networks", "volumes", "configs", "secrets", "services.*.networks", "services.*.depends_on"];
    let named = named.iter().chain(&["services.*.ulimits", "services.*.build.ulimits"]);
    let named: BTreeSet<&str> = named.copied().collect();
    for part in plain.split('.') {
        let is_named = named.contains(parts.join(".").as_str());
        parts.push(if is_named { "*".to_string() } else { part.to_string() });
    }
    parts.join(".")
}

fn keys_of_the_schema() -> BTreeSet<String> {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut keys = BTreeSet::new();
    walk(&schema, &schema, String::new(), &mut Vec::new(), &mut keys);
    keys
}

fn walk<'s>(schema: &'s Value, node: &'s Value, path: String, within: &mut Vec<&'s str>, keys: &mut BTreeSet<String>) {
    // Forms that are texts or mappings of somebody's own.
    let plain = ["list_or_dict", "string_or_list", "list_of_strings", "command"];
    if let Some(name) = node["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        if !plain.contains(&name) && !within.contains(&name) {
            within.push(name);
            walk(schema, &schema["definitions"][name], path, within, keys);
            within.pop();
        }
        return;
    }
    for form in ["oneOf", "anyOf", "allOf"].iter().filter_map(|form| node[form].as_array()).flatten() {
        walk(schema, form, path.clone(), within, keys);
    }
    if node["items"].is_object() {
        walk(schema, &node["items"], path.clone(), within, keys);
    }
    let below = |key: &str| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
    for (key, value) in node["properties"].as_object().into_iter().flatten() {
        keys.insert(below(key));
        walk(schema, value, below(key), within, keys);
    }
    for (pattern, value) in node["patternProperties"].as_object().into_iter().flatten() {
        if pattern != "^x-" {
            walk(schema, value, below("*"), within, keys);
        }
    }
}

#[test]
fn every_key_of_the_published_schema_has_a_verdict() {
    let keys = keys_of_the_schema();
    assert!(keys.len() > 300 && keys.contains("services.*.volumes.bind.propagation"), "{keys:?}");
    let without: Vec<&String> = keys.iter().filter(|key| verdict(key).is_none()).collect();
    assert!(without.is_empty(), "no verdict in docs/compose-keys.md on {without:#?}");
}

#[test]
fn a_verdict_is_one_of_a_few_words_and_says_how() {
    for (key, row) in ROWS.iter() {
        assert!(VERDICTS.contains(&row.verdict), "{key}: {}", row.verdict);
        assert!(!row.how.is_empty() || ["free", "ignored"].contains(&row.verdict), "{key} does not say how");
        let names_a_permission = row.how.contains("`allow.");
        assert!(names_a_permission || row.verdict != "needs", "{key} does not say which permission it needs");
    }
}

/// The keys of `[projects.X.allow]`, as the settings' own reader lists them where one is wrong.
fn permissions() -> BTreeSet<String> {
    let error = toml::from_str::<Permissions>("no-such-key = 1").unwrap_err().to_string();
    let (_, list) = error.split_once("expected one of").unwrap();
    list.split('`').skip(1).step_by(2).map(str::to_string).collect()
}

#[test]
fn the_permissions_that_are_named_are_those_that_there_are() {
    let named: BTreeSet<String> = DOCS
        .match_indices("`allow.")
        .map(|(at, found)| {
            let rest = &DOCS[at + found.len()..];
            rest[..rest.find('`').unwrap()].to_string()
        })
        .collect();
    let mut there = permissions();
    // Those two are no permissions: the one is the environment's, the other the settings' own.
    there.retain(|key| !["binds", "mountable"].contains(&key.as_str()));
    assert_eq!(named, there);
}

#[test]
fn a_refused_key_of_a_service_is_refused() {
    let everything = Permissions { privileged: true, engine_socket: true, ..Permissions::default() };
    let refused = ROWS.iter().filter(|(key, row)| row.verdict == "refused" && key.matches('.').count() == 2);
    let mut tried = 0;
    for (key, _) in refused.filter(|(key, _)| key.starts_with("services.*.")) {
        let name = key.rsplit('.').next().unwrap();
        let fits = ["true", "1", "[x]", "{ x: y }", "[{ x: y }]"].iter().any(|value| {
            let compose = format!("services:\n  a:\n    image: x\n    {name}: {value}\n");
            let (tree, project) = (MemoryTree::new([("compose.yaml", compose.as_str())]), shop());
            let said = said(&ReadRequest { allowed: everything.clone(), ..request(&tree, &project) });
            said.contains("not supported")
        });
        assert!(fits, "{key} is not refused");
        tried += 1;
    }
    assert!(tried > 15, "{tried}");
}
