//! Names and ports that somebody else has, on a real engine.

use crate::support::engine::Place;
use crate::support::world::free_port;
use launchway::engine::EngineError;
use launchway::model::{Port, Protocol, label};
use launchway::plan::{Action, ContainerSpec, EngineNetworkMode};

fn publishing(place: &Place, what: &str, port: u16) -> ContainerSpec {
    let mut spec = place.container(what, "sleep 600");
    spec.network = EngineNetworkMode::Bridge;
    spec.settings.ports = vec![Port {
        target: 80,
        published: Some(port),
        host_ip: Some("127.0.0.1".into()),
        protocol: Protocol::Tcp,
        app_protocol: None,
    }];
    spec
}

/// What is different in each run is cut out: the place's name, the port, ids.
fn plain(place: &Place, port: Option<u16>, error: &EngineError) -> String {
    let text = launchway::model::plain(&error.to_string()).replace(&place.name, "PLACE");
    let text = port.map_or(text.clone(), |port| text.replace(&port.to_string(), "PORT"));
    let is_id =
        |word: &&str| word.len() == 13 && word.ends_with(',') && word[..12].bytes().all(|b| b.is_ascii_hexdigit());
    let words: Vec<&str> = text.split(' ').map(|word| if is_id(&word) { "ID," } else { word }).collect();
    words.join(" ")
}

#[tokio::test]
async fn a_name_that_another_container_has_is_said_with_its_holder() {
    let place = Place::new().await;
    let mut theirs = place.container("web", "sleep 600");
    theirs.labels = [(label::COMPOSE_PROJECT.to_string(), "blog".to_string())].into();
    place.start(theirs).await;
    let error = place.act(Action::CreateContainer(Box::new(place.container("web", "true")))).await.unwrap_err();
    insta::assert_snapshot!(plain(&place, None, &error), @"the name PLACE-web is taken by another container: ID, of Compose project blog, image launchway-test/base:1, running. Free the name with `docker rename PLACE-web PLACE-web-old`, or remove the container with `docker rm -f PLACE-web`");
    assert!(matches!(error, EngineError::NameTaken { kind: "container", .. }));
}

#[tokio::test]
async fn a_container_of_an_earlier_deployment_is_not_taken_for_a_second_try() {
    let place = Place::new().await;
    let mut earlier = place.container("web", "true");
    earlier.labels.insert(label::DEPLOYMENT.into(), "6".into());
    place.create(earlier).await;
    let error = place.act(Action::CreateContainer(Box::new(place.container("web", "true")))).await.unwrap_err();
    assert!(matches!(error, EngineError::NameTaken { .. }), "{error}");
}

#[tokio::test]
async fn renaming_to_a_name_that_is_taken_says_who_has_it() {
    let place = Place::new().await;
    place.create(place.container("old", "true")).await;
    let target = place.create(place.container("new", "true")).await;
    let action = Action::RenameContainer { target, name: place.named("old") };
    let error = place.act(action).await.unwrap_err();
    assert!(matches!(&error, EngineError::NameTaken { name, .. } if *name == place.named("old")), "{error}");
}

#[tokio::test]
async fn networks_and_volumes_of_somebody_else_are_not_ours() {
    let place = Place::new().await;
    let mut network = place.network("net");
    network.labels.clear();
    place
        .docker
        .create_network(bollard::models::NetworkCreateRequest { name: place.named("net"), ..Default::default() })
        .await
        .unwrap();
    let error = place.act(Action::CreateNetwork(Box::new(place.network("net")))).await.unwrap_err();
    assert!(matches!(error, EngineError::NameTaken { kind: "network", .. }), "{error}");
    let theirs = bollard::models::VolumeCreateRequest { name: Some(place.named("data")), ..Default::default() };
    place.docker.create_volume(theirs).await.unwrap();
    let error = place.act(Action::CreateVolume(Box::new(place.volume("data")))).await.unwrap_err();
    assert!(matches!(error, EngineError::NameTaken { kind: "volume", .. }), "{error}");
}

#[tokio::test]
async fn composes_network_and_volume_of_the_same_project_are_taken_over() {
    let place = Place::new().await;
    let labels = [(label::COMPOSE_PROJECT.to_string(), place.scope().compose_project)];
    place
        .docker
        .create_network(bollard::models::NetworkCreateRequest {
            name: place.named("net"),
            labels: Some(labels.clone().into()),
            ..Default::default()
        })
        .await
        .unwrap();
    let mut network = place.network("net");
    network.labels.extend(labels);
    place.act(Action::CreateNetwork(Box::new(network))).await.unwrap();
    let named = std::collections::HashMap::from([("name".to_string(), vec![place.named("net")])]);
    let options = bollard::query_parameters::ListNetworksOptionsBuilder::new().filters(&named).build();
    assert_eq!(place.docker.list_networks(Some(options)).await.unwrap().len(), 1, "no second one of the same name");
}

#[tokio::test]
async fn networks_made_at_once_are_one() {
    let place = Place::new().await;
    let create = || place.act(Action::CreateNetwork(Box::new(place.network("net"))));
    let (one, two, three) = tokio::join!(create(), create(), create());
    one.and(two).and(three).unwrap();
    let named = std::collections::HashMap::from([("name".to_string(), vec![place.named("net")])]);
    let options = bollard::query_parameters::ListNetworksOptionsBuilder::new().filters(&named).build();
    assert_eq!(place.docker.list_networks(Some(options)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_external_network_that_is_not_there_says_how_to_make_it() {
    let place = Place::new().await;
    let mut spec = place.network("net");
    spec.network.external = true;
    let error = place.act(Action::CreateNetwork(Box::new(spec))).await.unwrap_err();
    insta::assert_snapshot!(plain(&place, None, &error), @"the external network PLACE-net (create it with `docker network create PLACE-net`) is not there");
}

#[tokio::test]
async fn a_port_of_another_container_is_said_with_its_holder() {
    let place = Place::new().await;
    let port = free_port();
    place.start(publishing(&place, "first", port)).await;
    let second = place.create(publishing(&place, "second", port)).await;
    let error = place.act(Action::StartContainer(second)).await.unwrap_err();
    insta::assert_snapshot!(plain(&place, Some(port), &error), @"port 127.0.0.1:PORT/tcp is taken: container PLACE-first publishes it. Free it with `docker stop PLACE-first`, or publish another port");
    assert!(matches!(error, EngineError::PortTaken { .. }));
}

#[tokio::test]
async fn a_port_of_a_process_of_the_host_is_said_with_the_way_to_find_it() {
    let place = Place::new().await;
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let target = place.create(publishing(&place, "web", port)).await;
    let error = place.act(Action::StartContainer(target.clone())).await.unwrap_err();
    insta::assert_snapshot!(plain(&place, Some(port), &error), @"port 127.0.0.1:PORT/tcp is taken: a process of the engine's host listens on it (or a container in the host's network). `sudo ss -lnp 'sport = :PORT'` there shows which; stop it, or publish another port");
    assert!(matches!(error, EngineError::PortTaken { .. }));
    drop(held);
    place.act(Action::StartContainer(target)).await.unwrap();
}
