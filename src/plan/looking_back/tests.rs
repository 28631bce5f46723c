use super::*;
use crate::plan::converge::tests::release;
use crate::plan::routing::EDGE_NETWORK;
use crate::plan::sample::{component, stack};

fn labelled(kind: Kind, name: &str, pairs: &[(&str, &str)]) -> Recorded {
    let labels = pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    Recorded { kind, id: format!("id of {name}"), name: name.into(), labels }
}

fn past() -> (Past, Release) {
    let release = release(4, stack([component("web").volume("data", "/data")]));
    let mut past = Past::new(Some(DeploymentId(9)));
    past.add(&release);
    (past, release)
}

/// As an earlier version labelled a replica.
fn replica(release: &Release) -> Recorded {
    let fingerprint = release.parts.values().next().unwrap().fingerprint.0.clone();
    labelled(
        Kind::Container,
        "shop-web-1",
        &[
            (label::PROJECT, "shop"),
            (label::ENVIRONMENT, "production"),
            (label::COMPONENT, "web"),
            (label::RELEASE, "4"),
            (label::DEPLOYMENT, "9"),
            (label::FINGERPRINT, &fingerprint),
            (label::COMPOSE_PROJECT, "shop"),
            (label::COMPOSE_NUMBER, "1"),
            (label::COMPOSE_ONEOFF, "False"),
        ],
    )
}

#[test]
fn what_an_earlier_version_made_is_known_by_release_deployment_and_fingerprint() {
    let (past, release) = past();
    let own = replica(&release);
    assert_eq!(past.made(vec![own.clone()]), std::slice::from_ref(&own));
    for (key, value) in [
        (label::PROJECT, "bank"),
        (label::ENVIRONMENT, "staging"),
        (label::COMPONENT, "api"),
        (label::RELEASE, "5"),
        (label::RELEASE, "x"),
        (label::FINGERPRINT, "v1:00"),
        (label::SEAL, "v1:ab:00:00"),
    ] {
        let mut forged = own.clone();
        forged.labels.insert(key.into(), value.into());
        assert_eq!(past.made(vec![forged]), [], "{key} {value}");
    }
    let mut bare = own.clone();
    bare.labels.remove(label::FINGERPRINT);
    assert_eq!(past.made(vec![bare]), []);
}

#[test]
fn what_an_image_could_have_written_is_not_taken_over() {
    let (past, release) = past();
    let mut own = replica(&release);
    let wrote = [
        (label::ROLE, label::FRONT),
        (label::FRONTED, "true"),
        (label::EDGE_ADDRESS, "10.0.0.1"),
        (label::EDGE_ADDRESS_6, "::1"),
        (label::FILLS, "shop_data"),
        (label::DEPLOYMENT, "10"),
        ("launchway.anything", "x"),
    ];
    own.labels.extend(wrote.map(|(key, value)| (key.to_string(), value.to_string())));
    let made = past.made(vec![own]).remove(0).labels;
    for (key, _) in wrote {
        assert!(!made.contains_key(key), "{key}");
    }
    assert_eq!(made[label::COMPONENT], "web");
}

#[test]
fn fronts_release_commands_networks_and_volumes_are_known() {
    let (mut past, mut release) = past();
    release
        .stack
        .networks
        .insert(EDGE_NETWORK.into(), crate::model::Network { name: "shop_launchway".into(), ..Default::default() });
    past.add(&release);
    let web = release.stack.components.values().next().unwrap();
    let spec = front_spec(&release, Some(DeploymentId(9)), web);
    let front = Recorded { kind: Kind::Container, id: "f".into(), name: spec.name.clone(), labels: spec.labels };
    assert_eq!(past.made(vec![front])[0].labels[label::ROLE], label::FRONT);
    let mut command = replica(&release);
    command.labels.insert(label::COMPOSE_ONEOFF.into(), "True".into());
    assert_eq!(past.made(vec![command])[0].labels[label::ROLE], label::RELEASE_COMMAND);

    let of = [(label::PROJECT, "shop"), (label::ENVIRONMENT, "production"), (label::COMPOSE_NETWORK, EDGE_NETWORK)];
    let networks = ["shop_launchway", "shop_default", "bank_default"];
    let networks = networks.map(|name| labelled(Kind::Network, name, &of)).to_vec();
    let made: Vec<String> = past.made(networks).into_iter().map(|thing| thing.name).collect();
    assert_eq!(made, ["shop_launchway", "shop_default"]);
    let volumes = ["shop_data", "bank_data"].map(|name| labelled(Kind::Volume, name, &of[..2])).to_vec();
    assert_eq!(past.made(volumes).len(), 1);
    let strange = labelled(Kind::Volume, "launchway-folder-1", &[(label::CONTENT, "1")]);
    assert_eq!(past.made(vec![strange]), []);
}
