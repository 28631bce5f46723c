use super::*;
use crate::model::{CommitId, EdgeSettings, EnvironmentName, ProjectName, ReleaseId, Route, Stack};
use crate::plan::sample::{component, stack};
use std::collections::BTreeMap;

/// A release of `shop` in an environment, with the names that the environment gives.
fn release(environment: &str, mut stack: Stack) -> Release {
    stack.compose_project = format!("shop-{environment}");
    for (key, volume) in &mut stack.volumes {
        volume.name = format!("shop-{environment}_{key}");
    }
    stack.networks.get_mut("default").unwrap().name = format!("shop-{environment}_default");
    Release {
        id: ReleaseId(1),
        project: ProjectName::new("shop").unwrap(),
        environment: EnvironmentName::new(environment).unwrap(),
        commit: CommitId::new("1".repeat(40)).unwrap(),
        stack,
        parts: BTreeMap::new(),
    }
}

fn messages(one: &Release, other: &Release) -> Vec<String> {
    clashes(one, other, &[]).into_iter().map(|problem| problem.message).collect()
}

#[test]
fn two_environments_of_one_file_do_not_meet() {
    let web = || stack([component("web").volume("data", "/data").publishes(8080, 80)]);
    let (production, mut staging) = (release("production", web()), release("staging", web()));
    for component in staging.stack.components.values_mut() {
        component.container.ports[0].published = Some(8081);
    }
    assert_eq!(messages(&staging, &production), Vec::<String>::new());
}

#[test]
fn a_release_does_not_stand_in_its_own_way() {
    let web = || stack([component("web").publishes(8080, 80)]);
    assert_eq!(messages(&release("production", web()), &release("production", web())), Vec::<String>::new());
}

#[test]
fn equal_names_and_ports_are_refused_and_both_are_named() {
    let web = || {
        let mut web = component("web").volume("data", "/data").publishes(8080, 80);
        web.0.container.container_name = Some("shop".into());
        stack([web])
    };
    let (production, mut staging) = (release("production", web()), release("staging", web()));
    staging.stack.volumes.get_mut("data").unwrap().name = "shop-production_data".into();
    insta::assert_snapshot!(messages(&staging, &production).join("\n"), @r#"
    shop/staging and shop/production (there at compose.yaml:1) both want the container name shop: two environments must not meet. Drop `container_name`, or let it differ by a variable of the environment.
    shop/staging and shop/production (there at compose.yaml:1) both want port 8080 of the host: two environments must not meet. Let it differ by a variable of the environment, such as "${PORT}:8080".
    shop/staging and shop/production both want the volume shop-production_data: two environments must not meet. Drop its `name:`; or, if it is meant to be shared, declare it `external: true` and allow it with `allow.external` of the project in launchway.toml.
    "#);
    staging.stack.volumes.get_mut("data").unwrap().external = true;
    assert_eq!(messages(&staging, &production).len(), 2);
}

#[test]
fn a_port_is_free_on_another_address_and_for_another_protocol() {
    let with = |ip: Option<&str>, protocol| {
        let mut web = component("web").publishes(8080, 80);
        web.0.container.ports[0].host_ip = ip.map(Into::into);
        web.0.container.ports[0].protocol = protocol;
        stack([web])
    };
    use crate::model::Protocol::{Tcp, Udp};
    let production = release("production", with(Some("127.0.0.1"), Tcp));
    assert!(messages(&release("staging", with(Some("127.0.0.2"), Tcp)), &production).is_empty());
    assert!(messages(&release("staging", with(Some("127.0.0.1"), Udp)), &production).is_empty());
    assert_eq!(messages(&release("staging", with(None, Tcp)), &production).len(), 1);
}

#[test]
fn what_the_edge_opens_leads_to_one_environment() {
    let web = || {
        let mut web = component("web").publishes(8080, 80);
        web.0.settings.route = Some(Route { host: Some("shop.example.com".into()), path: None, port: Some(80) });
        stack([web])
    };
    let behind_the_edge = |environment: &str| {
        let mut release = release(environment, web());
        let edge = EdgeSettings { listen: vec![":443".parse().unwrap()], ..EdgeSettings::default() };
        assert_eq!(crate::plan::routing::give_to_edge(&mut release.stack, &edge), vec![]);
        release
    };
    insta::assert_snapshot!(messages(&behind_the_edge("staging"), &behind_the_edge("production")).join("\n"), @r#"
    shop/staging and shop/production (there at compose.yaml:1) both want the route shop.example.com/: two environments must not meet. Let the host differ by a variable of the environment.
    shop/staging and shop/production (there at compose.yaml:1) both want port 8080 of the host: two environments must not meet. Let it differ by a variable of the environment, such as "${PORT}:8080".
    "#);
    // The engine publishes it for the one, the edge opens it for the other.
    assert_eq!(messages(&behind_the_edge("staging"), &release("production", web())).len(), 1);
    assert_eq!(messages(&release("staging", web()), &behind_the_edge("production")).len(), 1);
}

#[test]
fn addresses_of_networks_are_given_to_one_environment() {
    let with = |environment: &str, subnet: &str| {
        let mut release = release(environment, stack([component("web")]));
        let subnet = crate::model::Subnet { subnet: Some(subnet.into()), ..Default::default() };
        release.stack.networks.get_mut("default").unwrap().ipam = vec![subnet];
        release
    };
    let production = with("production", "10.9.0.0/16");
    insta::assert_snapshot!(messages(&with("staging", "10.9.4.0/24"), &production).join("\n"), @"shop/staging and shop/production both want addresses of 10.9.4.0/24: two environments must not meet. Drop `ipam`, or let its `subnet` differ by a variable of the environment.");
    assert_eq!(messages(&production, &with("staging", "10.9.4.0/24")).len(), 1, "from either side");
    assert_eq!(messages(&with("staging", "10.10.0.0/16"), &production), Vec::<String>::new());
    let mut shared = with("staging", "10.9.0.0/16");
    shared.stack.networks.get_mut("default").unwrap().external = true;
    assert_eq!(messages(&shared, &production), Vec::<String>::new());
}

#[test]
fn a_folder_of_the_host_is_written_by_one_environment() {
    let with = |environment: &str, path: &str, read_only: bool| {
        let mut web = component("web");
        let source = MountSource::Host { path: path.into(), below: None, propagation: None, create: false };
        web.0.container.mounts.push(crate::model::Mount { target: "/data".into(), source, read_only });
        release(environment, stack([web]))
    };
    let production = with("production", "/srv/shop", false);
    insta::assert_snapshot!(messages(&with("staging", "/srv/shop/uploads", false), &production).join("\n"), @r#"shop/staging and shop/production (there at compose.yaml:1) both want to write in /srv/shop/uploads of the host (there /srv/shop): two environments must not meet. Let it differ by a variable of the environment, mount it `read_only`, or allow it with `allow.shared-paths = ["/srv/shop/uploads"]` of the project in launchway.toml."#);
    assert_eq!(messages(&production, &with("staging", "/srv/shop/uploads", false)).len(), 1, "from either side");
    assert_eq!(messages(&with("staging", "/srv/shop", true), &production), Vec::<String>::new(), "it only reads");
    assert_eq!(messages(&with("staging", "/srv/shopping", false), &production), Vec::<String>::new());
    assert_eq!(
        messages(&with("staging", "/var/run/docker.sock", false), &with("production", "/var/run/docker.sock", false)),
        Vec::<String>::new()
    );
    let shared = clashes(&with("staging", "/srv/shop", false), &production, &["/srv".to_string()]);
    assert!(shared.is_empty(), "{shared:?}");

    // A volume of another name may be made of the same folder.
    let mut bound = release("staging", stack([component("web").volume("data", "/data")]));
    bound.stack.volumes.get_mut("data").unwrap().driver_opts.insert("device".into(), "/srv/shop".into());
    assert_eq!(messages(&bound, &production).len(), 1);
}

#[test]
fn what_runs_nowhere_keeps_no_port_from_anybody() {
    let web = |replicas| stack([component("web").publishes(8080, 80).replicas(replicas)]);
    let production = release("production", web(1));
    assert_eq!(messages(&release("staging", web(1)), &production).len(), 1);
    assert_eq!(messages(&production, &release("staging", web(0))), Vec::<String>::new());
}
