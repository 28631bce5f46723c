use super::*;
use crate::model::{EntryProtocol, ReleaseId, Replica, RouteEntry, WeightedRelease};

fn key(component: &str) -> RouteKey {
    RouteKey {
        project: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        component: component.parse().unwrap(),
    }
}

fn shared(host: Option<&str>, path: Option<&str>) -> ComponentRoutes {
    let listen = Listen::Shared { host: host.map(Into::into), path: path.map(Into::into) };
    ComponentRoutes { entries: vec![RouteEntry { listen, target: 80 }], ..Default::default() }
}

fn port(address: &str) -> ComponentRoutes {
    let address: EdgeAddress = address.parse().unwrap();
    let listen = Listen::Port { host_ip: address.host_ip, port: address.port, protocol: EntryProtocol::Tcp };
    ComponentRoutes { entries: vec![RouteEntry { listen, target: 80 }], ..Default::default() }
}

fn weights(weights: &[u8]) -> ComponentRoutes {
    let release = |(index, weight): (usize, &u8)| WeightedRelease {
        release: ReleaseId(index as i64),
        weight: *weight,
        replicas: vec![Replica { id: format!("c{index}"), address: Some([127, 0, 0, 1].into()), also: None }],
    };
    ComponentRoutes { releases: weights.iter().enumerate().map(release).collect(), ..Default::default() }
}

fn wrong(routes: &ComponentRoutes) -> String {
    check(routes, false).unwrap_err().to_string()
}

#[test]
fn weights_add_up_to_100() {
    assert_eq!(check(&weights(&[]), false), Ok(()));
    assert_eq!(check(&weights(&[95, 5]), false), Ok(()));
    assert_eq!(check(&weights(&[100, 0]), false), Ok(()));
    assert_eq!(wrong(&weights(&[95, 6])), "the weights of the releases add up to 101 and not to 100");
    assert_eq!(wrong(&weights(&[0])), "the weights of the releases add up to 0 and not to 100");
}

#[test]
fn hosts_and_paths_are_written_in_one_way() {
    assert_eq!(check(&shared(Some("shop.example.com"), Some("/api")), false), Ok(()));
    assert_eq!(check(&shared(Some("[::1]"), None), false), Ok(()));
    for host in ["Shop.example.com", "shop.example.com:80", "", "a b", "shop."] {
        assert!(wrong(&shared(Some(host), None)).contains("is not a host name"), "{host}");
    }
    for path in ["api", "", "/api?x", "/a#b"] {
        assert!(wrong(&shared(None, Some(path))).contains("does not begin with a slash"), "{path}");
    }
}

#[test]
fn what_two_would_claim_is_refused_with_the_holders_name() {
    let web = (key("web"), shared(Some("shop.example.com"), Some("/api/")));
    let others = || std::iter::once((&web.0, &web.1));
    let same = shared(Some("shop.example.com"), Some("/api"));
    let refused = check_free(&key("api"), &same, others(), &[]).unwrap_err();
    assert_eq!(refused, Refusal::Taken("shop.example.com/api leads to shop/production/web already".into()));
    assert_eq!(check_free(&key("web"), &same, others(), &[]), Ok(()));
    assert_eq!(check_free(&key("api"), &shared(None, Some("/api")), others(), &[]), Ok(()));

    let web = (key("web"), port("127.0.0.1:8080"));
    let others = || std::iter::once((&web.0, &web.1));
    let refused = check_free(&key("api"), &port(":8080"), others(), &[]).unwrap_err();
    assert_eq!(refused.to_string(), "shop/production/web has the port 8080 already (127.0.0.1:8080)");
    assert_eq!(check_free(&key("api"), &port("10.0.0.1:8080"), others(), &[]), Ok(()));
    let own = [":443".parse().unwrap()];
    let refused = check_free(&key("api"), &port("127.0.0.1:443"), others(), &own).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "127.0.0.1:443 is the edge's own: it listens on :443 (`edge.listen` in launchway.toml)"
    );
}
