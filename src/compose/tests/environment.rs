//! What a service's containers have for an environment, and files that are made of values.

use super::*;
use crate::model::MountSource;

/// The environment of service `a`, as `NAME=value`, or `-NAME` where it is unset.
fn environment(compose: &str, others: &[(&str, &str)]) -> Vec<String> {
    let stack = read_one(compose, others).unwrap();
    let container = &stack.components["a"].container;
    let set = container.environment.iter().map(|(name, value)| format!("{name}={value}"));
    set.chain(container.unset_environment.iter().map(|name| format!("-{name}"))).collect()
}

#[test]
fn a_name_without_a_value_is_unset_over_env_files_and_the_image() {
    let files = [("a.env", "FOO=file\nBAR=file\n"), (".env", "BAR=dotenv\n")];
    let of = |written: &str| {
        let compose = format!("services: {{ a: {{ image: x, env_file: a.env, environment: {written} }} }}\n");
        environment(&compose, &files)
    };
    assert_eq!(of("[FOO, BAR]"), ["BAR=dotenv", "-FOO"]);
    assert_eq!(of("{ FOO: , BAR: }"), ["BAR=dotenv", "-FOO"]);
    assert_eq!(of("[FOO=, BAR]"), ["BAR=dotenv", "FOO="]);
    assert_eq!(of("[]"), ["BAR=file", "FOO=file"]);
    let extended = ("b.yaml", "services: { b: { image: x, environment: [FOO=1, B=2] } }\n");
    let merged =
        environment("services: { a: { extends: { file: b.yaml, service: b }, environment: [FOO] } }\n", &[extended]);
    assert_eq!(merged, ["B=2", "-FOO"]);
}

#[test]
fn later_env_files_see_earlier_ones() {
    let compose = "services: { a: { image: x, env_file: [one.env, two.env], environment: { OWN: own } } }\n";
    let files = [
        ("one.env", "HOST=db\nPORT=1\nOWN=one\n"),
        ("two.env", "PORT=2\nURL=http://${HOST}:${PORT}/${OWN}/${OUTER}\n"),
        (".env", "OUTER=outer\n"),
    ];
    assert_eq!(environment(compose, &files), ["HOST=db", "OWN=own", "PORT=2", "URL=http://db:2/own/outer"]);
}

/// Of `include.env_file`, Compose looks a variable up in earlier files before the file itself.
#[test]
fn later_env_files_of_an_include_see_earlier_ones() {
    let compose = "include: [{ path: b/compose.yaml, env_file: [one.env, two.env] }]\n";
    let files = [
        (
            "b/compose.yaml",
            "services: { a: { image: x, environment: { URL: '${URL}', PORT: '${PORT}', OWN: '${OWN}' } } }\n",
        ),
        ("one.env", "HOST=db\nPORT=1\nOWN=one\n"),
        ("two.env", "PORT=2\nOWN=two\nURL=http://${HOST}:${PORT}/${OWN}\n"),
        (".env", "OWN=outer\n"),
    ];
    assert_eq!(environment(compose, &files), ["OWN=outer", "PORT=2", "URL=http://db:1/outer"]);
}

#[test]
fn later_label_files_see_earlier_ones() {
    let compose = "services: { a: { image: x, label_file: [one.labels, two.labels] } }\n";
    let files = [("one.labels", "host=db\n"), ("two.labels", "url=http://${host}\n")];
    let stack = read_one(compose, &files).unwrap();
    assert_eq!(stack.components["a"].container.labels["url"], "http://db");
}

fn error(service: &str, more: &str) -> String {
    let compose = format!("services: {{ a: {{ image: x, {service} }} }}\n{more}");
    read_one(&compose, &[("s", "s")]).map(|_| "fine".to_string()).unwrap_or_else(|error| error)
}

#[test]
fn modes_are_octal_as_text_for_secrets_and_configs_and_no_text_for_a_tmpfs() {
    let secret = "secrets: { s: { file: ./s } }\n";
    let of = |mode: &str| error(&format!("secrets: [{{ source: s, mode: {mode} }}]"), secret);
    for fine in ["0440", "\"0440\"", "\"440\"", "0o440"] {
        assert_eq!(of(fine), "fine", "{fine}");
    }
    for wrong in ["\"0o440\"", "\"+440\"", "\"0480\"", "\"\"", "\"rw\""] {
        assert!(of(wrong).contains("are no permission bits"), "{wrong}: {}", of(wrong));
    }
    let tmpfs = |mode: &str| error(&format!("volumes: [{{ type: tmpfs, target: /t, tmpfs: {{ mode: {mode} }} }}]"), "");
    for fine in ["0700", "0o1777", "448"] {
        assert_eq!(tmpfs(fine), "fine", "{fine}");
    }
    for wrong in ["\"0700\"", "\"448\"", "'${MODE:-0700}'"] {
        assert!(tmpfs(wrong).contains("which Compose refuses here"), "{wrong}: {}", tmpfs(wrong));
    }
    let build = "build: { dockerfile_inline: FROM x, secrets: [{ source: s, mode: \"0o4\" }] }";
    assert!(error(build, secret).contains("are no permission bits"), "{}", error(build, secret));
}

/// Compose 2.40 writes the bytes of the variable into the container, and nothing after them.
#[test]
fn a_secret_of_one_line_has_no_line_break_and_a_file_of_several_keeps_its_last() {
    let compose = "services: { a: { image: x, environment: { KEY: '${KEY}' }, secrets: [key, token, own], configs: [token] } }\n\
                   configs: { token: { environment: TOKEN } }\n\
                   secrets: { key: { environment: KEY }, token: { environment: TOKEN }, own: { environment: OWN } }\n";
    let (tree, project) = (MemoryTree::new([("compose.yaml", compose), (".env", "OWN=\"o\nwn\"\n")]), shop());
    let variables = [("KEY".to_string(), "a\nb".to_string()), ("TOKEN".to_string(), "one".to_string())].into();
    let line_ends = ["KEY", "TOKEN", "OWN"].map(|name| (name.to_string(), "\n".to_string())).into();
    let stack = read(&ReadRequest { variables, line_ends, ..request(&tree, &project) }).unwrap().stack;
    let container = &stack.components["a"].container;
    assert_eq!(container.environment["KEY"], "a\nb");
    let texts = container.mounts.iter().map(|mount| match &mount.source {
        MountSource::Text { text, .. } => format!("{}: {:?}", mount.target, text.expose()),
        other => panic!("{other:?}"),
    });
    let mut texts: Vec<String> = texts.collect();
    texts.sort();
    // What the repository's own .env sets comes from no file of the settings.
    insta::assert_snapshot!(texts.join("\n"), @r#"
    /run/secrets/key: "a\nb\n"
    /run/secrets/own: "o\nwn"
    /run/secrets/token: "one"
    /token: "one"
    "#);
}
