//! What a snapshot of a real engine shows, and what it leaves out.

use crate::support::engine::{Place, readiness};
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::CreateContainerOptionsBuilder;
use launchway::engine::Engine;
use launchway::model::{ContainerState, Health, HealthCheck, HealthTest, Port, Protocol, label};
use launchway::plan::{Action, EngineMount, EngineNetwork, EngineNetworkMode, ReadyGoal};
use std::time::Duration;

/// As `docker compose up` makes it.
async fn by_compose(place: &Place, what: &str, project: &str, oneoff: &str) {
    let labels = [
        (label::COMPOSE_PROJECT, project),
        (label::COMPOSE_SERVICE, what),
        (label::COMPOSE_NUMBER, "2"),
        (label::COMPOSE_ONEOFF, oneoff),
    ];
    let body = ContainerCreateBody {
        image: Some(place.image.clone()),
        cmd: Some(vec!["sleep".into(), "600".into()]),
        labels: Some(labels.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()),
        ..Default::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(&place.named(what)).build();
    place.docker.create_container(Some(options), body).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_has_ours_and_composes_and_knows_the_rest_as_foreign() {
    let place = Place::new().await;
    let project = place.scope().compose_project;
    place.create(place.container("ours", "true")).await;
    by_compose(&place, "adopted", &project, "False").await;
    by_compose(&place, "oneoff", &project, "True").await;
    by_compose(&place, "blog", "somebody-elses", "False").await;
    let mut elsewhere = place.container("elsewhere", "true");
    elsewhere.labels.insert(label::ENVIRONMENT.into(), "another".into());
    elsewhere.labels.insert(label::COMPOSE_PROJECT.into(), project.clone());
    place.create(elsewhere).await;

    let observed = place.engine.observe(&place.scope()).await.unwrap();
    let own: Vec<&str> = observed.containers.iter().map(|container| container.component.as_str()).collect();
    assert_eq!(own, ["adopted", "ours"]);
    let adopted = &observed.containers[0];
    assert_eq!((adopted.replica, &adopted.fingerprint, &adopted.project), (2, &None, &None));
    let mut foreign: Vec<&str> = observed
        .foreign
        .iter()
        .filter_map(|container| container.name.strip_prefix(&format!("{}-", place.name)))
        .collect();
    foreign.sort_unstable();
    assert_eq!(foreign, ["blog", "elsewhere", "oneoff"], "they hold names all the same");
}

#[tokio::test]
async fn a_snapshot_tells_all_that_a_plan_asks_of_a_container() {
    let place = Place::new().await;
    place.act(Action::CreateNetwork(Box::new(place.network("net")))).await.unwrap();
    place.act(Action::CreateVolume(Box::new(place.volume("data")))).await.unwrap();
    let mut spec = place.container("web", "sleep 600");
    spec.labels.insert(label::RELEASE.into(), "41".into());
    spec.labels.insert(label::COMPOSE_NUMBER.into(), "3".into());
    spec.settings.healthcheck = Some(HealthCheck {
        test: HealthTest::Exec(vec!["true".into()]),
        interval: Some(Duration::from_millis(200)),
        timeout: None,
        start_period: None,
        start_interval: None,
        retries: None,
    });
    spec.settings.ports = vec![Port {
        target: 80,
        published: None,
        host_ip: Some("127.0.0.1".into()),
        protocol: Protocol::Tcp,
        app_protocol: None,
    }];
    spec.mounts = vec![
        EngineMount::Volume {
            name: place.named("data"),
            target: "/data".into(),
            read_only: false,
            no_copy: false,
            subpath: None,
        },
        EngineMount::Anonymous { target: "/scratch".into(), read_only: false },
    ];
    spec.network = EngineNetworkMode::Networks(vec![EngineNetwork {
        name: place.named("net"),
        aliases: Vec::new(),
        ipv4_address: None,
        ipv6_address: None,
        mac_address: None,
        driver_opts: Default::default(),
    }]);
    let target = place.start(spec).await;
    place.wait(&target, readiness(ReadyGoal::Ready, &[])).await.unwrap();

    let observed = place.engine.observe(&place.scope()).await.unwrap();
    let web = &observed.containers[0];
    assert_eq!((Some(web.id.as_str()), &web.name), (target.existing(), &place.named("web")));
    assert_eq!((web.state, web.health, web.replica), (ContainerState::Running, Health::Healthy, 3));
    assert_eq!(web.fingerprint.as_ref().map(|fingerprint| fingerprint.0.as_str()), Some("v1:abc"));
    assert_eq!((web.release.map(|id| id.0), web.deployment.map(|id| id.0)), (Some(41), Some(7)));
    assert_eq!(Some(&web.image_id), place.engine.image(&place.image).await.unwrap().map(|image| image.id).as_ref());
    assert!(web.created_at.parse::<jiff::Timestamp>().is_ok(), "{}", web.created_at);
    assert_eq!(web.volumes[&place.named("data")], "/data");
    assert_eq!(web.anonymous_volumes["/scratch"].len(), 64);
    assert!(!web.anonymous_volumes.contains_key("/data"));
    assert!(web.networks[&place.named("net")].parse::<std::net::Ipv4Addr>().is_ok());
    assert_eq!((web.published[0].host_ip.as_str(), web.published.len()), ("127.0.0.1", 1));
    assert!(web.published[0].port > 0);
    assert_eq!(observed.networks[&place.named("net")].driver, "bridge");
    assert_eq!(observed.volumes[&place.named("data")].labels[label::ENVIRONMENT], place.name);

    let seen_by_others = launchway::engine::Scope { environment: "other".parse().unwrap(), ..place.scope() };
    let others = place.engine.observe(&seen_by_others).await.unwrap();
    let foreign = others.foreign.iter().find(|container| container.name == place.named("web")).unwrap();
    assert!(foreign.running);
    assert_eq!(foreign.published, web.published);
}

#[tokio::test]
async fn ended_containers_are_observed_with_their_exit_code() {
    let place = Place::new().await;
    let target = place.start(place.container("web", "exit 3")).await;
    place.wait(&target, readiness(ReadyGoal::Completed, &[])).await.unwrap_err();
    let observed = place.engine.observe(&place.scope()).await.unwrap();
    assert_eq!(observed.containers[0].state, ContainerState::Exited { code: 3 });
}

#[tokio::test]
async fn containers_that_come_and_go_do_not_break_a_snapshot() {
    let place = Place::new().await;
    let churn = async {
        for round in 0..8 {
            let target = place.create(place.container(&format!("c{round}"), "true")).await;
            place.act(Action::RemoveContainer(target)).await.unwrap();
        }
    };
    let look = async {
        let mut looks = 0;
        loop {
            place.engine.observe(&place.scope()).await.unwrap();
            looks += 1;
            if looks >= 20 {
                return;
            }
        }
    };
    tokio::join!(churn, look);
}

#[tokio::test]
async fn an_engine_says_what_it_is() {
    let place = Place::new().await;
    let info = place.engine.info().await.unwrap();
    assert!(info.cpus > 0 && info.memory_bytes > 0 && !info.version.is_empty(), "{info:?}");
    assert!(info.platform.starts_with("linux/") && info.api.starts_with("1."), "{info:?}");
}
