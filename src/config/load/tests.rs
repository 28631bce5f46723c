use super::*;
use crate::model::{RefName, plain};

const GOOD: &str = r#"
listen = "127.0.0.1:9000"
public-url = "https://deploy.example.com/"
data = "/srv/launchway"

[limits]
builds = 1
catch-up = "1m"

[projects.shop]
forge = "github"
repository = "https://github.com/acme/shop.git"
secret = "It's a Secret"
token = { env = "PATH" }

[projects.shop.environments.production]
branch = ["main", "release/*"]
tag = "v*"
variables = { REGION = "eu" }
secrets = { DB_PASSWORD = "hunter2" }
"#;

fn problems(text: &str) -> String {
    plain(&parse(text, Path::new("launchway.toml")).unwrap_err().to_string()).into_owned()
}

#[test]
fn a_good_file_is_read_whole() {
    let config = parse(GOOD, Path::new("launchway.toml")).unwrap();
    assert_eq!(config.public_url, "https://deploy.example.com");
    assert_eq!(config.limits.catch_up, Duration::from_secs(60));
    assert_eq!(config.limits.hook, Duration::from_secs(30));
    assert_eq!(config.hooks, Path::new("/srv/launchway/hooks"));
    let shop = config.projects.values().next().unwrap();
    assert_eq!(shop.full_name, "acme/shop");
    let production = shop.environments.values().next().unwrap();
    assert_eq!(production.compose_project, "shop-production");
    assert_eq!(production.values()["DB_PASSWORD"], "hunter2");
    for (reference, wanted) in [
        ("refs/heads/main", true),
        ("refs/heads/release/1.0", true),
        ("refs/heads/release/1.0/fix", false),
        ("refs/heads/other", false),
        ("refs/tags/v1", true),
        ("refs/tags/main", false),
    ] {
        assert_eq!(production.wants(&RefName::new(reference).unwrap()), wanted, "{reference}");
    }
}

#[test]
fn the_full_name_is_taken_from_any_form_of_url() {
    for (url, name) in [
        ("https://github.com/acme/shop.git", "acme/shop"),
        ("git@gitlab.com:group/sub/shop.git", "group/sub/shop"),
        ("ssh://git@host:2222/acme/shop", "acme/shop"),
        ("/srv/git/shop.git", "git/shop"),
    ] {
        assert_eq!(full_name_of(url, None), name);
    }
}

#[test]
fn the_full_name_is_what_the_forge_calls_it_also_where_the_forge_is_below_a_path() {
    for (url, forge, name) in [
        ("https://host/git/acme/shop.git", ForgeKind::Gitea, "acme/shop"),
        ("https://host/a/b/acme/shop", ForgeKind::Forgejo, "acme/shop"),
        ("https://github.com/acme/shop.git", ForgeKind::GitHub, "acme/shop"),
        ("https://host/group/sub/shop.git", ForgeKind::GitLab, "group/sub/shop"),
        ("/srv/git/shop.git", ForgeKind::Gitea, "git/shop"),
    ] {
        assert_eq!(full_name_of(url, Some(forge)), name, "{url}");
    }
}

#[test]
fn a_project_with_a_forge_and_no_token_is_warned_of() {
    let warned = |forge: &str, token: &str| {
        let text = format!(
            "[projects.shop]\nforge = \"{forge}\"\nrepository = \"https://host.test/acme/shop.git\"\nsecret = \"0123456789abcdef\"\n{token}[projects.shop.environments.production]\nbranch = \"main\"\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("launchway.toml");
        std::fs::write(&path, text).unwrap();
        load(&path).unwrap().warnings.iter().map(|problem| problem.to_string()).collect::<Vec<_>>()
    };
    let said = warned("gitea", "");
    assert!(said.len() == 1 && said[0].contains("projects.shop.token: it is missing"), "{said:?}");
    assert!(warned("gitea", "token = \"hunter2\"\n").is_empty() && warned("plain", "").is_empty());
}

#[test]
fn a_project_without_a_secret_is_refused() {
    let text = "[projects.shop]\nforge = \"github\"\nrepository = \"https://github.com/acme/shop.git\"\n[projects.shop.environments.production]\nbranch = \"main\"\n";
    insta::assert_snapshot!(problems(text), @r#"launchway.toml:1: projects.shop.secret: it is missing: without it anybody could start a deployment. Set the secret of the repository's webhook, such as secret = { file = "hook.secret" } (make one with `openssl rand -hex 32`)."#);
}

#[test]
fn every_mistake_is_named_with_its_line() {
    let text = r#"
listen = "here"
[projects.shop]
forge = "githup"
repository = "https://github.com/acme/shop.git"
secret = { file = "/nowhere/secret" }
path = "../other"
[projects.shop.environments.production]
bake = "soon"
"#;
    insta::assert_snapshot!(problems(text), @r#"
    launchway.toml:2: listen: "here" is not an address with a port, such as 127.0.0.1:8080
    launchway.toml:4: projects.shop.forge: "githup" is not a forge: github, gitlab, gitea, forgejo or plain
    launchway.toml:6: projects.shop.secret: the file /nowhere/secret cannot be read: No such file or directory (os error 2)
    launchway.toml:7: projects.shop.path: "../other" leaves the repository
    launchway.toml:8: projects.shop.environments.production.branch: nothing deploys here: set branch = "main" or tag = "v*"
    launchway.toml:9: projects.shop.environments.production.bake: "soon" is not a duration: 30s, 2m, 1m30s, 1h or 500ms
    "#);
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    insta::assert_snapshot!(problems("listen = \"127.0.0.1:1\"\nlissten = 1\n"), @r#"
    launchway.toml:1: projects: no project is set. Add a [projects.NAME] with `forge`, `repository` and `secret`.
    launchway.toml:2: "lissten" is no key at the top; did you mean "listen"?
    "#);
}

#[test]
fn the_line_break_at_a_files_end_is_no_part_of_a_value_and_is_known() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "a\nb\n").unwrap();
    std::fs::write(folder.path().join("bare"), "c").unwrap();
    let text = GOOD.replace(
        "secrets = { DB_PASSWORD = \"hunter2\" }",
        "secrets = { KEY = { file = \"key\" }, BARE = { file = \"bare\" }, DB_PASSWORD = \"hunter2\" }",
    );
    let config = parse(&text, &folder.path().join("launchway.toml")).unwrap();
    let production = config.projects.values().next().unwrap().environments.values().next().unwrap();
    assert_eq!(production.values()["KEY"], "a\nb");
    assert_eq!(production.line_ends, BTreeMap::from([("KEY".to_string(), "\n".to_string())]));
}

#[test]
fn all_mistakes_are_named_at_once_each_with_what_was_meant() {
    let text = r#"
lissten = "127.0.0.1:1"
public-url = "nowhere"
[limits]
builds = "two"
[[registries]]
[projects.shop]
repository = "https://github.com/acme/shop.git"
secret = "0123456789abcdef"
forge = "github"
[projects.shop.environments.production]
brnch = "main"
bake = "soon"
[projects.other]
secret = "0123456789abcdef"
"#;
    insta::assert_snapshot!(problems(text), @r#"
    launchway.toml:2: "lissten" is no key at the top; did you mean "listen"?
    launchway.toml:3: public-url: "nowhere" is not an http or https URL
    launchway.toml:5: must be a whole number, not a text
    launchway.toml:6: must be a table, not a list
    launchway.toml:12: "brnch" is no key in projects.shop.environments.production; did you mean "branch"?
    launchway.toml:13: projects.shop.environments.production.bake: "soon" is not a duration: 30s, 2m, 1m30s, 1h or 500ms
    launchway.toml:14: projects.other.forge: it is missing: github, gitlab, gitea, forgejo or plain
    launchway.toml:14: projects.other.repository: it is missing: the URL or path that the repository is cloned from
    launchway.toml:14: projects.other.environments: no environment is set. Add [projects.other.environments.production] with branch = "main".
    "#);
}

#[test]
fn two_environments_cannot_have_the_same_compose_project() {
    let text = GOOD.to_string()
        + "compose-project = \"one\"\n[projects.shop.environments.staging]\nbranch = \"dev\"\ncompose-project = \"one\"\n";
    insta::assert_snapshot!(problems(&text), @"launchway.toml:10: projects.shop: shop production and shop staging would have the same containers: both have compose-project one. Give one of them another `compose-project`.");
}

#[test]
fn a_repository_is_shared_by_host_and_name_and_a_path_only_by_itself() {
    let project = |name: &str, forge: &str, url: &str| {
        format!(
            "[projects.{name}]\nforge = \"{forge}\"\nrepository = \"{url}\"\nsecret = \"0123456789abcdef\"\n[projects.{name}.environments.production]\nbranch = \"main\"\n"
        )
    };
    let text = [
        project("a", "github", "https://github.com/acme/shop.git"),
        project("b", "github", "git@GitHub.com:Acme/shop.git"),
        project("c", "github", "https://git.example.com/acme/shop.git"),
        project("d", "plain", "/one/team/shop.git"),
        project("e", "plain", "/two/team/shop.git"),
        project("f", "plain", "/two/team/shop.git/"),
    ]
    .concat();
    let config = parse(&text, Path::new("launchway.toml")).unwrap();
    let shares = |name: &str| {
        let project = &config.projects[&ProjectName::new(name).unwrap()];
        let names: Vec<String> = config.sharing_repository(project).map(|p| p.name.to_string()).collect();
        names.join(" ")
    };
    assert_eq!([shares("a"), shares("c"), shares("d"), shares("e")], ["a b", "c", "d", "e f"]);
}

#[test]
fn an_edge_is_read_with_its_defaults() {
    assert_eq!(parse(GOOD, Path::new("launchway.toml")).unwrap().edge, None);
    let with = |edge: &str| parse(&(GOOD.to_string() + edge), Path::new("launchway.toml")).unwrap().edge.unwrap();
    assert_eq!(with("[edge]\n"), crate::model::EdgeSettings::default());
    let edge = with(
        "[edge]\nlisten = [\":80\", \"192.0.2.7:8080\"]\nhold = \"5s\"\nhold-most = 10\ntrusted-proxies = \"10.0.0.1\"\naddresses = \"10.64.0.0/12\"\n",
    );
    let here = format!("trusted-proxies = \"127.0.0.1\"\n{GOOD}[edge]\ntrusted-proxies = \"10.0.0.0/8\"\n");
    let here = parse(&here, Path::new("launchway.toml")).unwrap();
    assert_eq!(here.trusted_proxies, ["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()]);
    assert_eq!(here.edge.unwrap().trusted_proxies, here.trusted_proxies);
    let listen: Vec<String> = edge.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, [":80", "192.0.2.7:8080"]);
    assert_eq!((edge.hold, edge.hold_most, edge.drain), (Duration::from_secs(5), 10, Duration::from_secs(30)));
    assert_eq!(edge.trusted_proxies, ["10.0.0.1/32".parse().unwrap()]);
}

#[test]
fn mistakes_of_an_edge_are_named_with_their_lines() {
    let text = GOOD.to_string()
        + r#"[edge]
listen = [":80", "127.0.0.1:80"]
hold = "0s"
trusted-proxies = ["10.0.0.0/40"]
drain = "soon"
addresses = "10.213.0.1/24"
"#;
    insta::assert_snapshot!(problems(&text), @r#"
    launchway.toml:22: edge.listen: :80 and 127.0.0.1:80 are one port
    launchway.toml:23: edge.hold: "0s" would mean that nothing is ever in time
    launchway.toml:24: edge.trusted-proxies: "10.0.0.0/40" is not an address or range, such as 192.0.2.7 or 10.0.0.0/8
    launchway.toml:25: edge.drain: "soon" is not a duration: 30s, 2m, 1m30s, 1h or 500ms
    launchway.toml:26: edge.addresses: "10.213.0.1/24" is too large or too small: each environment gets a network of it; from /8 to /20
    "#);
}

#[test]
fn accounts_of_registries_are_read_and_their_passwords_are_secret() {
    let text = GOOD.to_string()
        + "[registries.\"https://index.docker.io/v1/\"]\nusername = \"acme\"\npassword = \"dckr_pat_1\"\n[registries.\"registry.example.com:5000\"]\nusername = \"ci\"\npassword = { env = \"PATH\" }\n";
    let config = parse(&text, Path::new("launchway.toml")).unwrap();
    let names: Vec<&str> = config.registries.of_all.keys().map(String::as_str).collect();
    assert_eq!(names, ["docker.io", "registry.example.com:5000"]);
    assert_eq!(config.registries.of_all["docker.io"].username, "acme");
    assert_eq!(crate::model::Mask::new(&config.secrets()).apply("use dckr_pat_1"), "use ***");
    let wrong =
        GOOD.to_string() + "[registries.\"ghcr.io/acme\"]\nusername = \"\"\npassword = { file = \"/nowhere/token\" }\n";
    insta::assert_snapshot!(problems(&wrong), @r#"
    launchway.toml:21: registries.ghcr.io/acme: it is no registry: its host and, where it has one, its port, such as "ghcr.io" or "registry.example.com:5000"; "docker.io" is Docker Hub
    launchway.toml:22: registries.ghcr.io/acme.username: it is empty
    launchway.toml:23: registries.ghcr.io/acme.password: the file /nowhere/token cannot be read: No such file or directory (os error 2)
    "#);
    let half = GOOD.to_string() + "[registries.quay]\nusername = \"x\"\n";
    assert!(problems(&half).contains("missing field `password`"), "{}", problems(&half));
}

#[test]
fn what_is_kept_is_read_with_its_defaults_and_its_mistakes_with_their_lines() {
    let config = parse(GOOD, Path::new("launchway.toml")).unwrap();
    assert_eq!(config.keep, crate::model::Retention::default());
    let keep = "[keep]\nreleases = 3\nage = \"30d\"\nbuild-cache = \"20GB\"\nfree = \"5GB\"\n";
    let config = parse(&format!("{GOOD}{keep}"), Path::new("launchway.toml")).unwrap();
    assert_eq!((config.keep.releases, config.keep.build_cache), (3, Some(20_000_000_000)));
    let bad = "[keep]\nreleases = 0\nage = \"soon\"\ndeployments = \"1h\"\nbuild-cache = \"20\"\nfree = \"100%\"\n";
    let all = problems(&format!("{GOOD}{bad}"));
    let without_places: Vec<&str> = all.lines().map(|line| line.split_once(": ").unwrap().1).collect();
    insta::assert_snapshot!(without_places.join("\n"), @r#"
    keep.releases: at least 1: the release before the live one is always kept, to go back to
    keep.age: "soon" is not a time: 30d, 90d or 36h
    keep.deployments: "1h" is less than a day; nothing is taken away so soon
    keep.build-cache: "20" is not a size: 500MB, 20GB or 20GiB
    keep.free: "100%" is neither a share of the disk, such as 10%, nor a size, such as 5GB; a share is 0% to 99%
    "#);
    let first = GOOD.lines().count() + 2;
    for (index, line) in all.lines().enumerate() {
        assert!(line.starts_with(&format!("launchway.toml:{}: ", first + index)), "{line}");
    }
}

#[test]
fn limits_of_builds_and_of_waiting_are_read_and_refused_by_line() {
    let with = |limits: &str| GOOD.replace("[limits]\n", &format!("[limits]\n{limits}"));
    let limits = parse(&with("wait = \"5m\"\nbuild-memory = \"1.5GB\"\nbuild-cpus = 1.5\n"), Path::new("l.toml"));
    let limits = limits.unwrap().limits;
    assert_eq!(limits.wait, Duration::from_secs(300));
    assert_eq!((limits.build_memory_bytes, limits.build_cpu_millis), (Some(1_500_000_000), Some(1500)));
    let usual = parse(GOOD, Path::new("l.toml")).unwrap().limits;
    assert_eq!((usual.wait, usual.build_memory_bytes, usual.build_cpu_millis), (Duration::from_secs(3600), None, None));
    insta::assert_snapshot!(problems(&with("build-memory = \"2\"\nbuild-cpus = 0.0\nwait = \"soon\"\n")), @r#"
    launchway.toml:7: limits.build-memory: "2" is not a size: 500MB, 20GB or 20GiB
    launchway.toml:8: limits.build-cpus: it is no number of cores: 0.01 to 4096, such as 1.5
    launchway.toml:9: limits.wait: "soon" is not a duration: 30s, 2m, 1m30s, 1h or 500ms
    "#);
    insta::assert_snapshot!(problems(&with("build-memory = \"1MB\"\n")), @r#"launchway.toml:7: limits.build-memory: "1MB" is too little for any build: at least 64MB"#);
}

const TIMED: &str = r#"
listen = "127.0.0.1:8080"
[projects.shop]
forge = "plain"
repository = "/srv/git/shop.git"
secret = "0123456789abcdef"
[projects.shop.environments.production]
branch = "main"
"#;

#[test]
fn what_is_wrong_with_the_timing_is_named_with_its_line() {
    let text = format!(
        r#"{TIMED}windows = [
  {{ days = [], from = "09:00", to = "17:00" }},
  {{ days = ["monday"], from = "9", to = "17:00", timezone = "Mars/Olympus" }},
  {{ days = ["mon-fri"], from = "09:00", to = "12:00" }},
  {{ days = ["fri"], from = "11:00", to = "13:00" }},
]
freeze = [{{ from = "2026-12-20", to = "2026-12-01" }}, {{ from = "2026-12-20", to = "9999-12-31" }}]
approvers = {{ anna = "short", bob = "bobs-longer-code", carl = "bobs-longer-code" }}
priority = 1000
"#
    );
    insta::assert_snapshot!(problems(&text), @r#"
    launchway.toml:10: projects.shop.environments.production.windows[0].days: it names no day, so it would never open; without `days` it is every day
    launchway.toml:11: projects.shop.environments.production.windows[1].days: "monday" is not a day or a range of days: mon, tue, wed, thu, fri, sat, sun, or mon-fri
    launchway.toml:11: projects.shop.environments.production.windows[1].timezone: "Mars/Olympus" is not a time zone, such as Europe/Berlin or UTC
    launchway.toml:11: projects.shop.environments.production.windows[1].from: "9" is not a time of day, such as "09:00"
    launchway.toml:13: projects.shop.environments.production.windows[3]: fri 11:00 to 13:00 UTC overlaps mon-fri 09:00 to 12:00 UTC; write one window, so that it is clear what is meant
    launchway.toml:15: projects.shop.environments.production.freeze[0].to: it ends on 2026-12-01, before it begins on 2026-12-20
    launchway.toml:15: projects.shop.environments.production.freeze[1].to: it would last 2912090 days, and 366 is the most; `launchway pause` holds an environment until somebody resumes it
    launchway.toml:16: projects.shop.environments.production.approvers.anna: a code has at least 12 characters (make one with `openssl rand -hex 12`)
    launchway.toml:16: projects.shop.environments.production.approvers.carl: it is the code of bob too, so nobody could tell them apart
    launchway.toml:17: projects.shop.environments.production.priority: 1000 is not from -100 to 100
    "#);
    let nothing = format!("{TIMED}freeze = [{{ from = \"2026-12-20\" }}]\n");
    let said = problems(&nothing);
    assert!(said.starts_with("launchway.toml:9: ") && said.contains("`to`"), "{said}");
    let unknown = format!("{TIMED}windows = [{{ day = \"mon\", from = \"09:00\", to = \"17:00\" }}]\n");
    let said = problems(&unknown);
    assert!(said.starts_with("launchway.toml:9: ") && said.contains("did you mean \"days\"?"), "{said}");
}

#[test]
fn timing_has_its_usual_values() {
    let of = |lines: &str| {
        let config = parse(&format!("{TIMED}{lines}"), Path::new("launchway.toml")).unwrap();
        config.projects.values().next().unwrap().environments.values().next().unwrap().clone()
    };
    let usual = of("");
    assert!(usual.windows.is_empty() && usual.freezes.is_empty() && !usual.approval);
    assert_eq!(usual.priority, 10, "it is called production");
    let set = of("windows = [{ from = \"09:00\", to = \"17:00\" }]\npriority = -3\napproval = true\n");
    assert_eq!(set.windows[0].sentence(), "mon-sun 09:00 to 17:00 UTC");
    assert_eq!((set.priority, set.approval), (-3, true));
}

#[test]
fn every_project_knows_which_paths_of_the_host_others_may_mount() {
    let other = r#"
[projects.other]
forge = "plain"
repository = "/srv/git/other.git"
secret = "another secret"
allow = { host-paths = ["/srv"], subnets = ["172.28.0.0/16"] }
[projects.other.environments.production]
branch = "main"
binds = { "./uploads" = "/mnt/uploads" }
"#;
    let config = parse(&format!("{GOOD}{other}"), Path::new("launchway.toml")).unwrap();
    for project in config.projects.values() {
        assert_eq!(project.allow.mountable, ["/mnt/uploads", "/srv"]);
    }
    let wrong = other.replace("172.28.0.0/16", "172.28.0.0").replace("\"/srv\"", "\"srv\"");
    insta::assert_snapshot!(problems(&format!("{GOOD}{wrong}")), @r#"
    launchway.toml:22: projects.other.allow.subnets: "172.28.0.0" is no range of addresses, such as "172.28.0.0/16"
    launchway.toml:22: projects.other.allow.host-paths: "srv" is no absolute path
    "#);
}

#[test]
fn an_account_of_a_project_is_nobody_elses() {
    let text = r#"
[registries."ghcr.io"]
username = "all"
password = "everybodys-password"
[projects.shop]
forge = "plain"
repository = "/srv/shop.git"
secret = "0123456789abcdef"
[projects.shop.registries."https://ghcr.io/v2/"]
username = "shop"
password = "shops-password"
[projects.shop.environments.production]
branch = "main"
"#;
    let config = parse(text, Path::new("launchway.toml")).unwrap();
    let name = |name: &str| ProjectName::new(name).unwrap();
    let of = |project: &str| config.registries.of(&name(project), "ghcr.io").unwrap().username.clone();
    assert_eq!((of("shop").as_str(), of("blog").as_str()), ("shop", "all"));
    assert!(config.registries.is_anothers(&name("blog"), "ghcr.io"));
    assert!(!config.registries.is_anothers(&name("shop"), "ghcr.io"));
    assert_eq!(config.secrets().iter().filter(|secret| secret.expose().ends_with("s-password")).count(), 2);
}

#[test]
fn what_is_masked_or_plain_by_name_is_of_the_project_and_the_environment_goes_first() {
    let text = r#"
[projects.shop]
forge = "plain"
repository = "/srv/git/shop.git"
secret = "abc"
mask = ["MOTTO", "GREETING"]
plain = "SORT_KEY"
[projects.shop.environments.production]
branch = "main"
mask = "SORT_KEY"
plain = ["GREETING", "config/public.key"]
"#;
    let config = parse(text, Path::new("launchway.toml")).unwrap();
    let names = &config.projects["shop"].environments["production"].names;
    assert_eq!(names.mask.iter().collect::<Vec<_>>(), ["MOTTO", "SORT_KEY"]);
    assert_eq!(names.plain.iter().collect::<Vec<_>>(), ["GREETING", "config/public.key"]);

    let wrong = text
        .replace("plain = [\"GREETING\"", "secrets = { BANK = \"x\" }\nplain = [\"SORT_KEY\", \"BANK\"")
        .replace("mask = [\"MOTTO\"", "mask = [\"API_KEY=hunter22\"");
    insta::assert_snapshot!(problems(&wrong), @r#"
    launchway.toml:6: projects.shop.mask: it is a list of names of variables, keys and files, such as ["API_KEY"], without their values
    launchway.toml:12: projects.shop.environments.production.plain: SORT_KEY is under `mask` too: it is hidden or shown, not both
    launchway.toml:12: projects.shop.environments.production.plain: BANK is one of the `secrets` here; take it out of one of them
    "#);
}

#[test]
fn passwords_in_urls_of_the_settings_are_secrets_too() {
    let text = GOOD.replace("https://github.com/", "https://me:pa%40ssword@github.com/");
    let config = parse(&text, Path::new("launchway.toml")).unwrap();
    assert!(config.secrets().contains(&Secret::new("pa@ssword")));
}
