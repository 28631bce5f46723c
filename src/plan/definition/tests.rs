use super::*;
use crate::model::{Observed, Stack, plain};
use crate::plan::Goal;
use crate::plan::converge::converge;
use crate::plan::sample::{component, stack};
use crate::plan::standing::tests::{live, release, wanted};

fn shop(change: impl FnOnce(&mut Stack)) -> Release {
    let mut stack = stack([component("web").volume("data", "/data")]);
    change(&mut stack);
    release(stack)
}

/// What is said of a release where another one is live.
fn said(observed: &Observed, release: &Release) -> String {
    match converge(&wanted(release, Goal::Deploy), observed) {
        Ok(plan) => plan.to_string(),
        Err(problems) => problems.iter().map(|problem| plain(&format!("{problem}\n")).into_owned()).collect(),
    }
}

#[test]
fn a_network_that_is_defined_otherwise_is_refused_with_a_way_out() {
    let observed = live(&shop(|_| {})).observed;
    let changed = shop(|stack| {
        let network = stack.networks.get_mut("default").unwrap();
        network.internal = true;
        network.driver = Some("macvlan".into());
        network.driver_opts.insert("parent".into(), "eth0".into());
        network.enable_ipv6 = Some(true);
        network.ipam.push(Subnet { subnet: Some("10.1.0.0/16".into()), ..Subnet::default() });
    });
    insta::assert_snapshot!(said(&observed, &changed), @"
    networks.default: the network shop_default is there already, made otherwise: driver: none there, macvlan in the file, internal: false there, true in the file, enable_ipv6: false there, true in the file, driver_opts.parent: none there, eth0 in the file, ipam: none there, 10.1.0.0/16 in the file. An engine cannot change a network. Give it another `name:`, so that its components move to a new one; or stop what uses it, remove it (`docker network rm shop_default`) and deploy again.
    ");
    let renamed = shop(|stack| {
        let network = stack.networks.get_mut("default").unwrap();
        (network.name, network.internal) = ("shop_inner".into(), true);
    });
    assert!(said(&observed, &renamed).contains("network shop_inner, create network"), "the way out is one");
}

#[test]
fn a_volume_that_is_defined_otherwise_is_refused_and_never_made_anew() {
    let observed = live(&shop(|_| {})).observed;
    let changed = shop(|stack| {
        let volume = stack.volumes.get_mut("data").unwrap();
        volume.driver = Some("nfs".into());
        volume.driver_opts.insert("device".into(), ":/export".into());
    });
    insta::assert_snapshot!(said(&observed, &changed), @"
    volumes.data: the volume shop_data is there already, made otherwise: driver: none there, nfs in the file, driver_opts.device: none there, :/export in the file. An engine cannot change a volume, and Launchway never removes one. Give it another `name:` and copy the data over, or take the change back.
    ");
    // Taking options away points elsewhere too.
    let observed = live(&shop(|stack| {
        stack.volumes.get_mut("data").unwrap().driver_opts.insert("device".into(), "/mnt".into());
    }));
    insta::assert_snapshot!(said(&observed.observed, &shop(|_| {})), @"
    volumes.data: the volume shop_data is there already, made otherwise: driver_opts.device: /mnt there, none in the file. An engine cannot change a volume, and Launchway never removes one. Give it another `name:` and copy the data over, or take the change back.
    ");
}

#[test]
fn what_the_file_leaves_open_is_the_engines() {
    let mut observed = live(&shop(|_| {})).observed;
    let network = observed.networks.get_mut("shop_default").unwrap();
    (network.driver, network.ipam_driver, network.ipv6) = ("bridge".into(), "default".into(), true);
    network.options.insert("com.docker.network.bridge.name".into(), "br0".into());
    network.ipam.push(Subnet {
        subnet: Some("172.18.0.0/16".into()),
        gateway: Some("172.18.0.1".into()),
        ip_range: None,
    });
    observed.volumes.get_mut("shop_data").unwrap().driver = "local".into();
    assert_eq!(said(&observed, &shop(|_| {})), "");
    let subnet = Subnet { subnet: Some("172.18.0.0/16".into()), ..Subnet::default() };
    assert_eq!(said(&observed, &shop(|stack| stack.networks.get_mut("default").unwrap().ipam.push(subnet))), "");
}

#[test]
fn backwards_nothing_is_refused_for_it() {
    let observed = live(&shop(|_| {})).observed;
    let changed = shop(|stack| stack.networks.get_mut("default").unwrap().internal = true);
    assert!(converge(&wanted(&changed, Goal::PutBack), &observed).is_ok());
}
