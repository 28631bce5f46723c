//! `launchway.toml`: changed while it serves, wrong, or asking for what cannot be.

use crate::support::app::{WEB, write_gated, write_quick, write_ready_made, write_shop, write_web};
use crate::support::world::{Settings, World, free_port, signal};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_change_are_read_again() {
    let world = World::with(Settings { environment: Some("branch = \"release\"".into()), ..Settings::default() }).await;
    write_quick(&world.repository, "one");
    world.push("First");
    world.until_store_says("SELECT reason FROM deliveries", "no environment wants main").await;
    world.configure(&Settings::default());
    world.until_said("The settings were read again").await;
    write_quick(&world.repository, "two");
    let commit = world.push("Second");
    assert_eq!(world.ends(&commit).await.state, "success");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_refused_with_its_line_while_the_old_settings_stay() {
    let world = World::new().await;
    let path = world.folder().join("launchway.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    let bad = good.replace("forge = \"plain\"", "forge = \"sourceforge\"");
    let line = bad.lines().position(|line| line.contains("sourceforge")).unwrap() + 1;
    std::fs::write(&path, &bad).unwrap();
    signal(world.pid(), "HUP");
    world.until_said("The settings were changed but are not right; the old ones stay").await;
    let log = world.serve_log();
    assert!(log.contains(&format!("launchway.toml:{line}: ")) && log.contains("sourceforge"), "{log}");

    write_quick(&world.repository, "one");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    std::fs::write(&path, &good).unwrap();
    world.until_said("The settings were read again").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_wrong_at_the_start_is_refused_with_every_problem() {
    let world = World::not_serving(Settings::default()).await;
    let path = world.folder().join("launchway.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    let without_secret: String =
        good.lines().filter(|line| !line.starts_with("secret =")).map(|l| format!("{l}\n")).collect();
    std::fs::write(&path, without_secret.replace("branch = \"main\"", "brunch = \"main\"")).unwrap();
    let (code, _, told) = world.launchway(&["serve"]).await;
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("brunch"), "{told}");

    std::fs::write(&path, without_secret).unwrap();
    let (code, _, told) = world.launchway(&["serve"]).await;
    assert_eq!(code, 1, "{told}");
    let key = format!("projects.{}.secret", world.project);
    assert!(told.contains(&key) && told.contains("without it anybody could start a deployment"), "{told}");
    assert!(!world.data().exists(), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_on_one_data_directory_are_refused() {
    let world = World::new().await;
    let path = world.folder().join("launchway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let listen = format!("127.0.0.1:{}", world.port);
    let other = world.folder().join("other.toml");
    std::fs::write(&other, text.replace(&listen, &format!("127.0.0.1:{}", free_port()))).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_launchway"))
        .arg("--config")
        .arg(&other)
        .arg("serve")
        .current_dir(world.folder())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("another Launchway serves the data directory"), "{told}");

    // The first one is none the worse for it.
    write_quick(&world.repository, "one");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_end_puts_nothing_back_and_the_next_one_goes_on() {
    let mut world = World::new().await;
    write_quick(&world.repository, "one");
    world.ends(&world.push("First")).await;
    write_gated(&world.repository, "two");
    let commit = world.push("Second");
    world.until_deployment(&commit, &["deploying"]).await;
    let before = world.until("the new container to run", || async { gated(&world).await }).await;
    world.terminate().await;
    assert_eq!(world.query("SELECT state FROM deployments ORDER BY id").trim(), "succeeded\ndeploying");
    assert_eq!(gated(&world).await.as_ref(), Some(&before), "what was begun still runs");
    world.serve().await;
    world
        .until("it to be taken up", || async {
            world.deployment_logs().contains("taken up again after a restart").then_some(())
        })
        .await;
    world.open_gates().await;
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "success", "{shown:?}");
    assert_eq!(gated(&world).await, Some(before), "the very container that was begun");
    world.end().await;
}

/// The id of the running container of version two.
async fn gated(world: &World) -> Option<String> {
    for id in world.running().await.into_values() {
        let details = world.engine.docker.inspect_container(&id, None).await.ok()?;
        if details.config?.env?.contains(&"VERSION=two".to_string()) {
            return Some(id);
        }
    }
    None
}

/// Production from main, and staging from main or a branch of its own, on another port.
fn with_staging(branch: &str, port: u16) -> Settings {
    let tables = format!(
        "[projects.PROJECT.environments.staging]\nbranch = \"{branch}\"\nbake = \"0s\"\n\
         [projects.PROJECT.environments.staging.variables]\nPORT = \"{port}\"\n"
    );
    Settings { tables, ..Settings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_environments_of_one_file_do_not_meet() {
    let port = free_port();
    let world = World::with(with_staging("main", port)).await;
    write_shop(&world.repository, "one");
    let text = std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap();
    // The name at the top is the developers'; here the environments have their own.
    world.repository.write("compose.yaml", format!("name: shop\n{text}"));
    let commit = world.push("First");
    for (environment, port) in [("production", world.app_port), ("staging", port)] {
        let shown = world.ends_in(&commit, &format!("launchway/{environment}")).await;
        assert_eq!(shown.state, "success", "{shown:?}");
        let url = format!("http://127.0.0.1:{port}/");
        assert_eq!(crate::support::world::get(&url).await.as_deref(), Some("one"));
    }
    let mut names: Vec<String> =
        world.containers().await.into_iter().flat_map(|c| c.names.unwrap_or_default()).collect();
    names.sort();
    let project = &world.project;
    let expected = ["production-store-1", "production-web-1", "staging-store-1", "staging-web-1"];
    assert_eq!(names, expected.map(|name| format!("/{project}-{name}")));
    world.end().await;
}

/// What staging says of a file that gives both environments the same thing, and that nothing of staging was started.
async fn staging_is_refused(world: World, wanted: &str) {
    let commit = world.push("Both");
    // They begin together: whichever comes second is refused.
    let both = ["production", "staging"];
    let mut ends = Vec::new();
    for environment in both {
        ends.push(world.ends_in(&commit, &format!("launchway/{environment}")).await);
    }
    let states: Vec<&str> = ends.iter().map(|shown| shown.state.as_str()).collect();
    let refused = states.iter().position(|state| *state == "failure").expect("one is refused");
    assert_eq!(states[1 - refused], "success", "{ends:?}");
    let project = &world.project;
    // Both are named, and where it stands in the other's file.
    let named = format!("{project}/{} and {project}/{} (there at compose.yaml:", both[refused], both[1 - refused]);
    let wants = format!(") both want {wanted}: two environments must not meet.");
    let logs = world.deployment_logs();
    assert!(logs.lines().any(|line| line.contains(&named) && line.contains(&wants)), "{ends:?}\n{logs}");
    let labelled: Vec<_> = world
        .containers()
        .await
        .into_iter()
        .filter(|c| c.labels.as_ref().is_some_and(|l| l["launchway.environment"] == both[refused]))
        .collect();
    assert!(labelled.is_empty(), "{labelled:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_name_that_two_environments_want_is_refused_before_anything_starts() {
    let world = World::with(with_staging("main", free_port())).await;
    write_quick(&world.repository, "one");
    let text = std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap();
    let name = format!("{}-the-web", world.project);
    world.repository.write("compose.yaml", format!("{text}    container_name: {name}\n"));
    staging_is_refused(world, &format!("the container name {name}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_two_environments_want_is_refused_before_anything_starts() {
    let world = World::with(with_staging("main", free_port())).await;
    write_web(&world.repository, "one");
    let port = world.app_port;
    world.repository.write("compose.yaml", format!("services:{}", WEB.replace("${PORT}", &port.to_string())));
    staging_is_refused(world, &format!("port {port} of the host")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_the_host_in_which_two_environments_write_is_refused_unless_the_settings_share_it() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let path = folder.path().display().to_string();
    for shared in [false, true] {
        let shares = if shared { format!(", shared-paths = [\"{path}\"]") } else { String::new() };
        let allow = format!("allow = {{ host-paths = [\"{path}\"]{shares} }}");
        let world = World::with(Settings { project: allow, ..with_staging("main", free_port()) }).await;
        write_quick(&world.repository, "one");
        let text = std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap();
        world.repository.write("compose.yaml", format!("{text}    volumes: [\"{path}:/data\"]\n"));
        if !shared {
            staging_is_refused(world, &format!("to write in {path} of the host")).await;
            continue;
        }
        let commit = world.push("Both");
        for environment in ["production", "staging"] {
            let shown = world.ends_in(&commit, &format!("launchway/{environment}")).await;
            assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
        }
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_two_environments_want_is_refused_before_anything_starts() {
    let world = World::with(with_staging("main", free_port())).await;
    write_quick(&world.repository, "one");
    let text = std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap();
    let name = format!("{}-orders", world.project);
    let volume = format!("{text}    volumes: [\"data:/data\"]\nvolumes: {{ data: {{ name: {name} }} }}\n");
    world.repository.write("compose.yaml", volume);
    staging_is_refused(world, &format!("the volume {name}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_of_a_network_that_two_environments_want_are_refused_before_anything_starts() {
    let allow = "allow = { subnets = [\"10.199.0.0/16\"] }".to_string();
    let world = World::with(Settings { project: allow, ..with_staging("main", free_port()) }).await;
    write_quick(&world.repository, "one");
    let text = std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap();
    let ipam = "networks: { default: { ipam: { config: [{ subnet: 10.199.77.0/24 }] } } }\n";
    world.repository.write("compose.yaml", format!("{text}{ipam}"));
    staging_is_refused(world, "addresses of 10.199.77.0/24").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_environment_has_let_go_another_one_gets() {
    let allow = "allow = { subnets = [\"10.199.0.0/16\"] }".to_string();
    let world = World::with(Settings { project: allow, ..with_staging("dev", free_port()) }).await;
    let (port, range) = (world.app_port, "10.199.78.0/24");
    let publishing = |version: &str| {
        let ipam = format!("networks: {{ default: {{ ipam: {{ config: [{{ subnet: {range} }}] }} }} }}\n");
        write_web(&world.repository, version);
        let web = WEB.replace("${PORT}", &port.to_string());
        world.repository.write("compose.yaml", format!("services:{web}{ipam}"));
    };
    let to_dev = |message: &str| {
        let commit = world.repository.commit(message);
        world.repository.git(&["branch", "-f", "dev"]);
        world.repository.push("dev");
        commit
    };
    publishing("production");
    assert_eq!(world.ends(&world.push("Production")).await.state, "success");
    publishing("staging");
    let refused = to_dev("Staging");
    assert_eq!(world.ends_in(&refused, "launchway/staging").await.state, "failure");
    let held = format!("port {port} of the host is held by container {}-production-web-1", world.project);
    assert!(world.deployment_logs().contains(&held), "{}", world.deployment_logs());
    // Production publishes nothing any more, and moves to another network.
    write_quick(&world.repository, "moved");
    let text = std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap();
    world.repository.write("compose.yaml", format!("{text}    networks: [other]\nnetworks: {{ other: {{}} }}\n"));
    assert_eq!(world.ends(&world.push("Moved")).await.state, "success");
    publishing("staging again");
    let staging = to_dev("Again");
    let shown = world.ends_in(&staging, "launchway/staging").await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    assert_eq!(world.get("/").await.as_deref(), Some("staging again"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_ends_where_it_began_although_the_repository_gets_a_second_project_meanwhile() {
    let world = World::new().await;
    write_gated(&world.repository, "one");
    let commit = world.push("First");
    world.until("its container to run", || async { world.running().await.contains_key("web").then_some(()) }).await;
    let tables = format!(
        "[projects.PROJECT-two]\nforge = \"plain\"\nrepository = \"{}\"\nname = \"octo/shop\"\nsecret = \"s-2\"\n\
         [projects.PROJECT-two.environments.production]\nbranch = \"never\"\n",
        world.repository.bare().display()
    );
    world.configure(&Settings { tables, ..Settings::default() });
    world.until_said("The settings were read again").await;
    world.open_gates().await;
    assert_eq!(world.ends(&commit).await.state, "success");
    assert_eq!(world.shown(&commit).len(), 1, "{:?}", world.shown(&commit));
    // The next one says which project it is of.
    write_quick(&world.repository, "two");
    let next = world.push("Second");
    let context = format!("launchway/production ({})", world.project);
    assert_eq!(world.ends_in(&next, &context).await.state, "success");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_to_listen_on_that_is_taken_is_said() {
    let world = World::not_serving(Settings::default()).await;
    let _taken = std::net::TcpListener::bind(("127.0.0.1", world.port)).unwrap();
    let end = tokio::time::timeout(Duration::from_secs(20), world.launchway(&["serve"])).await;
    let (code, _, told) = end.expect("it gives up at once");
    assert_eq!(code, 1, "{told}");
    assert!(told.contains(&format!("cannot listen on 127.0.0.1:{}", world.port)), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_addresses_to_which_the_host_leads_is_refused_before_anything_starts() {
    let edge = free_port();
    // To the engine's first bridge every host leads.
    let routes = std::fs::read_to_string("/proc/net/route").unwrap();
    let docker0 = routes.lines().find(|line| line.starts_with("docker0")).expect("the engine's first bridge");
    let words: Vec<&str> = docker0.split_ascii_whitespace().collect();
    let address = |word: &str| std::net::Ipv4Addr::from(u32::from_str_radix(word, 16).unwrap().to_ne_bytes());
    let range = ipnet::Ipv4Net::with_netmask(address(words[1]), address(words[7])).unwrap();
    let tables = format!("[edge]\nlisten = [\"127.0.0.1:{edge}\"]\naddresses = \"{range}\"\n");
    let mut world = World::not_serving(Settings { tables, ..Settings::default() }).await;
    world.start_edge().await;
    world.serve().await;
    write_ready_made(&world.repository, "one");
    let shown = world.ends(&world.push("First")).await;
    assert_eq!(shown.state, "error", "{shown:?}");
    let says = format!("edge.addresses: there is no place in {range} for a network between the edge");
    assert!(shown.description.starts_with(&says), "{shown:?}");
    let logs = world.deployment_logs();
    assert!(
        logs.contains(&format!("the host leads {range} to docker0, and that is all of it. Set `addresses`")),
        "{logs}"
    );
    assert_eq!(world.on_the_engine().await, Vec::<String>::new(), "nothing was begun");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn config_check_says_every_mistake_at_once_without_a_server() {
    let world = World::not_serving(Settings::default()).await;
    let path = world.folder().join("launchway.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    let (code, said, _) = world.launchway(&["config", "check"]).await;
    assert_eq!(
        (code, said.lines().last().unwrap().ends_with("1 project, 1 environment; 0 errors, 0 warnings")),
        (0, true),
        "{said}"
    );

    std::fs::write(world.folder().join("shop.env"), "PLAIN=a\nPASS=pa$x #1\n").unwrap();
    let with_file = good.replace("branch = \"main\"", "branch = \"main\"\nvariable-files = [\"shop.env\"]");
    std::fs::write(&path, &with_file).unwrap();
    let (code, said, _) = world.launchway(&["config", "check"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("shop.env:2: ") && said.contains("Compose would read PASS otherwise"), "{said}");
    assert!(!said.contains("pa$x") && said.contains("0 errors, 1 warning"), "{said}");

    let wrong = good
        .replace("listen = ", "lissten = 1\nlisten = ")
        .replace("branch = \"main\"", "brnch = \"main\"\napproval = \"hunter2\"");
    let wrong = wrong.replace("bake = \"0s\"", "bake = \"soon\"");
    std::fs::write(&path, wrong).unwrap();
    let (code, said, _) = world.launchway(&["config", "check"]).await;
    assert_eq!(code, 1, "{said}");
    for part in [
        "did you mean \"listen\"?",
        "did you mean \"branch\"?",
        "\"soon\" is not a duration",
        "must be true or false, not a text",
        "4 errors, 0 warnings",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("hunter2") && !said.contains("nothing deploys here"), "what is misspelled is there: {said}");
    assert!(!world.data().exists(), "nothing was begun");
}
