//! Measures for Prometheus: who may read them, and what they say of what happened.

use crate::support::app::{write_ready_made, write_ready_made_broken, write_shop};
use crate::support::exposition::{Series, read};
use crate::support::world::{Settings, World, free_port, get};

/// What the server's own listener for measures says.
async fn scrape(port: u16) -> Series {
    read(&get(&format!("http://127.0.0.1:{port}/metrics")).await.expect("measures"))
}

/// What the control socket says.
pub async fn scrape_control(world: &World) -> String {
    let answer = world.control().get("http://launchway/metrics").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    answer.error_for_status().unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_after_each_push_counts_it_once_and_a_restart_loses_none() {
    let port = free_port();
    let tables = format!("[metrics]\nlisten = \"127.0.0.1:{port}\"");
    let mut world = World::with(Settings { tables, ..Settings::default() }).await;
    let place = format!("environment=\"production\",project=\"{}\"", world.project);
    let project = world.project.clone();
    let ended = |outcome: &str| {
        format!(
            "launchway_deployments_total{{environment=\"production\",outcome=\"{outcome}\",project=\"{project}\",trigger=\"push\"}}"
        )
    };
    let took = |outcome: &str| {
        format!(
            "launchway_deployment_duration_seconds_count{{environment=\"production\",outcome=\"{outcome}\",project=\"{project}\"}}"
        )
    };
    let before = scrape(port).await;
    assert!(!before.contains_key(&ended("succeeded")), "{before:?}");
    assert_eq!(before[&format!("launchway_queue_length{{{place}}}")], 0.0);
    assert_eq!(before["launchway_engine_up"], 1.0);

    write_shop(&world.repository, "one");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    world
        .until("the status to be sent", || async {
            (scrape(port).await["launchway_outbox_waiting"] == 0.0).then_some(())
        })
        .await;
    let first = scrape(port).await;
    assert_eq!((first[&ended("succeeded")], first[&took("succeeded")]), (1.0, 1.0));
    for stage in ["prepare", "build", "deploy", "monitor"] {
        let count = format!(
            "launchway_stage_duration_seconds_count{{environment=\"production\",project=\"{project}\",stage=\"{stage}\"}}"
        );
        assert_eq!(first.get(&count), Some(&1.0), "{stage}");
    }
    let built: f64 = first.iter().filter(|(key, _)| key.starts_with("launchway_builds_total{")).map(|(_, n)| n).sum();
    assert_eq!(built, 1.0, "{first:?}");
    assert_eq!(first[&format!("launchway_deliveries_total{{outcome=\"deploys\",project=\"{project}\"}}")], 1.0);
    assert_eq!(first["launchway_outbox_oldest_seconds"], 0.0);
    for bytes in ["launchway_data_free_bytes", "launchway_store_size_bytes", "process_resident_memory_bytes"] {
        assert!(first[bytes] > 0.0, "{bytes}");
    }
    assert!(first["process_open_fds"] > 3.0 && first["process_cpu_seconds_total"] > 0.0, "{first:?}");

    write_ready_made_broken(&world.repository, "no bank");
    assert_eq!(world.ends(&world.push("Broken")).await.state, "failure");
    let second = scrape(port).await;
    assert_eq!((second[&ended("succeeded")], second[&ended("rolled_back")]), (1.0, 1.0));
    assert!(second["process_cpu_seconds_total"] >= first["process_cpu_seconds_total"]);
    // Asked twice, nothing is counted twice; and what is counted of the store is there again after a restart.
    assert_eq!(scrape(port).await[&ended("rolled_back")], 1.0);
    world.terminate().await;
    world.serve().await;
    let third = scrape(port).await;
    assert_eq!((third[&ended("succeeded")], third[&took("rolled_back")]), (1.0, 1.0));
    // Nothing that grows with every push names a series.
    let commits = world.query("SELECT commit_id FROM deployments");
    let text = scrape_control(&world).await;
    assert!(commits.lines().all(|commit| !text.contains(&commit[..7])), "{text}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_measures_name_projects_so_they_are_not_among_the_public_pages() {
    let world = World::new().await;
    assert_eq!(get(&format!("http://127.0.0.1:{}/metrics", world.port)).await, None);
    let text = scrape_control(&world).await;
    assert!(text.contains(&world.project), "{text}");
    assert_eq!(read(&text)["launchway_engine_up"], 1.0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_edge_answered_is_told_by_release_and_an_edge_that_is_away_is_said() {
    let (metrics, edge) = (free_port(), free_port());
    let settings = Settings {
        tables: format!("[metrics]\nlisten = \"127.0.0.1:{metrics}\"\n[edge]\nlisten = [\"127.0.0.1:{edge}\"]\n"),
        ..Settings::default()
    };
    let mut world = World::not_serving(settings).await;
    world.start_edge().await;
    world.serve().await;
    write_ready_made(&world.repository, "one");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    for _ in 0..7 {
        assert_eq!(world.get("/").await.as_deref(), Some("one"));
    }
    let of = format!("component=\"web\",environment=\"production\",project=\"{}\",release=\"1\"", world.project);
    let series = scrape(metrics).await;
    assert_eq!(series["launchway_edge_up"], 1.0);
    let answered = format!("launchway_edge_requests_total{{class=\"2xx\",{of}}}");
    assert_eq!(series.get(&answered), Some(&7.0), "{series:?}");
    assert_eq!(series[&format!("launchway_edge_request_duration_seconds_count{{{of}}}")], 7.0);
    let place = of.replace(",release=\"1\"", "");
    assert_eq!(series[&format!("launchway_edge_holds_total{{{place}}}")], 0.0, "nobody had to wait");

    // While a component is recreated, requests wait.
    let compose = std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap();
    let second = compose
        .replace("echo -n one", "echo -n two")
        .replace("  web:\n", "  web:\n    x-launchway: { method: recreate }\n");
    world.repository.write("compose.yaml", second);
    let commit = world.push("Second");
    world.until("the second version", || async { world.get("/").await.filter(|said| said == "two") }).await;
    assert_eq!(world.ends(&commit).await.state, "success");
    let series = scrape(metrics).await;
    assert!(series[&format!("launchway_edge_holds_total{{{place}}}")] >= 1.0, "{series:?}");
    assert!(series[&format!("launchway_edge_hold_seconds_total{{{place}}}")] > 0.0, "{series:?}");
    world.kill_edge();
    let series = scrape(metrics).await;
    assert_eq!(series["launchway_edge_up"], 0.0);
    assert!(!series.keys().any(|key| key.starts_with("launchway_edge_requests")), "{series:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_for_measures_that_is_none_or_taken_is_said_with_its_line() {
    let world =
        World::not_serving(Settings { tables: "[metrics]\nlisten = \"everywhere\"\n".into(), ..Settings::default() })
            .await;
    let (code, _, said) = world.launchway(&["serve"]).await;
    assert!(code != 0 && said.contains("metrics.listen: \"everywhere\" is not an address with a port"), "{said}");
    let same = format!("[metrics]\nlisten = \"127.0.0.1:{}\"\n", world.port);
    world.configure(&Settings { tables: same, ..Settings::default() });
    let (code, _, said) = world.launchway(&["serve"]).await;
    assert!(code != 0 && said.contains("is `listen` already; another port"), "{said}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tables = format!("[metrics]\nlisten = \"{}\"\n", taken.local_addr().unwrap());
    world.configure(&Settings { tables, ..Settings::default() });
    let (code, _, said) = world.launchway(&["serve"]).await;
    assert!(code != 0 && said.contains("(`metrics.listen` in "), "{said}");
}
