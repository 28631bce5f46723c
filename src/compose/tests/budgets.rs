//! What a few bytes can make large ends as an error that names its limit, in little time and memory.

use super::*;
use crate::model::budgets;
use std::fmt::Write as _;

/// Whoever overflows the stack ends the whole process: the server's own threads have this much.
const STACK: usize = 2 << 20;

/// What reading says, on a stack as large as the server's.
fn said_of(files: Vec<(String, String)>) -> String {
    let read = move || {
        let (tree, project) = (MemoryTree::new(files.iter().map(|(a, b)| (a.as_str(), b.as_str()))), shop());
        match read(&request(&tree, &project)) {
            Ok(reading) => format!("read: {} services", reading.stack.components.len()),
            Err(problems) => show(&problems),
        }
    };
    std::thread::Builder::new().stack_size(STACK).spawn(read).unwrap().join().unwrap()
}

fn said_of_one(compose: impl Into<String>) -> String {
    said_of(vec![("compose.yaml".into(), compose.into())])
}

/// The first line, which has the place.
#[track_caller]
fn assert_refused(said: &str, place: &str, limit: &budgets::Budget) {
    let first = said.lines().next().unwrap_or_default();
    let sentence = format!("the limit `{}` is {}", limit.name, limit.most);
    assert!(first.starts_with(place) && first.ends_with(&sentence), "{place} ... {sentence}: {first:.300}");
    assert!(said.len() < 100_000, "{} bytes are said", said.len());
}

#[test]
fn files_that_include_one_another_in_a_long_line() {
    let mut files = vec![];
    for number in 0..2_500 {
        let name = if number == 0 { "compose.yaml".to_string() } else { format!("f{number}.yaml") };
        files.push((name, format!("include: [f{}.yaml]\n", number + 1)));
    }
    files.push(("f2500.yaml".into(), "services: {a: {image: x}}\n".into()));
    assert_refused(&said_of(files), "f32.yaml:1", &budgets::INCLUDE_DEPTH);
}

#[test]
fn files_that_include_each_the_next_twice() {
    let mut files = vec![];
    for number in 0..25 {
        let name = if number == 0 { "compose.yaml".to_string() } else { format!("f{number}.yaml") };
        let next = number + 1;
        files.push((name, format!("include: [f{next}.yaml, f{next}.yaml]\n")));
    }
    files.push(("f25.yaml".into(), "services: {a: {image: x}}\n".into()));
    assert_refused(&said_of(files), "f", &budgets::INCLUDES);
}

#[test]
fn a_second_path_of_an_include_that_leads_back() {
    let files = vec![
        ("compose.yaml".to_string(), "include: [{path: [a.yaml, compose.yaml]}]\n".to_string()),
        ("a.yaml".to_string(), "services: {a: {image: x}}\n".to_string()),
    ];
    assert_refused(&said_of(files), "compose.yaml:1", &budgets::INCLUDE_DEPTH);
}

#[test]
fn variables_that_double() {
    let mut dotenv = "A0=xxxxxxxxxxxxxxxx\n".to_string();
    for number in 1..40 {
        let before = number - 1;
        writeln!(dotenv, "A{number}=${{A{before}}}${{A{before}}}").unwrap();
    }
    let compose = "services: {a: {image: x}}\n".to_string();
    let said = said_of(vec![("compose.yaml".into(), compose.clone()), (".env".into(), dotenv.clone())]);
    assert_refused(&said, ".env:18", &budgets::VALUE_BYTES);
    let compose = "services: {a: {image: x, env_file: other.env}}\n".to_string();
    let said = said_of(vec![("compose.yaml".into(), compose), ("other.env".into(), dotenv)]);
    assert_refused(&said, "other.env:18", &budgets::VALUE_BYTES);
}

#[test]
fn a_long_variable_that_is_named_often() {
    let dotenv = format!("LONG={}\n", "x".repeat(900_000));
    let mut compose = "services:\n  a:\n    image: x\n    environment:\n".to_string();
    for number in 0..1_000 {
        writeln!(compose, "      V{number}: ${{LONG}}").unwrap();
    }
    let said = said_of(vec![("compose.yaml".into(), compose), (".env".into(), dotenv.clone())]);
    assert_refused(&said, "compose.yaml:", &budgets::EXPANDED_BYTES);
    // In a default that nobody needs, it would be put in all the same.
    let compose = format!("services: {{a: {{image: x, command: \"{}\"}}}}\n", "${LONG:+x}".repeat(1_000));
    let said = said_of(vec![("compose.yaml".into(), compose), (".env".into(), dotenv.clone())]);
    assert_eq!(said, "read: 1 services");
    let compose = format!("services: {{a: {{image: x, command: \"{}\"}}}}\n", "${LONG}".repeat(2));
    let said = said_of(vec![("compose.yaml".into(), compose), (".env".into(), dotenv)]);
    assert_refused(&said, "compose.yaml:1", &budgets::VALUE_BYTES);
}

#[test]
fn more_containers_than_an_engine_can_have() {
    for key in ["deploy: {replicas: 4294967295}", "scale: 4294967295"] {
        let said = said_of_one(format!("services:\n  a:\n    image: x\n    {key}\n"));
        assert_refused(&said, "compose.yaml:4", &budgets::REPLICAS);
        assert!(said.contains("4294967295 replicas"), "{said}");
    }
    let mut compose = "services:\n".to_string();
    for number in 0..9 {
        writeln!(compose, "  s{number}: {{image: x, scale: 500}}").unwrap();
    }
    assert_refused(&said_of_one(compose), "compose.yaml:1", &budgets::ALL_REPLICAS);
}

#[test]
fn a_large_file_is_not_read() {
    struct Zeros(MemoryTree);
    impl crate::model::Tree for Zeros {
        fn entry(&self, path: &RepoPath) -> Result<Option<crate::model::Entry>, crate::model::TreeError> {
            self.0.entry(path)
        }
        fn list(&self, folder: &RepoPath) -> Result<Vec<crate::model::Entry>, crate::model::TreeError> {
            self.0.list(folder)
        }
        fn read(&self, path: &RepoPath) -> Result<Vec<u8>, crate::model::TreeError> {
            panic!("{path} is read")
        }
        fn size(&self, _: &RepoPath) -> Result<u64, crate::model::TreeError> {
            Ok(8 << 30)
        }
        fn time(&self) -> i64 {
            0
        }
    }
    let (tree, project) = (Zeros(MemoryTree::new([("compose.yaml", "x")])), shop());
    let memory = MemoryTree::default();
    let request = ReadRequest { tree: &tree, ..request(&memory, &project) };
    assert_refused(&said(&request), "compose.yaml:1", &budgets::FILE_BYTES);
}

#[test]
fn aliases_of_a_long_text() {
    let mut compose = format!("x-a: &a {}\nx-b:\n", "x".repeat(500_000));
    compose.push_str(&"- *a\n".repeat(50_000));
    assert_refused(&said_of_one(compose), "compose.yaml:", &budgets::EXPANDED_BYTES);
}

#[test]
fn aliases_and_anchors_of_lists_in_lists() {
    let mut compose = "x-0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_string();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(compose, "x-{level}: &a{level} [{aliases}]").unwrap();
    }
    assert_refused(&said_of_one(compose), "compose.yaml:6", &budgets::NODES);
    let anchors: String = (0..40).map(|level| format!("&a{level} [")).collect();
    let many = "x, ".repeat(60_000);
    assert_refused(&said_of_one(format!("x-a: {anchors}{many}x{}", "]".repeat(40))), "compose.yaml:1", &budgets::NODES);
}

#[test]
fn lists_in_lists_by_aliases() {
    let mut compose = format!("x-0: &a0 {}x{}\n", "[".repeat(40), "]".repeat(40));
    for level in 1..100 {
        writeln!(compose, "x-{level}: &a{level} {}*a{}{}", "[".repeat(40), level - 1, "]".repeat(40)).unwrap();
    }
    assert_refused(&said_of_one(compose), "compose.yaml:", &budgets::DEPTH);
    assert_refused(&said_of_one(format!("x-a: {}", "[".repeat(100_000))), "compose.yaml:1", &budgets::DEPTH);
    assert_refused(&said_of_one(format!("x-launchway: {}", "{a: ".repeat(70))), "compose.yaml:1", &budgets::DEPTH);
    assert_refused(&said_of_one("- ".repeat(5_000)), "compose.yaml:1", &budgets::DEPTH);
}

#[test]
fn keys_tags_and_anchors_that_are_long() {
    let long = "k".repeat(300_000);
    assert_refused(&said_of_one(format!("? {long}\n: x\n")), "compose.yaml:1", &budgets::KEY_BYTES);
    assert_refused(&said_of_one(format!("x-a: &{long} x\n")), "compose.yaml:1", &budgets::KEY_BYTES);
    let tags = format!("%TAG ! tag:yaml.org,2002:{long}\n---\nx-a: [!a x, !b x]\n");
    assert_refused(&said_of_one(tags), "compose.yaml:3", &budgets::KEY_BYTES);
}

#[test]
fn mappings_with_very_many_keys() {
    for section in ["services", "x-a", "volumes", "x-launchway"] {
        let mut compose = format!("{section}:\n");
        for number in 0..40_000 {
            writeln!(compose, "  k{number}: {{}}").unwrap();
        }
        assert_refused(&said_of_one(compose), "compose.yaml:5002", &budgets::KEYS);
    }
    for key in ["environment", "labels"] {
        let mut compose = format!("services:\n  a:\n    image: x\n    {key}:\n");
        for number in 0..40_000 {
            writeln!(compose, "    - K{number}=x").unwrap();
        }
        assert_refused(&said_of_one(compose), "compose.yaml:1", &budgets::KEYS);
    }
}

#[test]
fn merge_keys_one_after_the_other() {
    let mut compose = "x-a: &a {".to_string();
    for number in 0..4_000 {
        write!(compose, "k{number}: x, ").unwrap();
    }
    compose.push_str("}\nx-b:\n  <<: [");
    compose.push_str(&"*a, ".repeat(1_000));
    compose.push_str("]\n");
    assert_refused(&said_of_one(compose), "compose.yaml:3", &budgets::NODES);
}

#[test]
fn ranges_of_ports() {
    for key in ["ports", "expose"] {
        let mut compose = format!("services:\n  a:\n    image: x\n    {key}:\n");
        for _ in 0..1_000 {
            compose.push_str("    - 1-65535\n");
        }
        let said = said_of_one(compose);
        assert_refused(&said, "compose.yaml:", &budgets::PORTS);
    }
}

#[test]
fn services_that_extend_one_another_in_a_long_line() {
    let mut compose = "services:\n  s0: {image: x}\n".to_string();
    for number in 1..1_900 {
        writeln!(compose, "  s{number}: {{extends: {{service: s{}}}}}", number - 1).unwrap();
    }
    assert_refused(&said_of_one(compose), "compose.yaml:", &budgets::EXTENDS_DEPTH);
}

#[test]
fn services_that_all_extend_a_large_one() {
    let mut base = "services:\n  base:\n    image: x\n    environment:\n".to_string();
    for number in 0..4_000 {
        writeln!(base, "      K{number}: x").unwrap();
    }
    let mut compose = "services:\n".to_string();
    for number in 0..1_900 {
        writeln!(compose, "  s{number}: {{extends: {{file: base.yaml, service: base}}}}").unwrap();
    }
    let said = said_of(vec![("compose.yaml".into(), compose), ("base.yaml".into(), base)]);
    assert_refused(&said, "compose.yaml:", &budgets::NODES);
}

/// A chain of so many services, each waiting for the one before it in some way.
fn chain(count: usize, link: impl Fn(usize) -> String) -> String {
    let mut compose = "services:\n".to_string();
    for number in 0..count {
        let wait = if number == 0 { String::new() } else { format!(", {}", link(number - 1)) };
        writeln!(compose, "  s{number}: {{image: x{wait}}}").unwrap();
    }
    compose
}

#[test]
fn long_lines_of_services_that_wait_are_read_without_going_deep() {
    let links: [fn(usize) -> String; 3] = [
        |before| format!("depends_on: [s{before}]"),
        |before| format!("links: [s{before}]"),
        |before| format!("network_mode: \"service:s{before}\""),
    ];
    for link in links {
        assert_eq!(said_of_one(chain(2_000, link)), "read: 2000 services");
    }
    let ring = chain(2_000, |before| format!("depends_on: [s{before}]")).replacen(
        "image: x",
        "image: x, depends_on: [s1999]",
        1,
    );
    assert!(said_of_one(ring).contains("wait for one another in a circle: s0 -> "));
    assert_refused(&said_of_one(chain(2_001, |_| "tty: true".into())), "compose.yaml:2", &budgets::SERVICES);
}

#[test]
fn services_that_all_wait_for_all_others() {
    let mut compose = "services:\n".to_string();
    for number in 0..300 {
        let others: Vec<String> = (0..number).map(|other| format!("s{other}")).collect();
        writeln!(compose, "  s{number}: {{image: x, depends_on: [{}]}}", others.join(", ")).unwrap();
    }
    assert_refused(&said_of_one(compose), "compose.yaml:1", &budgets::DEPENDENCIES);
}

#[test]
fn a_large_text_that_many_services_take() {
    let mut services = "services:\n".to_string();
    for number in 0..200 {
        writeln!(services, "  s{number}: {{image: x, configs: [c], env_file: large.env}}").unwrap();
    }
    let config = format!("configs: {{c: {{content: \"{}\"}}}}\n", "x".repeat(500_000));
    let large: (String, String) = ("large.env".into(), format!("A={}\n", "x".repeat(800_000)));
    let small: (String, String) = ("large.env".into(), "A=x\n".into());
    let compose = ("compose.yaml".to_string(), services.clone() + &config);
    assert_refused(&said_of(vec![compose.clone(), small]), "compose.yaml:", &budgets::EXPANDED_BYTES);
    let compose = ("compose.yaml".to_string(), services.replace("configs: [c], ", ""));
    assert_refused(&said_of(vec![compose, large]), "compose.yaml:", &budgets::EXPANDED_BYTES);
}

#[test]
fn more_tags_of_a_build_than_anybody_asks_an_engine_for() {
    for key in ["tags", "cache_from"] {
        let mut compose = format!("services:\n  a:\n    build:\n      {key}:\n");
        for number in 0..201 {
            writeln!(compose, "        - shop:{number}").unwrap();
        }
        assert_refused(&said_of_one(compose), "compose.yaml:", &budgets::BUILD_ITEMS);
    }
}

#[test]
fn more_mounts_and_networks_than_a_container_takes() {
    let mut compose = "services:\n  a:\n    image: x\n    volumes:\n".to_string();
    for number in 0..4_000 {
        writeln!(compose, "    - /d{number}").unwrap();
    }
    assert_refused(&said_of_one(compose), "compose.yaml:2", &budgets::MOUNTS);
    let mut compose = "services: {a: {image: x}}\nnetworks:\n".to_string();
    for number in 0..1_001 {
        writeln!(compose, "  n{number}: {{}}").unwrap();
    }
    assert_refused(&said_of_one(compose), "compose.yaml:1", &budgets::NETWORKS);
}

/// Every key that says how long something may take.
const TIMES: &str = "
services:
  a:
    image: x
    stop_grace_period: TIME
    healthcheck: { test: [CMD, x], interval: TIME, timeout: TIME, start_period: TIME, start_interval: TIME }
    deploy: { update_config: { delay: TIME, monitor: TIME } }
    x-launchway:
      release-command: [x]
      release-command-timeout: TIME
      ready-timeout: TIME
      stay-up: TIME
      drain: TIME
x-launchway: { bake: TIME }
";

#[test]
fn times_that_are_longer_than_a_deployment_may_take() {
    let refused = "100000h is longer than a deployment may take; the limit `limits.deploy` of launchway.toml is 1h";
    let said = said_of_one(TIMES.replace("TIME", "100000h"));
    assert_eq!(said.matches(refused).count(), TIMES.matches("TIME").count(), "{said}");
    assert_eq!(said.lines().count(), TIMES.matches("TIME").count(), "{said}");
    assert_eq!(said_of_one(TIMES.replace("TIME", "60m")), "read: 1 services");
    // A canary that is held holds no slot; what nobody waits for may take any time.
    let canary = |time: &str| {
        said_of_one(format!(
            "services: {{a: {{build: {{dockerfile_inline: FROM x}}, deploy: {{restart_policy: {{window: 9000h}}}}, x-launchway: {{rebuild-after: 9000h, canary: {{hold: {time}, warm-up: {time}}}}}}}}}"
        ))
    };
    assert_eq!(canary("720h"), "read: 1 services");
    assert_refused(&canary("720h1s"), "compose.yaml:1", &budgets::HOLD_SECONDS);
}

#[test]
fn thousands_of_mistakes_are_counted_and_the_first_are_told() {
    let mut compose = "services:\n  a:\n    image: x\n".to_string();
    for number in 0..4_000 {
        writeln!(compose, "    wrong-{number}: {}", "x".repeat(100)).unwrap();
    }
    let said = said_of_one(compose);
    assert!(said.contains("more is wrong than is shown"), "{said:.200}");
    assert!(said.lines().count() <= budgets::MOST_PROBLEMS + 1);
}

/// Real files, each with what its reading comes to.
#[test]
fn real_files_stay_far_below() {
    let all = truth::accepted(&"a".repeat(40), &[]);
    assert!(all.len() > 20, "{} files", all.len());
    for truth::Accepted { name, stack, .. } in all {
        let components = stack.components.values();
        let containers: u64 = components.clone().map(|component| u64::from(component.replicas)).sum();
        let ports: usize = components.clone().map(|c| c.container.ports.len() + c.container.expose.len()).sum();
        let mounts = components.clone().map(|component| component.container.mounts.len()).max().unwrap_or(0);
        let waits: usize = components.map(|component| component.depends_on.len()).sum();
        let sums = [
            (&budgets::SERVICES, stack.components.len() as u64),
            (&budgets::ALL_REPLICAS, containers),
            (&budgets::PORTS, ports as u64),
            (&budgets::MOUNTS, mounts as u64),
            (&budgets::NETWORKS, stack.networks.len() as u64),
            (&budgets::DEPENDENCIES, waits as u64),
            (&budgets::EXPANDED_BYTES, serde_json::to_string(&stack).unwrap().len() as u64),
        ];
        for (budget, sum) in sums {
            assert!(sum * 10 <= budget.most, "{name}: {sum} of {}", budget.name);
        }
        // And a reader's answer is what it has read.
        let told: crate::model::Stack = serde_json::from_str(&serde_json::to_string(&stack).unwrap()).unwrap();
        assert_eq!(told, stack, "{name}");
    }
}
