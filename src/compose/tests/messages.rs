//! What people read when a file is wrong: file, line, key, what would be accepted.

use super::*;
use insta::assert_snapshot;

#[test]
fn a_misspelt_key_is_named_with_the_one_that_was_meant() {
    let compose = "services:\n  web:\n    image: nginx\n    enviroment:\n      A: 1\nservcies: {}\n";
    assert_snapshot!(messages(compose, &[]), @r#"
    compose.yaml:4: services.web.enviroment: "enviroment" is not a key here; did you mean "environment"?
    compose.yaml:6: servcies: "servcies" is not a key here; did you mean "services"?
    "#);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let compose = r#"
services:
  web:
    image: 5
    ports: ["80:x", { published: 80 }]
    restart: sometimes
    depends_on: { db: { condition: healthy }, cahce: { condition: service_started } }
    stop_grace_period: 5
    healthcheck: { test: [curl, localhost], interval: soon }
    init: maybe
    mem_limit: lots
    deploy: { replicas: -1, resources: { limits: { cpu: 1 } } }
    volumes: ["data:/data", "x", "/a:/b:ro:rw", { type: volume }]
    networks: [back]
    secrets: [token]
    ulimits: { nofile: { soft: 1 } }
    container_name: "-x"
  cache: { command: ["x"] }
  db: { image: db, extra_hosts: [nowhere], entrypoint: "a 'b" }
  "bad name": { image: x }
"#;
    assert_snapshot!(messages(compose, &[]), @r#"
    compose.yaml:4: services.web.image: must be a text (put it in quotes), not "5"
    compose.yaml:5: services.web.ports[0]: "80:x" is not a port: "x" is no port from 0 to 65535; accepted: [[address:]published:]target[/protocol], such as "8080:80" or "127.0.0.1:8080:80/tcp"
    compose.yaml:5: services.web.ports[1]: needs `target:`, the port in the container
    compose.yaml:6: services.web.restart: "sometimes" is not one of "no", always, unless-stopped, on-failure, on-failure:N
    compose.yaml:7: services.web.depends_on.db.condition: "healthy" is not one of service_started, service_healthy, service_completed_successfully
    compose.yaml:7: services.web.depends_on.cahce: there is no service "cahce"; did you mean "cache"?
    compose.yaml:8: services.web.stop_grace_period: must be a duration with its unit, such as 30s, 1m30s or 2h, not "5"
    compose.yaml:9: services.web.healthcheck.test: must begin with "CMD", "CMD-SHELL" or "NONE", not "curl"
    compose.yaml:10: services.web.init: must be true or false, not "maybe"
    compose.yaml:11: services.web.mem_limit: must be a size, such as 256M, 1g or 1024, not "lots"
    compose.yaml:12: services.web.deploy.resources.limits.cpu: "cpu" is not a key here; did you mean "cpus"?
    compose.yaml:12: services.web.deploy.replicas: must be a whole number from 0 on, not "-1"
    compose.yaml:13: services.web.volumes[2]: "/a:/b:ro:rw" is not a mount: it has too many colons; accepted: [source:]target[:options], such as "data:/var/lib/data" or "./nginx.conf:/etc/nginx/nginx.conf:ro"
    compose.yaml:13: services.web.volumes[0].source: there is no volume "data"; declare it under top-level `volumes` (a folder of the repository is written "./data")
    compose.yaml:13: services.web.volumes[1].target: "x" is not an absolute path in the container
    compose.yaml:13: services.web.volumes[3]: needs `target:`, the path in the container
    compose.yaml:14: services.web.networks.back: there is no network "back"; declare it under top-level `networks`
    compose.yaml:15: services.web.secrets[0].source: there is no secret "token"; declare it under top-level `secrets`
    compose.yaml:16: services.web.ulimits.nofile: needs `hard:` too
    compose.yaml:17: services.web.container_name: "-x" is not a container name: letters, digits, '_', '.' and '-', starting with a letter or digit
    compose.yaml:18: services.cache: has neither `image:` nor `build:`; one of them says what to run
    compose.yaml:19: services.db.entrypoint: cannot be split into words: a quote is not closed; a list of words needs no quoting
    compose.yaml:19: services.db.extra_hosts[0]: "nowhere" is not a host with its address, such as "db=10.0.0.5"
    compose.yaml:20: services.bad name: "bad name" is not a component name: letters, digits, '-', '_' and '.' (the Compose Specification's service names)
    "#);
}

#[test]
fn broken_yaml_names_its_line() {
    assert_snapshot!(messages("services:\n  web:\n    image: x\n   ports: []\n", &[]), @"compose.yaml:4: this is no YAML: while parsing a block mapping, did not find expected key (column 4)");
    assert_snapshot!(messages("services: {a: {image: x}, a: {image: y}}", &[]), @r#"compose.yaml:1: key "a" is already defined at line 1"#);
    assert_snapshot!(messages("- services", &[]), @"compose.yaml:1: a Compose file is a mapping with `services:`, not a list");
    assert_snapshot!(messages("# nothing", &[]), @"compose.yaml:1: a Compose file needs `services:` with at least one service");
    assert_snapshot!(messages("services: [web]", &[]), @"compose.yaml:1: services: must be a mapping, not a list");
    assert_snapshot!(messages("services: {web: nginx}", &[]), @r#"compose.yaml:1: services.web: must be a mapping, not "nginx""#);
    assert_snapshot!(messages("services: {}", &[]), @"compose.yaml:1: services: there is no service here");
    assert_snapshot!(messages("services:\n  web: !secret x\n", &[]), @"compose.yaml:2: !secret is not a tag of Compose files: !reset or !override");
}

#[test]
fn variables_that_are_missing_or_wrong() {
    let compose = "services:\n  web:\n    image: nginx:$TAG\n    command: [\"${A:?set A first}\", \"${B\"]\n";
    assert_snapshot!(messages(compose, &[]), @r#"
    warning: compose.yaml:3: services.web.image: variable TAG has no value and becomes empty; set it in .env or in the environment's `variables` in launchway.toml, or write ${TAG:-default}
    compose.yaml:4: services.web.command[0]: variable A has no value: set A first
    compose.yaml:4: services.web.command[1]: "${B" is not a variable: write ${NAME}, ${NAME:-default} or ${NAME:?why}, and $$ for a plain $
    "#);
    let fine = "services: {web: {image: \"x:${A:-1}$$\"}}\n";
    assert_snapshot!(messages(fine, &[]), @"");
    assert_snapshot!(messages(fine, &[(".env", "A=1\nB C=2\n")]), @".env:2: a variable name cannot hold a space; write NAME=value");
}

#[test]
fn an_env_file_that_git_ignores_is_explained() {
    let compose = "services:\n  api:\n    image: x\n    env_file:\n      - api/.env\n      - path: other.env\n        required: false\n";
    assert_snapshot!(messages(compose, &[]), @r#"
    compose.yaml:5: services.api.env_file[0].path: there is no file api/.env in the commit (is it ignored by git?); give it to the environment in launchway.toml:
        files = { "api/.env" = "/path/on/the/server" }
    or write `required: false`
    "#);
}

#[test]
fn a_circle_names_its_members() {
    let compose = "services:\n  a: {image: x, depends_on: [b]}\n  b:\n    image: x\n    depends_on:\n      - c\n  c: {image: x, depends_on: [a]}\n  d: {image: x, depends_on: [a]}\n";
    assert_snapshot!(messages(compose, &[]), @"compose.yaml:2: services.a.depends_on: these components wait for one another in a circle: a -> b -> c -> a");
    assert_snapshot!(messages("services: {a: {image: x, depends_on: [a]}}", &[]), @"compose.yaml:1: services.a.depends_on: a component cannot wait for itself");
    assert_snapshot!(messages("services: {a: {extends: b}, b: {extends: a}}", &[]), @"compose.yaml:1: services.a.extends: these services extend one another in a circle: a -> b -> a");
    let others = [("b.yaml", "include: [c.yaml]"), ("c.yaml", "include: [b.yaml]")];
    assert_snapshot!(messages("include: [b.yaml]\nservices: {a: {image: x}}", &others), @"c.yaml:1: include[0]: these files include one another in a circle: compose.yaml -> b.yaml -> c.yaml -> b.yaml");
}

#[test]
fn profiles_that_leave_out_what_is_needed() {
    let compose = "services:\n  web: {image: x, depends_on: [debug]}\n  debug: {image: x, profiles: [dev]}\n";
    assert_snapshot!(messages(compose, &[]), @r#"compose.yaml:2: services.web.depends_on.debug: service "debug" is left out, because none of its profiles is wanted; add a profile to the environment's `profiles` in launchway.toml, or write `required: false`"#);
    let optional = "services:\n  web: {image: x, depends_on: {debug: {condition: service_started, required: false}}}\n  debug: {image: x, profiles: [dev]}\n";
    assert_snapshot!(messages(optional, &[]), @r#"note: compose.yaml:2: services.web.depends_on.debug: service "debug" is left out, because none of its profiles is wanted; it is not waited for (`required: false`)"#);
    assert_snapshot!(messages("services: {debug: {image: x, profiles: [dev]}}\n", &[]), @"compose.yaml:1: services: no service is active; profiles of this file: dev (`profiles` of the environment in launchway.toml)");
}

#[test]
fn what_is_understood_but_not_supported_says_so() {
    let compose = r#"
version: "3"
name: mine
services:
  web:
    build: { context: ., cache_to: [x], ssh: [default], platforms: [linux/amd64, linux/arm64], sbom: true }
    gpus: all
    volumes_from: ["container:other"]
    cpuset: all
    pull_policy: daily
    ports: ["8000-8010:80"]
    deploy: { mode: global, placement: { constraints: [a] } }
    develop: { watch: [] }
    ipc: service:db
    configs: [a]
    post_start: [{ command: x }]
    volumes: [{ type: image, source: x, target: /x }]
  db: { image: x }
configs: { a: { external: true } }
models: { m: { model: x } }
"#;
    assert_snapshot!(messages(compose, &[("Dockerfile", "")]), @r#"
    note: compose.yaml:2: version: `version:` is obsolete; Compose ignores it, and so does Launchway
    note: compose.yaml:3: name: `name: mine` is not used; this environment's containers, networks and volumes are named shop-production_... (`compose-project` in launchway.toml)
    compose.yaml:6: services.web.build.cache_to: `cache_to` is understood but not supported: it needs the engine's containerd image store or a builder of its own
    compose.yaml:6: services.web.build.ssh: `ssh` is understood but not supported: builds get no keys; use `secrets`
    note: compose.yaml:6: services.web.build.sbom: `sbom` is ignored: images stay on this engine, and attestations are for registries
    compose.yaml:6: services.web.build.platforms: an engine builds for one platform at a time; name one
    compose.yaml:7: services.web.gpus: `gpus` is understood but not supported: name the GPU under `devices` as CDI calls it, such as nvidia.com/gpu=all, and let `allow.devices` list it; Docker Engine 25 and newer take that
    compose.yaml:8: services.web.volumes_from[0]: container "other" is none of this file's, and what containers of others mount is not supported; declare the volume under top-level `volumes` with `external: true`, which `allow.external` allows by its name
    compose.yaml:9: services.web.cpuset: "all" names no cores, such as 0-2 or 0,3
    compose.yaml:10: services.web.pull_policy: "daily" is understood but not supported; accepted: missing, always, never, build
    compose.yaml:11: services.web.ports[0].published: "8000-8010": one port out of a range is not supported; publish one port, or leave it to the engine with the target alone
    compose.yaml:12: services.web.deploy.mode: `mode: global` is understood but not supported; accepted: replicated
    note: compose.yaml:12: services.web.deploy.placement: `placement` counts in a Swarm only and is ignored on one host
    note: compose.yaml:13: services.web.develop: `develop:` is for developers' machines and is ignored
    compose.yaml:14: services.web.ipc: sharing the ipc namespace of another service is understood but not supported
    compose.yaml:16: services.web.post_start: `post_start` is understood but not supported: lifecycle hooks are not supported; use `x-launchway.release-command` or a job
    compose.yaml:17: services.web.volumes[0].type: `type: image` is understood but not supported; accepted: volume, bind, tmpfs
    compose.yaml:19: configs.a.external: `external` needs a Swarm and is not supported; accepted: `file:`, `environment:` or `content:`
    compose.yaml:20: models: models are not supported: Launchway runs containers only
    "#);
}

#[test]
fn builds_that_cannot_be() {
    let compose = r#"
services:
  a: { build: ./missing }
  b: { build: ./there }
  c: { build: { context: there, dockerfile: ../Dockerfile, dockerfile_inline: FROM x } }
  d: { build: "https://github.com/x/y.git" }
  e: { build: ../outside }
  f: { build: there/file }
  g: { build: { context: ., additional_contexts: { x: "service:h", y: "service:nobody" } } }
  h: { image: x }
"#;
    assert_snapshot!(messages(compose, &[("there/file", ""), ("Dockerfile", "")]), @r#"
    compose.yaml:3: services.a.build.context: there is no folder missing in the commit to build
    compose.yaml:4: services.b.build: there is no Dockerfile there/Dockerfile in the commit
    compose.yaml:5: services.c.build.dockerfile: `dockerfile` and `dockerfile_inline` exclude each other
    compose.yaml:6: services.d.build.context: "https://github.com/x/y.git" is not in the repository; only a folder of the repository can be built
    compose.yaml:7: services.e.build.context: "../outside" leaves the repository; only files of the repository can be named here
    compose.yaml:8: services.f.build.context: there/file is a file, not a folder that can be built
    compose.yaml:9: services.g.build.additional_contexts.x: service "h" has no `build:`, so it is no build context
    compose.yaml:9: services.g.build.additional_contexts.y: there is no service "nobody"
    "#);
}

#[test]
fn build_arguments_that_are_secrets() {
    let compose = "services:\n  a:\n    build:\n      context: .\n      args:\n        TOKEN: ${TOKEN}\n        NPM_TOKEN: abc\n        PORT: 80\n        MONKEY: x\n";
    let tree = MemoryTree::new([("compose.yaml", compose), ("Dockerfile", "")]);
    let project = shop();
    let variables = BTreeMap::from([("TOKEN".to_string(), "hunter2".to_string())]);
    let secret_values = vec![crate::model::Secret::new("hunter2")];
    assert_snapshot!(said(&ReadRequest { variables, secret_values, ..request(&tree, &project) }), @"
    compose.yaml:6: services.a.build.args.TOKEN: the value of TOKEN is a secret of launchway.toml; anyone with the image can read build arguments; use `build.secrets` and `RUN --mount=type=secret,id=...`
    warning: compose.yaml:7: services.a.build.args.NPM_TOKEN: NPM_TOKEN looks like a secret; anyone with the image can read build arguments; use `build.secrets` and `RUN --mount=type=secret,id=...`
    ");
}

#[test]
fn override_files_and_second_compose_files_are_mentioned() {
    let compose = "services: {web: {image: x}}";
    let others = [("compose.override.yaml", "x"), ("docker-compose.yml", "y")];
    assert_snapshot!(messages(compose, &others), @"
    note: compose.override.yaml:1: compose.override.yaml is not read: it is for developers' machines; name it under the environment's `compose` in launchway.toml if it shall count
    warning: docker-compose.yml:1: docker-compose.yml is not read, because compose.yaml is there too
    ");
}

#[test]
fn files_that_are_named_but_not_there() {
    let (tree, project) =
        (MemoryTree::new([("a.yaml", "services: {a: {extends: {file: gone.yaml, service: x}}}")]), shop());
    let named = |name: &str| ReadRequest { files: vec![RepoPath::new(name).unwrap()], ..request(&tree, &project) };
    assert_snapshot!(said(&named("b.yaml")), @"b.yaml:1: there is no file b.yaml in the commit");
    assert_snapshot!(said(&named("a.yaml")), @"a.yaml:1: services.a.extends: there is no file gone.yaml in the commit");
    assert_snapshot!(messages("include: [../x.yaml, \"https://x/y.yaml\", gone.yaml]\nservices: {a: {image: x}}", &[]), @r#"compose.yaml:1: include[0]: "../x.yaml" leaves the repository; only files of the repository can be included"#);
}

#[test]
fn labels_of_our_own_are_refused() {
    let compose = "services:\n  a:\n    image: x\n    labels:\n      launchway.project: other\n      com.docker.compose.project: other\n      fine: x\n";
    assert_snapshot!(messages(compose, &[]), @"
    compose.yaml:5: services.a.labels.launchway.project: labels that begin with launchway. or com.docker.compose. are Launchway's and Compose's own
    compose.yaml:6: services.a.labels.com.docker.compose.project: labels that begin with launchway. or com.docker.compose. are Launchway's and Compose's own
    ");
}

/// Each value is read, and complained about, once.
#[test]
fn what_of_update_config_is_not_followed_is_said() {
    let compose = r#"
services:
  a: { image: x, deploy: { update_config: { failure_action: continue, max_failure_ratio: 0.3 } } }
  b: { image: x, deploy: { update_config: { failure_action: explode, max_failure_ratio: many } } }
  c: { image: x, deploy: { update_config: { failure_action: rollback, max_failure_ratio: 0 } } }
"#;
    let whole = "a release of which a replica fails is put back, so that the environment is one release again";
    let found = messages(compose, &[]);
    assert_eq!(found.lines().count(), 4, "{found}");
    assert!(found.contains(&format!("failure_action: `continue` is not followed: {whole}")), "{found}");
    assert!(found.contains(&format!("max_failure_ratio: no failure is tolerated: {whole}")), "{found}");
}

#[test]
fn a_mapping_within_a_list_is_named_with_the_right_forms_and_without_its_value() {
    let of = |key: &str| {
        let said =
            messages(&format!("services: {{ a: {{ image: x, build: ., {key} }} }}\n"), &[("Dockerfile", "FROM x")]);
        assert!(!said.contains("hunter2"), "{said}");
        said.lines().filter(|line| line.contains("list") || line.contains("mapping")).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(of("environment: [A=1, { KEY: hunter2 }]"), @"compose.yaml:1: services.a.environment[1]: is a mapping within a list; write all of `environment` as a mapping, without dashes (`KEY: ...`), or as a list of texts (`- KEY=...`)");
    insta::assert_snapshot!(of("labels: [{ a.b: hunter2 }]"), @"compose.yaml:1: services.a.labels[0]: is a mapping within a list; write all of `labels` as a mapping, without dashes (`a.b: ...`), or as a list of texts (`- a.b=...`)");
    insta::assert_snapshot!(of("sysctls: [5]"), @r#"compose.yaml:1: services.a.sysctls[0]: must be a text such as `- NAME=...`, not "5"; or write all of `sysctls` as a mapping"#);
    insta::assert_snapshot!(of("depends_on: [{ db: { condition: service_healthy } }]"), @"compose.yaml:1: services.a.depends_on[0]: is a mapping within a list; write all of `depends_on` as a mapping, without dashes (`db: ...`), or as a list of texts (`- db`)");
    insta::assert_snapshot!(of("networks: [{ front: { aliases: [x] } }]"), @"compose.yaml:1: services.a.networks[0]: is a mapping within a list; write all of `networks` as a mapping, without dashes (`front: ...`), or as a list of texts (`- front`)");
}
