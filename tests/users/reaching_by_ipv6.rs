//! Apps that listen on IPv6 alone: where their networks have it, the edge and the fronts reach them there.

use super::fronts::{told, write};
use super::moving_traffic::deployed;
use crate::support::base_image::resolving;
use crate::support::images::BASE;
use crate::support::load::Load;
use crate::support::world::{Settings, World, free_port};
use bollard::query_parameters::InspectNetworkOptions;

/// `bindv6only`: what listens on every address does so on those of IPv6.
const LINES: &str = r#"    ports: ["127.0.0.1:${PORT}:8080"]
    sysctls: { net.ipv6.bindv6only: 1 }
"#;

fn write_on_ipv6(world: &World, version: &str, other: &str) {
    write(&world.repository, version, LINES);
    let file = world.repository.work().join("compose.yaml");
    let text = std::fs::read_to_string(&file).unwrap().replace("http://127.0.0.1:8080/", "http://[::1]:8080/");
    // As two runs at the same time would have it.
    let subnet = format!("fd5a:{:x}:{:x}::/64", std::process::id() >> 16, std::process::id() & 0xffff);
    let networks =
        format!("networks: {{ default: {{ enable_ipv6: true, ipam: {{ config: [{{ subnet: \"{subnet}\" }}] }} }} }}\n");
    std::fs::write(&file, format!("{text}{other}{networks}")).unwrap();
}

/// Beside it, on the edge's network too, and nobody's business.
fn other(port: u16) -> String {
    format!(
        r#"
  other:
    image: {BASE}
    init: true
    stop_grace_period: 1s
    command: ["httpd", "-f", "-p", "7000"]
    ports: ["127.0.0.1:{port}:7000"]
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_listens_on_ipv6_alone_is_reached_by_visitors_and_by_callers() {
    let mut world = World::not_serving(Settings {
        tables: "[edge]\n".into(),
        project: "allow = { subnets = [\"fd5a::/16\"] }".into(),
        ..Settings::default()
    })
    .await;
    resolving(&world.engine.docker).await;
    world.start_edge().await;
    world.serve().await;
    let other = other(free_port());
    write_on_ipv6(&world, "one", &other);
    deployed(&world, "First").await;
    let nobody = world.exec("api", &["sh", "-c", "wget -q -O - http://127.0.0.1:8080/ 2>&1 || true"]).await;
    assert!(nobody.contains("refused"), "it does listen on IPv4: {nobody}");
    let version = world.engine.docker.version().await.unwrap().api_version.unwrap();
    let minor: u32 = version.split_once('.').unwrap().1.parse().unwrap();
    let name = format!("{}-production_launchway", world.project);
    let network = world.engine.docker.inspect_network(&name, None::<InspectNetworkOptions>).await.unwrap();
    // Before, an engine lets the containers of a network talk by IPv6, whatever the network says.
    let has_ipv6 = minor >= 46;
    assert_eq!((network.internal, network.enable_ipv6), (Some(true), Some(has_ipv6)));
    let said =
        "the edge leads to its replicas by IPv4 alone: Docker Engine keeps containers apart by IPv6 from 27 on only";
    assert_eq!(world.deployment_logs().contains(said), !has_ipv6, "{}", world.deployment_logs());
    assert_eq!(world.get("/").await.as_deref().map(str::trim) == Some("one"), has_ipv6);

    let load = Load::start(world.app_port);
    write_on_ipv6(&world, "two", &other);
    deployed(&world, "Second").await;
    let visitors = load.end().await;
    let (bodies, answered, failed) = told(&world).await;
    assert_eq!((failed, bodies), (0, ["one", "two"].map(String::from).into()), "of {answered}");
    if has_ipv6 {
        assert!(visitors.failed.is_empty(), "{:?}", visitors.failed);
        assert_eq!(visitors.bodies, ["one", "two"].map(String::from).into());
        is_where_the_routes_say_and_alone(&world).await;
    }
    world.end().await;
}

async fn is_where_the_routes_say_and_alone(world: &World) {
    let api = world.running().await["api"].clone();
    let inspected = world.engine.docker.inspect_container(&api, None).await.unwrap();
    let label = &inspected.config.unwrap().labels.unwrap()["launchway.edge-address-6"];
    let networks = inspected.network_settings.unwrap().networks.unwrap();
    let of = |end: &str| networks.iter().find(|(name, _)| name.ends_with(end)).unwrap().1.global_ipv6_address.clone();
    assert_eq!(of("_launchway").as_ref(), Some(label));
    // `other` is on its own network with it, and meets it there only.
    for (address, is_reached) in [(of("_default").unwrap(), true), (label.clone(), false)] {
        let asks = format!("timeout 3 wget -q -O - http://[{address}]:8080/ || echo nobody");
        let answer = world.exec("other", &["sh", "-c", &asks]).await;
        assert_eq!(!answer.contains("nobody"), is_reached, "{address}: {answer}");
    }
}
