//! An environment of many components with a front each: how long it takes to see that nothing is to be done, and to bring
//! one change live, beside what the engine itself takes for the calls that this needs.
//!
//! `--components N`, `--rounds N`.

#[path = "../figures/mod.rs"]
mod figures;
#[allow(dead_code, unused_imports)]
#[path = "../../tests/support/mod.rs"]
mod support;

use bollard::models::{ContainerCreateBody, ContainerSummary, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, ListNetworksOptions, ListVolumesOptions,
    RemoveContainerOptionsBuilder,
};
use figures::{Figure, argument, is_quick, print_table};
use futures_util::StreamExt;
use launchway::model::CommitId;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use support::images::BASE;
use support::world::World;

/// What the first deployment takes at most.
const PATIENCE: Duration = Duration::from_secs(1800);
/// Calls to the engine at once.
const AT_ONCE: usize = 16;

fn main() {
    let number = |name: &str, quick: usize, usual: usize| {
        argument(name).map_or(if is_quick() { quick } else { usual }, |text| text.parse().expect("a number"))
    };
    let (components, rounds) = (number("--components", 5, 200), number("--rounds", 2, 7));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(components, rounds));
}

/// Each is called by the one before it, so that each gets a front; the first has this version.
fn file(components: usize, version: usize) -> String {
    let mut text = "services:\n".to_string();
    for number in 0..components {
        let next = (number + 1) % components;
        let version = if number == 0 { version } else { 0 };
        // Only the one that is replaced has to be known to be healthy soon.
        let interval = if number == 0 { "1s" } else { "20s" };
        let _ = write!(
            text,
            "  c{number}:\n    image: {BASE}\n    init: true\n    stop_grace_period: 1s\n    command: [sleep, infinity]\n    expose: [\"8080\"]\n    healthcheck: {{ test: [CMD, \"true\"], interval: {interval} }}\n    environment: {{ NEXT: \"http://c{next}:8080\", VERSION: \"{version}\" }}\n"
        );
    }
    text
}

async fn ends(world: &World, commit: &CommitId) {
    let began = Instant::now();
    loop {
        let shown = tokio::task::block_in_place(|| world.shown(commit));
        let last = shown.into_iter().find(|s| !matches!(s.state.as_str(), "pending" | "running"));
        if let Some(last) = last {
            assert_eq!(last.state, "success", "{last:?}\n{}", world.deployment_logs());
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{}", world.deployment_logs());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Until nothing is left to do: the engine has looked at every health check.
async fn until_well(world: &World) {
    let began = Instant::now();
    while !world.launchway(&["plan"]).await.1.contains("No step is needed") {
        assert!(began.elapsed() < PATIENCE, "{}", world.deployment_logs());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn measure(components: usize, rounds: usize) {
    println!("many: {components} components with a front each, {rounds} rounds");
    let world = World::new().await;
    let write = |version: usize| {
        world.repository.write("compose.yaml", file(components, version));
    };
    write(0);
    let began = Instant::now();
    let first = world.push("First");
    ends(&world, &first).await;
    let all = world.containers().await.len();
    println!("  {all} containers are live after {:.0} s", began.elapsed().as_secs_f64());
    assert_eq!(all, 2 * components, "each component has its front");

    let (mut listed, mut inspected, mut planned, mut empty) = <(Figure, Figure, Figure, Figure)>::default();
    let (mut replaced, mut changed) = <(Figure, Figure)>::default();
    for round in 1..=rounds {
        until_well(&world).await;
        let began = Instant::now();
        let containers = list(&world).await;
        listed.add_time(began.elapsed());
        look(&world, &containers).await;
        inspected.add_time(began.elapsed());

        let began = Instant::now();
        let (code, out, error) = world.launchway(&["plan"]).await;
        planned.add_time(began.elapsed());
        assert!(code == 0 && out.contains("No step is needed"), "{out}{error}");

        world.repository.write("unrelated", round.to_string());
        let began = Instant::now();
        let commit = tokio::task::block_in_place(|| world.push("Unrelated"));
        ends(&world, &commit).await;
        empty.add_time(began.elapsed());

        replaced.add_time(replace(&world, round).await);

        write(round);
        let began = Instant::now();
        let commit = tokio::task::block_in_place(|| world.push("One change"));
        ends(&world, &commit).await;
        changed.add_time(began.elapsed());
    }
    let line = |title: &str, figure: &Figure| vec![title.to_string(), figure.text(2)];
    let rows = [
        vec!["seconds".to_string(), "median (lowest-highest)".to_string()],
        line("engine: list its containers", &listed),
        line("engine: list, and look at each, networks, volumes", &inspected),
        line("launchway plan: nothing to do", &planned),
        line("push to final status: nothing to do", &empty),
        line("engine: create, start, stop and remove a container", &replaced),
        line("push to final status: one component changed", &changed),
    ];
    print_table("", &rows);
    println!(
        "  nothing to do / the engine's own calls: {:.2} (plan), {:.2} (push to final status)",
        planned.median() / inspected.median(),
        empty.median() / inspected.median()
    );
    println!(
        "  one change / the engine's own calls (look and replace): {:.2}",
        changed.median() / (inspected.median() + replaced.median())
    );
    world.end().await;
}

async fn list(world: &World) -> Vec<ContainerSummary> {
    let filters = HashMap::from([("label", vec![format!("launchway.project={}", world.project)])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    world.engine.docker.list_containers(Some(options)).await.expect("the engine")
}

/// What nobody can do without who wants to know how everything stands: a call for each, as many at once as Launchway has.
async fn look(world: &World, containers: &[ContainerSummary]) {
    let docker = &world.engine.docker;
    let looking = containers.iter().map(|container| async move {
        docker.inspect_container(container.id.as_deref().unwrap_or_default(), None).await.expect("a container");
    });
    futures_util::stream::iter(looking).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    docker.list_networks(None::<ListNetworksOptions>).await.expect("networks");
    docker.list_volumes(None::<ListVolumesOptions>).await.expect("volumes");
}

/// A container like those, made on their network, and another like it stopped and removed.
async fn replace(world: &World, round: usize) -> Duration {
    let docker = &world.engine.docker;
    let make = async |name: String| {
        let body = ContainerCreateBody {
            image: Some(BASE.into()),
            cmd: Some(["sleep", "infinity"].map(String::from).to_vec()),
            stop_timeout: Some(1),
            host_config: Some(HostConfig {
                init: Some(true),
                network_mode: Some(format!("{}-production_default", world.project)),
                ..Default::default()
            }),
            ..Default::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let id = docker.create_container(Some(options), body).await.expect("a container").id;
        docker.start_container(&id, None).await.expect("it starts");
        id
    };
    let remove = async |id: &str| {
        docker.stop_container(id, None).await.expect("it stops");
        docker.remove_container(id, Some(RemoveContainerOptionsBuilder::new().build())).await.expect("it goes");
    };
    let old = make(format!("{}-old-{round}", world.project)).await;
    let began = Instant::now();
    let new = make(format!("{}-new-{round}", world.project)).await;
    remove(&old).await;
    let took = began.elapsed();
    remove(&new).await;
    took
}
