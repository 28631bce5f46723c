//! What a good project becomes.

use super::*;

#[test]
fn a_small_project_becomes_a_stack() {
    let compose = r#"
services:
  api:
    build: ./api
    ports: ["8080:80"]
    depends_on: [db]
    volumes: ["./api/conf:/etc/conf:ro"]
  db:
    image: "postgres:16"
    volumes: ["db:/data"]
volumes: { db: }
"#;
    let stack = read_one(compose, &[("api/Dockerfile", "FROM x"), ("api/conf/a", "1")]).unwrap();
    insta::assert_json_snapshot!(stack);
}

#[test]
fn files_that_were_read_are_listed_each_once() {
    let tree = MemoryTree::new([
        ("compose.yaml", "include: [db/compose.yaml]\nservices: {a: {image: x, env_file: [a.env, gone.env]}}\n"),
        (".env", "A=1\n"),
        ("a.env", "B=1\n"),
        ("db/compose.yaml", "services: {db: {extends: {file: ../base.yaml, service: base}}}\n"),
        ("base.yaml", "services: {base: {image: x}}\n"),
        ("unread.yaml", ""),
    ]);
    let project = shop();
    let outside_files = BTreeMap::from([("gone.env".to_string(), b"GONE=no\n".to_vec())]);
    let reading = read(&ReadRequest { outside_files, ..request(&tree, &project) }).unwrap();
    let files: Vec<String> = reading.files.iter().map(ToString::to_string).collect();
    assert_eq!(files, [".env", "a.env", "base.yaml", "compose.yaml", "db/compose.yaml"]);
    let a = &reading.stack.components["a"];
    assert_eq!(a.container.environment["GONE"], "no");
}

#[test]
fn dev_null_is_an_env_file_with_nothing_in_it() {
    let of = |env_file: &str| {
        let compose = format!(
            "include: [{{ path: db/compose.yaml, env_file: {env_file} }}]\nservices: {{ a: {{ image: x, env_file: [/dev/null], label_file: /dev/null }} }}\n"
        );
        let db = "services: { db: { image: 'db:${TAG:-none}', environment: ['OWN=${OWN:-none}'] } }\n";
        let stack = read_one(
            &compose,
            &[("db/compose.yaml", db), ("db/.env", "TAG=beside\n"), (".env", "OWN=outer\n"), ("x.env", "TAG=named\n")],
        );
        let stack = stack.unwrap();
        assert!(stack.components["a"].container.environment.is_empty());
        let db = &stack.components["db"];
        format!("{} {}", db.image.clone().unwrap(), db.container.environment["OWN"])
    };
    assert_eq!(of("/dev/null"), "db:none outer");
    assert_eq!(of("[/dev/null]"), "db:none outer");
    assert_eq!(of("[/dev/null, x.env]"), "db:named outer");
    assert_eq!(of("[]"), "db:beside outer");
}

#[test]
fn a_project_may_live_in_a_folder() {
    let tree = MemoryTree::new([
        (
            "apps/shop/docker-compose.yml",
            "services: {web: {build: ., env_file: ../common.env, volumes: [\"./c:/c:ro\"]}}\n",
        ),
        ("apps/shop/Dockerfile", "FROM x"),
        ("apps/shop/c", "c"),
        ("apps/common.env", "A=1\n"),
    ]);
    let project = shop();
    let root = RepoPath::new("apps/shop").unwrap();
    let stack = read(&ReadRequest { root, ..request(&tree, &project) }).unwrap().stack;
    let web = &stack.components["web"];
    assert_eq!(web.build.as_ref().unwrap().dockerfile.as_str(), "apps/shop/Dockerfile");
    assert_eq!(web.container.environment["A"], "1");
    assert_eq!(web.place.to_string(), "apps/shop/docker-compose.yml:1");
}

#[test]
fn variables_of_the_server_win_over_the_repositorys_env_file() {
    let tree = MemoryTree::new([
        ("compose.yaml", "services: {web: {image: \"x:$TAG-$OTHER-$LAUNCHWAY_COMMIT\"}}\n"),
        (".env", "TAG=env\nOTHER=${TAG}-other\n"),
    ]);
    let project = shop();
    let variables = BTreeMap::from([("TAG", "server"), ("LAUNCHWAY_COMMIT", "abc")].map(|(k, v)| (k.into(), v.into())));
    let stack = read(&ReadRequest { variables, ..request(&tree, &project) }).unwrap().stack;
    assert_eq!(stack.components["web"].image.as_deref(), Some("x:server-server-other-abc"));
}

#[test]
fn secrets_are_masked_in_messages() {
    let tree = MemoryTree::new([("compose.yaml", "services: {web: {image: x, ports: [\"${PORT}:80\"]}}\n")]);
    let project = shop();
    let variables = BTreeMap::from([("PORT".to_string(), "hunter2".to_string())]);
    let secret_values = vec![crate::model::Secret::new("hunter2")];
    let text = said(&ReadRequest { variables, secret_values, ..request(&tree, &project) });
    assert!(!text.contains("hunter2") && text.contains("***"), "{text}");
}

#[test]
fn a_reset_that_takes_nothing_away_leaves_room_for_a_later_file() {
    let tree = MemoryTree::new([
        ("a.yaml", "services: {web: {image: x, ports: !reset [], command: !override [a]}}\n"),
        ("b.yaml", "services: {web: {ports: [\"80:80\"]}}\n"),
    ]);
    let project = shop();
    let files = ["a.yaml", "b.yaml"].map(|file| RepoPath::new(file).unwrap()).to_vec();
    let stack = read(&ReadRequest { files, ..request(&tree, &project) }).unwrap().stack;
    let web = &stack.components["web"].container;
    assert_eq!(web.ports.len(), 1);
    assert_eq!(web.command.as_deref().unwrap(), ["a"]);
}

#[test]
fn what_the_files_bring_is_masked_in_messages_and_our_own_words_are_not() {
    let compose = "services:\n  web:\n    image: x\n    env_file: .env\n    ports: [\"${API_KEY}:80\", \"${WORD}:80\"]\n    secrets: [bank]\nsecrets: { bank: { file: ./bank.txt } }\n";
    let tree = MemoryTree::new([("compose.yaml", compose), ("bank.txt", "s3cr3t-bank\n")]);
    let project = shop();
    let outside_files = BTreeMap::from([(".env".to_string(), b"API_KEY=swordfish\n".to_vec())]);
    let variables = BTreeMap::from([("WORD".to_string(), "port".to_string())]);
    let secret_values = vec![crate::model::Secret::new("port")];
    let request = ReadRequest { outside_files, variables, secret_values, ..request(&tree, &project) };
    insta::assert_snapshot!(said(&request), @r#"
    compose.yaml:5: services.web.ports[0]: "***:80" is not a port: "***" is no port from 0 to 65535; accepted: [[address:]published:]target[/protocol], such as "8080:80" or "127.0.0.1:8080:80/tcp"
    compose.yaml:5: services.web.ports[1]: "***:80" is not a port: "***" is no port from 0 to 65535; accepted: [[address:]published:]target[/protocol], such as "8080:80" or "127.0.0.1:8080:80/tcp"
    "#);
    let ports = "    ports: [\"${API_KEY}:80\", \"${WORD}:80\"]\n";
    let used = compose.replace(ports, "    environment: { SAID: \"${WORD}\" }\n");
    let tree = MemoryTree::new([("compose.yaml", used.as_str()), ("bank.txt", "s3cr3t-bank\n")]);
    let request = ReadRequest { tree: &tree, ..request };
    let stack = read(&request).unwrap().stack;
    let values = |values: &BTreeMap<String, crate::model::Secret>| -> Vec<String> {
        values.iter().map(|(name, secret)| format!("{name}={}", secret.expose().trim())).collect()
    };
    assert_eq!(values(&stack.values.secrets), ["bank=s3cr3t-bank"]);
    assert_eq!(values(&stack.values.declared), ["WORD=port"]);
    assert_eq!(values(&stack.values.variables), ["API_KEY=swordfish"]);
    let unused = compose.replace(ports, "");
    let tree = MemoryTree::new([("compose.yaml", unused.as_str()), ("bank.txt", "s3cr3t-bank\n")]);
    let stack = read(&ReadRequest { tree: &tree, ..request }).unwrap().stack;
    assert!(stack.values.declared.is_empty(), "a release keeps no secret that nothing of it uses");
}
