//! `x-launchway`.

use super::*;
use crate::model::{EnvironmentName, Method, Repair};
use insta::{assert_json_snapshot, assert_snapshot};
use std::time::Duration;

const EVERYTHING: &str = r#"
services:
  api:
    image: x
    volumes: ["data:/data"]
    x-launchway:
      method: recreate
      route: { host: shop.example.com, path: /api, port: 8080 }
      canary: { steps: [5%, 25%, 50%], hold: 2m, max-error-rate: 1%, max-latency-ratio: 1.3 }
      paths: ["proto/**"]
      release-command: ["/api", "migrate"]
      release-command-timeout: 10m
      concurrent: true
      shared-volumes: [data]
      edge: false
      front: true
      run: every-release
      job: true
      ready-timeout: 90s
      stay-up: 1m30s
      not-listening: [9229, "9230"]
      environments:
        staging: { method: auto, ready-timeout: 5m, release-command: /api migrate --all }
        other:
volumes: { data: }
x-launchway:
  windows: [{ days: [mon-thu, sat], from: "09:00", to: "17:00", timezone: Europe/Berlin }]
  freeze: [{ from: 2026-12-20, to: 2027-01-03, reason: "holidays" }]
  bake: 60s
  on-newer: supersede
  environments: { staging: { bake: 0s, windows: [], repair: always } }
"#;

#[test]
fn every_key_is_read() {
    let stack = read_one(EVERYTHING, &[]).unwrap();
    assert_json_snapshot!((&stack.components["api"].settings, &stack.settings));
}

#[test]
fn an_environment_overrides_any_key() {
    let (tree, project) = (MemoryTree::new([("compose.yaml", EVERYTHING)]), shop());
    let staging = EnvironmentName::new("staging").unwrap();
    let stack = read(&ReadRequest { environment: Some(&staging), ..request(&tree, &project) }).unwrap().stack;
    let api = &stack.components["api"].settings;
    assert_eq!(api.method, Method::Auto);
    assert_eq!(api.ready_timeout, Some(Duration::from_secs(300)));
    assert_eq!(api.release_command.as_deref().unwrap(), ["/api", "migrate", "--all"]);
    assert!(api.concurrent);
    assert_eq!(stack.settings.bake, Some(Duration::ZERO));
    assert_eq!(stack.settings.repair, Some(Repair::Always));
    assert!(stack.settings.windows.is_empty());
    assert_eq!(stack.settings.freeze.len(), 1);
}

#[test]
fn prometheus_is_asked_where_the_server_allows_it() {
    let (tree, project) = (MemoryTree::new([("compose.yaml", PROMETHEUS)]), shop());
    let allowed = |urls: &[&str]| {
        let prometheus = urls.iter().map(|url| url.to_string()).collect();
        let allowed = Permissions { prometheus, ..Permissions::default() };
        read(&ReadRequest { allowed, ..request(&tree, &project) })
    };
    let stack = allowed(&["http://prometheus:9090/"]).unwrap().stack;
    assert_json_snapshot!(stack.components.values().map(|c| &c.settings.prometheus).collect::<Vec<_>>());
    let why = "\"http://prometheus:9090\" is asked from the server's own network, so it is refused; `allow.prometheus = [\"http://prometheus:9090\"]` of the project in launchway.toml allows it";
    let problems = allowed(&["http://elsewhere"]).unwrap_err();
    assert!(problems.iter().any(|problem| problem.message == why), "{problems:?}");
    assert_eq!(allowed(&[]).unwrap_err().len(), 2);
}

const PROMETHEUS: &str = r#"
services:
  api:
    image: x
    x-launchway:
      prometheus: { url: "http://prometheus:9090", query: 'sum(rate(errors{release="{{ release }}"}[1m]))', max: 0.5 }
  worker:
    image: x
    x-launchway: { prometheus: [{ name: queue length, query: max(queue), max: 100 }] }
"#;

#[test]
fn mistakes_say_what_would_be_accepted() {
    let compose = r#"
services:
  api:
    image: x
    x-launchway:
      metod: canary
      canary: { steps: [25%, 10%, 200%, 5], hold: forever, max-error-rate: 2, max-latency-ratio: 0.5 }
      paths: ["../x", "a[", "/abs"]
      prometheus: [{ query: up }, { url: "http://x", query: "", max: 1 }, { max: many, limit: 1 }]
      release-command: []
      shared-volumes: [data]
      run: sometimes
      environments: { "Bad Name": {}, staging: { metod: x } }
  b: { image: x, x-launchway: { method: canary, release-command-timeout: 1m } }
  c: { image: x, x-launchway: { method: rolling, route: { host: "http://x", path: api, port: 0x } } }
  d: { image: x, x-launchway: { method: blue, route: {} } }
x-launchway:
  windows: [{ days: [monday], from: "9:00", timezone: "Mars, North" }, { from: "25:00", to: "24:00" }]
  freeze: [{ from: 2026-13-01, to: 2026-01-01 }, { from: 2026-12-31, to: 2026-12-01 }]
  bake: 60
  on-newer: wait
  freez: []
"#;
    assert_snapshot!(messages(compose, &[]), @r#"
    compose.yaml:5: services.api.x-launchway: `release-command` is empty
    compose.yaml:6: services.api.x-launchway.metod: "metod" is not a key here; did you mean "method"?
    compose.yaml:7: services.api.x-launchway.canary.steps[1]: 10% does not grow: each step must be larger than the one before
    compose.yaml:7: services.api.x-launchway.canary.steps[2]: "200%" is not a share of traffic from 1% to 99%
    compose.yaml:7: services.api.x-launchway.canary.steps[3]: "5" is not a share of traffic from 1% to 99%
    compose.yaml:7: services.api.x-launchway.canary.max-latency-ratio: must be a number from 1 on, such as 1.3
    compose.yaml:7: services.api.x-launchway.canary.hold: must be a duration with its unit, such as 30s, 1m30s or 2h, not "forever"
    compose.yaml:7: services.api.x-launchway.canary.max-error-rate: must be a share, such as 1% or 0.01, not "2"
    compose.yaml:8: services.api.x-launchway.paths[0]: "../x" must be a pattern from the repository's root, such as "proto/**"
    compose.yaml:8: services.api.x-launchway.paths[1]: "a[" is not a pattern: unclosed character class; missing ']'
    compose.yaml:8: services.api.x-launchway.paths[2]: "/abs" must be a pattern from the repository's root, such as "proto/**"
    compose.yaml:9: services.api.x-launchway.prometheus[0]: needs `url:`, such as http://prometheus.internal:9090
    compose.yaml:9: services.api.x-launchway.prometheus[1].url: "http://x" is asked from the server's own network, so it is refused; `allow.prometheus = ["http://x"]` of the project in launchway.toml allows it
    compose.yaml:9: services.api.x-launchway.prometheus[1]: the query is empty, or the maximum is no number
    compose.yaml:9: services.api.x-launchway.prometheus[2].limit: "limit" is not a key here; accepted: name, url, query, max
    compose.yaml:9: services.api.x-launchway.prometheus[2]: needs `url:`, such as http://prometheus.internal:9090
    compose.yaml:11: services.api.x-launchway.shared-volumes: the service mounts no volume "data"
    compose.yaml:12: services.api.x-launchway.run: "sometimes" is not one of every-release, when-changed
    compose.yaml:13: services.api.x-launchway.environments.Bad Name: "Bad Name" is not a environment name: lower-case letters, digits, '-' and '_', 63 at most, starting with a letter or digit
    compose.yaml:13: services.api.x-launchway.environments.staging.metod: "metod" is not a key here; did you mean "method"?
    compose.yaml:14: services.b.x-launchway.release-command-timeout: there is no `release-command` that could take so long
    compose.yaml:15: services.c.x-launchway.route.host: "http://x" is not a host name, such as shop.example.com
    compose.yaml:15: services.c.x-launchway.route.path: "api" must begin with a slash
    compose.yaml:15: services.c.x-launchway.route.port: must be a port from 1 to 65535, not "0x"
    compose.yaml:16: services.d.x-launchway.method: "blue" is not one of auto, recreate, rolling, blue-green, canary
    compose.yaml:16: services.d.x-launchway.route: needs `host:` or `path:`
    compose.yaml:18: x-launchway.windows[0]: needs `to:`, a time such as "17:00"
    compose.yaml:18: x-launchway.windows[0].days: "monday" is not a day or a range of days: mon, tue, wed, thu, fri, sat, sun, or mon-fri
    compose.yaml:18: x-launchway.windows[0].timezone: "Mars, North" is not a time zone, such as Europe/Berlin or UTC
    compose.yaml:18: x-launchway.windows[0].from: "9:00" is not a time of day, such as "09:00"
    compose.yaml:18: x-launchway.windows[1].from: "25:00" is not a time of day, such as "09:00"
    compose.yaml:19: x-launchway.freeze[0].from: "2026-13-01" is not a date, such as 2026-12-20
    compose.yaml:19: x-launchway.freeze[1].to: it ends on 2026-12-01, before it begins on 2026-12-31
    compose.yaml:20: x-launchway.bake: must be a duration with its unit, such as 30s, 1m30s or 2h, not "60"
    warning: compose.yaml:21: x-launchway.on-newer: `on-newer: wait` is not yet supported: a newer push supersedes
    compose.yaml:22: x-launchway.freez: "freez" is not a key here; did you mean "freeze"?
    "#);
}

#[test]
fn a_slip_in_its_name_is_noticed() {
    let compose = "services: {web: {image: x, x-lauchway: {}}}\nx-other: 1\nx-launchwya: {}\n";
    assert_snapshot!(messages(compose, &[]), @r#"
    warning: compose.yaml:1: services.web.x-lauchway: "x-lauchway" is not read; did you mean "x-launchway"?
    warning: compose.yaml:3: x-launchwya: "x-launchwya" is not read; did you mean "x-launchway"?
    "#);
    let others = [("b.yaml", "services: {b: {image: x}}\nx-launchway: {bake: 5s}\n")];
    assert_snapshot!(messages("include: [b.yaml]\nservices: {a: {image: x}}\n", &others), @"warning: b.yaml:2: x-launchway: `x-launchway` of an included file does not count; write it in the file that includes");
}

#[test]
fn only_what_is_built_can_be_rebuilt_by_age() {
    let compose = r#"
services:
  api: { build: { dockerfile_inline: FROM x }, x-launchway: { rebuild-after: 7d } }
  db: { image: x, x-launchway: { rebuild-after: 7d } }
  web: { build: { dockerfile_inline: FROM x }, x-launchway: { rebuild-after: weekly } }
"#;
    assert_snapshot!(messages(compose, &[]), @r#"
    compose.yaml:4: services.db.x-launchway.rebuild-after: is for what is built: `launchway deploy --pull` gets an image that is only named anew
    compose.yaml:5: services.web.x-launchway.rebuild-after: must be a duration with its unit, such as 30s, 1m30s or 2h, not "weekly"
    "#);
}

#[test]
fn a_path_that_no_request_has_is_an_error() {
    let of = |path: &str| {
        let compose =
            format!("services: {{ a: {{ image: x, x-launchway: {{ route: {{ path: {path:?}, port: 80 }} }} }} }}\n");
        read_one(&compose, &[]).map(|_| String::new()).unwrap_or_else(|error| error)
    };
    for fine in ["/", "/api", "/a%20b/c.d~e", "/api/"] {
        assert_eq!(of(fine), "", "{fine}");
    }
    for (wrong, why) in [
        ("api", "must begin with a slash"),
        ("/a?b=1", "without ? and #"),
        ("/a#b", "without ? and #"),
        ("/api/*", "leave the * out"),
        ("//api", "two slashes"),
        ("/a b", "such as %20"),
        ("/café", "such as %20"),
    ] {
        assert!(of(wrong).contains(why), "{wrong}: {}", of(wrong));
    }
}
