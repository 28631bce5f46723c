//! Whatever stands in a Compose file, reading it ends with a stack or with an error that has a place.

use super::*;
use proptest::prelude::*;

/// Pieces of Compose files, put together any way.
fn yaml() -> impl Strategy<Value = String> {
    let key = proptest::sample::select(vec![
        "services",
        "web",
        "db",
        "image",
        "build",
        "ports",
        "volumes",
        "environment",
        "depends_on",
        "extends",
        "include",
        "<<",
        "deploy",
        "healthcheck",
        "test",
        "networks",
        "configs",
        "secrets",
        "x-launchway",
        "canary",
        "steps",
        "command",
        "file",
        "service",
        "env_file",
        "ulimits",
        "profiles",
        "target",
        "source",
        "type",
        "replicas",
        "route",
        "windows",
    ]);
    let leaf = proptest::sample::select(vec![
        "x",
        "5",
        "true",
        "null",
        "\"80:80\"",
        "./a:/b",
        "${A:-b}",
        "$$",
        "${",
        "[]",
        "{}",
        "*a",
        "&a b",
        "!reset null",
        "!override [x]",
        "2026-01-01",
        "service_healthy",
        "compose.yaml",
        "web",
        "10%",
        "1m30s",
        "a:/b",
        "|\n text\n",
        "-1",
    ]);
    let leaf = leaf.prop_map(str::to_string);
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            proptest::collection::vec((key.clone(), inner), 0..5).prop_map(|entries| {
                let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                format!("{{{}}}", entries.join(", "))
            }),
        ]
    })
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let (tree, project) = (MemoryTree::new([("compose.yaml", text), ("a", "1"), ("Dockerfile", "FROM x")]), shop());
    if let Err(problems) = read(&request(&tree, &project)) {
        prop_assert!(problems.iter().any(|problem| problem.is_error() && problem.place.is_some()), "{:?}", problems);
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_mapping_makes_it_panic(services in yaml()) {
        check(&format!("services: {services}\nvolumes: {{a: }}\n"))?;
    }
    #[test]
    fn no_service_makes_it_panic(service in yaml()) {
        check(&format!("services:\n  web: {service}\n  db: {{image: x}}\n"))?;
    }
    #[test]
    fn no_text_makes_it_panic(text in "[a-z:\\-\\[\\]{}&*!|>#'\"$ \n0-9]{0,200}") {
        check(&text)?;
    }
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut tree = MemoryTree::default();
        tree.add("compose.yaml", &bytes);
        let project = shop();
        let _ = read(&request(&tree, &project));
    }
}
