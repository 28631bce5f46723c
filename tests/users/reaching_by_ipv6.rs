//! Apps that listen on IPv6 alone: where their networks have it, the edge and the fronts reach them there.

use super::fronts::{told, write};
use super::moving_traffic::deployed;
use crate::support::base_image::resolving;
use crate::support::load::Load;
use crate::support::world::{Settings, World};
use bollard::query_parameters::InspectNetworkOptions;

/// `bindv6only`: what listens on every address does so on those of IPv6.
const LINES: &str = r#"    ports: ["127.0.0.1:${PORT}:8080"]
    sysctls: { net.ipv6.bindv6only: 1 }
"#;

fn write_on_ipv6(world: &World, version: &str) {
    write(&world.repository, version, LINES);
    let file = world.repository.work().join("compose.yaml");
    let text = std::fs::read_to_string(&file).unwrap().replace("http://127.0.0.1:8080/", "http://[::1]:8080/");
    // As two runs at the same time would have it.
    let subnet = format!("fd5a:{:x}:{:x}::/64", std::process::id() >> 16, std::process::id() & 0xffff);
    let networks =
        format!("networks: {{ default: {{ enable_ipv6: true, ipam: {{ config: [{{ subnet: \"{subnet}\" }}] }} }} }}\n");
    std::fs::write(&file, format!("{text}{networks}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_listens_on_ipv6_alone_is_reached_by_visitors_and_by_callers() {
    let mut world = World::not_serving(Settings { tables: "[edge]\n".into(), ..Settings::default() }).await;
    resolving(&world.engine.docker).await;
    world.start_edge().await;
    world.serve().await;
    write_on_ipv6(&world, "one");
    deployed(&world, "First").await;
    assert_eq!(world.get("/").await.as_deref(), Some("one\n"));
    let nobody = world.exec("api", &["sh", "-c", "wget -q -O - http://127.0.0.1:8080/ 2>&1 || true"]).await;
    assert!(nobody.contains("refused"), "it does listen on IPv4: {nobody}");

    let load = Load::start(world.app_port);
    write_on_ipv6(&world, "two");
    deployed(&world, "Second").await;
    let visitors = load.end().await;
    assert!(visitors.failed.is_empty(), "{:?}", visitors.failed);
    assert_eq!(visitors.bodies, ["one", "two"].map(String::from).into());
    let (bodies, answered, failed) = told(&world).await;
    assert_eq!((failed, bodies), (0, ["one", "two"].map(String::from).into()), "of {answered}");

    // Each address is where the routes say, whatever ran meanwhile.
    let api = world.running().await["api"].clone();
    let inspected = world.engine.docker.inspect_container(&api, None).await.unwrap();
    let label = &inspected.config.unwrap().labels.unwrap()["launchway.edge-address-6"];
    let networks = inspected.network_settings.unwrap().networks.unwrap();
    let (name, edge) = networks.into_iter().find(|(name, _)| name.ends_with("_launchway")).unwrap();
    assert_eq!(edge.global_ipv6_address.as_ref(), Some(label));
    let network = world.engine.docker.inspect_network(&name, None::<InspectNetworkOptions>).await.unwrap();
    assert_eq!((network.internal, network.enable_ipv6), (Some(true), Some(true)));
    world.end().await;
}
