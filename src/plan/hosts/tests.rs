use super::*;
use crate::model::{EnvironmentName, HostPattern, PortRange, ProjectName, RouteEntry};
use crate::plan::sample::{component, stack};

fn release(project: &str, host: Option<&str>, path: Option<&str>) -> Release {
    let mut web = component("web");
    let listen = Listen::Shared { host: host.map(Into::into), path: path.map(Into::into) };
    web.0.entries = vec![RouteEntry { listen, target: 80 }];
    let base = crate::plan::converge::tests::release(1, stack([web]));
    Release { project: ProjectName::new(project).unwrap(), ..base }
}

fn grants(lists: &[(&str, &[&str])]) -> Grants {
    let all = lists.iter().map(|(project, hosts)| Grantee {
        project: ProjectName::new(*project).unwrap(),
        environment: EnvironmentName::new("production").unwrap(),
        compose_project: format!("{project}-production"),
        hosts: hosts.iter().map(|text| HostPattern::parse(text).unwrap()).collect(),
    });
    Grants {
        all: all.collect(),
        own_host: Some("deploy.example.com".into()),
        own_ports: vec!["127.0.0.1:9000".parse().unwrap()],
        ..Default::default()
    }
}

fn told(release: &Release, others: &[Release], grants: &Grants) -> Vec<String> {
    let line = |problem: &Problem| format!("{} | {}", problem.message, problem.allow.as_deref().unwrap_or("nothing"));
    refused(release, others, grants).iter().map(line).collect()
}

#[test]
fn who_had_a_host_first_has_all_of_it() {
    let nobody = grants(&[("evil", &[]), ("shop", &[])]);
    let shop = release("shop", Some("shop.example.com"), None);
    for path in [None, Some("/"), Some("/checkout")] {
        let evil = release("evil", Some("shop.example.com"), path);
        insta::allow_duplicates! {
            insta::assert_snapshot!(told(&evil, std::slice::from_ref(&shop), &nobody).join("\n"), @r#"
            shop.example.com is taken: shop/production had it first, whatever the path. `hosts = ["shop.example.com"]` of this environment in launchway.toml gives it to this one | [projects.evil.environments.production]
            hosts = ["shop.example.com"]
            "#);
        }
    }
    assert_eq!(told(&shop, std::slice::from_ref(&shop), &nobody), Vec::<String>::new());
    assert_eq!(told(&release("evil", Some("evil.example.com"), None), &[shop], &nobody), Vec::<String>::new());
}

#[test]
fn launchway_toml_goes_before_who_was_first() {
    let evil = release("evil", Some("shop.example.com"), None);
    let given = grants(&[("evil", &[]), ("shop", &["*.example.com"])]);
    let why = "shop.example.com belongs to shop/production: `hosts` of [projects.shop.environments.production] in launchway.toml names it | nothing";
    assert_eq!(told(&evil, &[], &given), [why]);
    let shop = release("shop", Some("shop.example.com"), None);
    assert_eq!(told(&shop, std::slice::from_ref(&evil), &given), Vec::<String>::new());
    // The closer one.
    let closer = grants(&[("evil", &["shop.example.com"]), ("shop", &["*.example.com"])]);
    assert_eq!(told(&evil, &[], &closer), Vec::<String>::new());
    assert_eq!(told(&shop, &[], &closer).len(), 1);
    let fenced = grants(&[("shop", &["other.example.com"])]);
    assert!(told(&shop, &[], &fenced)[0].contains("is none of the hosts that launchway.toml gives to shop/production"));
}

#[test]
fn every_host_and_launchways_own_are_nobodys_by_themselves() {
    let nobody = grants(&[("shop", &[])]);
    let every = told(&release("shop", None, Some("/")), &[], &nobody);
    assert!(every[0].ends_with("[projects.shop.environments.production]\nhosts = [\"*\"]"), "{every:?}");
    assert_eq!(told(&release("shop", None, Some("/")), &[], &grants(&[("shop", &["*"])])), Vec::<String>::new());
    let own = release("shop", Some("deploy.example.com"), Some("/x"));
    assert!(told(&own, &[], &grants(&[("shop", &["*"])]))[0].contains("where Launchway itself is reached"));
}

#[test]
fn ports_outside_of_what_is_allowed_and_launchways_own_are_refused() {
    let publishing = |port| crate::plan::converge::tests::release(1, stack([component("web").publishes(port, 80)]));
    let mut given = grants(&[("shop", &[])]);
    assert_eq!(told(&publishing(80), &[], &given), Vec::<String>::new());
    assert!(
        told(&publishing(9000), &[], &given)[0]
            .starts_with("port 9000 is Launchway's own: it listens on 127.0.0.1:9000.")
    );
    given.allow.ports = vec![PortRange { first: 8000, last: 8999 }];
    assert_eq!(told(&publishing(8080), &[], &given), Vec::<String>::new());
    for port in [80, 7999, 9001] {
        let line = format!("ports = [{port}]");
        assert!(told(&publishing(port), &[], &given)[0].ends_with(&line));
    }
}

/// `shop`, whose services publish so many ports each, one after the other from 10000 on.
fn publishing(environment: &str, services: &[u16]) -> Release {
    let mut next = 10_000;
    let samples = services.iter().enumerate().map(|(number, count)| {
        let first = next;
        next += count;
        (first..next).fold(component(&format!("s{number}")), |sample, port| sample.publishes(port, 80))
    });
    let base = crate::plan::converge::tests::release(1, crate::plan::sample::stack_of(samples.collect::<Vec<_>>()));
    Release { environment: EnvironmentName::new(environment).unwrap(), ..base }
}

#[test]
fn ports_by_the_hundred_are_refused_however_they_are_divided() {
    let mut given = grants(&[("shop", &[])]);
    assert_eq!(told(&publishing("production", &[200]), &[], &given), Vec::<String>::new());
    let refused = "201 ports of the host are more than the 200 that a project may publish in all of its environments, so it is refused: the engine runs a process for each, and nobody else has them; `allow.ports = [\"10000-10200\"]` of the project in launchway.toml allows it | ports = [\"10000-10200\"]";
    assert_eq!(told(&publishing("production", &[201]), &[], &given), [refused]);
    assert_eq!(told(&publishing("production", &[67, 67, 67]), &[], &given), [refused]);
    let staging = [publishing("staging", &[150])];
    assert_eq!(told(&publishing("production", &[50]), &staging, &given), Vec::<String>::new());
    assert!(told(&publishing("production", &[51]), &staging, &given)[0].starts_with("201 ports"));
    given.allow.ports = vec![PortRange { first: 10_000, last: 20_000 }];
    assert_eq!(told(&publishing("production", &[2000]), &[], &given), Vec::<String>::new());
}

#[test]
fn what_runs_nowhere_takes_no_port() {
    let mut release = publishing("production", &[300]);
    let service = release.stack.components.values_mut().next().unwrap();
    service.replicas = 0;
    let mut given = grants(&[("shop", &[])]);
    assert_eq!(told(&release, &[], &given), Vec::<String>::new());
    given.allow.ports = vec![PortRange { first: 80, last: 80 }];
    assert_eq!(told(&release, &[], &given), Vec::<String>::new());
}

#[test]
fn all_hosts_below_one_are_taken_and_given_as_a_single_one_is() {
    let nobody = grants(&[("evil", &[]), ("shop", &[])]);
    let (all, one) = (release("evil", Some("*.example.com"), None), release("shop", Some("shop.example.com"), None));
    assert!(told(&all, std::slice::from_ref(&one), &nobody)[0].starts_with("*.example.com is taken: shop/production"));
    assert!(
        told(&one, std::slice::from_ref(&all), &nobody)[0].starts_with("shop.example.com is taken: evil/production")
    );
    assert_eq!(
        told(&release("shop", Some("example.com"), None), std::slice::from_ref(&all), &nobody),
        Vec::<String>::new()
    );
    // What is given to somebody, nobody takes with all the rest, before that one has a route for it, too.
    let given = grants(&[("evil", &[]), ("shop", &["shop.example.com"])]);
    assert!(told(&all, &[], &given)[0].starts_with("*.example.com would take shop.example.com, too"));
    let both = grants(&[("evil", &["*.example.com"]), ("shop", &["shop.example.com"])]);
    assert_eq!(told(&all, &[one], &both), Vec::<String>::new());
}
