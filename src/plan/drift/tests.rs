use super::*;
use crate::model::{ContainerState, Ending, plain};
use crate::plan::Goal;
use crate::plan::sample::{component, stack};
use crate::plan::simulation::Simulation;
use crate::plan::standing::standings;
use crate::plan::standing::tests::{live, release, set, wanted};

fn lines(release: &Release, engine: &Simulation, told: &[&str]) -> String {
    let endings = engine.observed.containers.iter().filter(|c| told.contains(&c.name.as_str()));
    let endings: BTreeMap<String, Ending> = endings.map(|c| (c.id.clone(), Ending::Told)).collect();
    let wanted = wanted(release, Goal::PutBack);
    let standings = standings(&wanted, &engine.observed, &endings);
    let images = release.parts.iter().map(|(name, part)| (name.clone(), part.image.reference().to_string())).collect();
    let found = drift(&wanted, &engine.observed, &standings, &images);
    found.iter().map(|one| format!("{}: {} {}\n", one.kind.word(), one.subject, plain(&one.how))).collect()
}

#[test]
fn what_is_as_the_release_says_has_no_drift() {
    let release = release(stack([component("web").replicas(2), component("db").volume("data", "/data")]));
    assert_eq!(lines(&release, &live(&release), &[]), "");
}

#[test]
fn every_change_by_hand_is_named() {
    let release = release(stack([component("web").replicas(6), component("db").volume("data", "/data")]));
    let mut engine = live(&release);
    set(&mut engine, "shop-web-1", |c| c.state = ContainerState::Exited { code: 143 });
    set(&mut engine, "shop-web-2", |c| c.state = ContainerState::Paused);
    set(&mut engine, "shop-web-3", |c| c.name = "mine".into());
    set(&mut engine, "shop-web-4", |c| c.image_id = format!("sha256:{}", "b".repeat(64)));
    set(&mut engine, "shop-web-5", |c| c.networks.clear());
    engine.observed.containers.retain(|c| c.name != "shop-web-6");
    let mut extra = engine.observed.containers[0].clone();
    (extra.id, extra.name) = ("extra".into(), "shop-debug-1".into());
    (extra.component, extra.state) = (ComponentName::new("debug").unwrap(), ContainerState::Running);
    engine.observed.containers.push(extra);
    set(&mut engine, "shop-db-1", |c| c.fingerprint = None);
    engine.observed.networks.get_mut("shop_default").unwrap().internal = true;
    engine.observed.volumes.clear();
    insta::assert_snapshot!(lines(&release, &engine, &["shop-web-1"]), @"
    replaced: shop-db-1 runs, but not as release 1 made it
    stopped: shop-web-1 was stopped by hand
    paused: shop-web-2 is paused
    renamed: mine should be named shop-web-3
    image: shop-web-4 runs image sha256:bbbbbbbbbbbb, but web:1 is now web:1
    detached: shop-web-5 is not attached to network shop_default
    missing: shop-web-6 is not there
    extra: shop-debug-1 runs, but release 1 has no component debug
    definition: network shop_default is defined otherwise: internal: true there, false in the file
    missing: volume shop_data is not there
    ");
}
