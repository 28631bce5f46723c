use super::*;
use crate::model::{EnvironmentName, ExternalGrant, ObservedNetwork, ObservedVolume, Permissions, ProjectName};
use crate::plan::converge::tests::release;
use crate::plan::grants::Grantee;
use crate::plan::sample::{component, stack};

/// `shop/production`, which mounts one volume, as its file says it.
fn mounting(name: &str, external: bool, read_only: bool) -> Release {
    let mut web = component("web").volume("data", "/data");
    web.0.container.mounts[0].read_only = read_only;
    let mut release = release(1, stack([web]));
    let volume = release.stack.volumes.get_mut("data").unwrap();
    (volume.name, volume.external) = (name.into(), external);
    release
}

fn labelled(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn with_volume(name: &str, labels: &[(&str, &str)]) -> Observed {
    let volume = ObservedVolume { labels: labelled(labels), ..Default::default() };
    Observed { volumes: BTreeMap::from([(name.to_string(), volume)]), ..Default::default() }
}

fn allowing(name: &str, write: bool) -> Grants {
    let external = vec![ExternalGrant { name: name.into(), write, names: false }];
    Grants { allow: Permissions { external, ..Default::default() }, ..others() }
}

fn others() -> Grants {
    let grantee = |project: &str| Grantee {
        project: ProjectName::new(project).unwrap(),
        environment: EnvironmentName::new("production").unwrap(),
        compose_project: if project == "shop" { "shop".into() } else { format!("{project}-production") },
        hosts: vec![],
    };
    Grants { all: vec![grantee("shop"), grantee("bank")], ..Default::default() }
}

fn told(release: &Release, observed: &Observed, grants: &Grants) -> String {
    let problems = refused(release, observed, grants, &BTreeSet::new());
    let line = |problem: &Problem| match &problem.allow {
        Some(allow) => format!("{problem}\n  {allow}"),
        None => problem.to_string(),
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_somebody_else_made_needs_its_exact_name_in_the_settings() {
    let theirs = with_volume("uploads", &[(label::PROJECT, "bank"), (label::ENVIRONMENT, "production")]);
    insta::assert_snapshot!(told(&mounting("uploads", true, false), &theirs, &others()), @r#"
    volumes.data: the external volume uploads is somebody else's (project bank, environment production), and web may write in it, so it is refused. Mounted read-only by all it needs `external = ["uploads"]` alone; `allow.external = [{ name = "uploads", write = true }]` of the project in launchway.toml allows it
      external = [{ name = "uploads", write = true }]
    "#);
    insta::assert_snapshot!(told(&mounting("uploads", true, true), &theirs, &others()), @r#"
    volumes.data: the external volume uploads is somebody else's (project bank, environment production), so it is refused; `allow.external = ["uploads"]` of the project in launchway.toml allows it
      external = ["uploads"]
    "#);
    assert_eq!(told(&mounting("uploads", true, true), &theirs, &allowing("uploads", false)), "");
    assert_eq!(told(&mounting("uploads", true, false), &theirs, &allowing("uploads", true)), "");
    assert_ne!(told(&mounting("uploads", true, true), &theirs, &allowing("upload", true)), "", "an exact name");
    insta::assert_snapshot!(told(&mounting("uploads", true, false), &theirs, &allowing("uploads", false)), @r#"
    volumes.data: launchway.toml allows the external volume uploads to be read, and web may write in it. Mount it `read_only: true`; `allow.external = [{ name = "uploads", write = true }]` of the project in launchway.toml allows it
      external = [{ name = "uploads", write = true }]
    "#);
}

#[test]
fn what_is_its_own_is_free_whatever_the_file_calls_it() {
    let ours = [(label::PROJECT, "shop"), (label::ENVIRONMENT, "production")];
    let composes = [(label::COMPOSE_PROJECT, "shop")];
    for labels in [&ours[..], &composes[..]] {
        for external in [true, false] {
            assert_eq!(told(&mounting("kept", external, false), &with_volume("kept", labels), &others()), "");
        }
    }
    // By hand, under the name that is its own anyway.
    assert_eq!(told(&mounting("shop_data", false, false), &with_volume("shop_data", &[]), &others()), "");
    assert_eq!(told(&mounting("shop_data", false, false), &Observed::default(), &others()), "");
}

#[test]
fn a_name_is_no_way_to_somebody_elses_volume() {
    let unknown = with_volume("backup", &[]);
    insta::assert_snapshot!(told(&mounting("backup", false, false), &unknown, &others()), @r#"volumes.data: the volume backup belongs to somebody else: two environments must not meet. Give it another `name:`; or, if it is meant to be shared, declare it `external: true` and allow it with `allow.external = [{ name = "backup", write = true }]` of the project in launchway.toml."#);
    // Before its owner has made it.
    insta::assert_snapshot!(told(&mounting("bank-production_data", false, false), &Observed::default(), &others()), @"volumes.data: bank-production_data is a name of bank/production, whose volumes begin with bank-production_: two environments must not meet. Choose another `name:`.");
    let mut another = with_volume("shop_data", &[]);
    another.volumes.get_mut("shop_data").unwrap().another =
        Some(AnotherStore { id: Some("77".into()), project: "shop".into(), ..Default::default() });
    assert!(told(&mounting("shop_data", false, false), &another, &others()).contains("(another Launchway's)"));
}

#[test]
fn what_is_launchways_own_nothing_allows() {
    for external in [true, false] {
        let name = "launchway-folder-0123";
        let text = told(&mounting(name, external, true), &with_volume(name, &[]), &allowing(name, true));
        assert!(text.contains("is Launchway's own"), "{text}");
    }
    let mut inside = with_volume("data", &[(label::COMPOSE_PROJECT, "shop")]);
    inside.own_volumes.insert("data".into());
    let text = told(&mounting("data", true, true), &inside, &allowing("data", true));
    insta::assert_snapshot!(text, @"volumes.data: the volume data is Launchway's own, and nothing of a repository may reach it. Choose another name.");
}

#[test]
fn a_compose_project_may_be_called_like_launchway() {
    let mut release = mounting("launchway-demo_data", false, false);
    release.stack.compose_project = "launchway-demo".into();
    assert_eq!(told(&release, &Observed::default(), &others()), "");
    release.stack.volumes.get_mut("data").unwrap().name = "launchway-folder-01".into();
    assert_ne!(told(&release, &Observed::default(), &others()), "");
}

#[test]
fn a_network_of_others_is_entered_only_by_its_exact_name_in_the_settings() {
    let mut release = release(1, stack([component("web")]));
    let network = release.stack.networks.get_mut("default").unwrap();
    (network.name, network.external) = ("traefik_default".into(), true);
    let there = ObservedNetwork { labels: labelled(&[(label::COMPOSE_PROJECT, "traefik")]), ..Default::default() };
    let observed =
        Observed { networks: BTreeMap::from([("traefik_default".to_string(), there)]), ..Default::default() };
    insta::assert_snapshot!(told(&release, &observed, &others()), @r#"
    networks.default: the external network traefik_default is somebody else's (Compose project traefik), so it is refused; `allow.external = ["traefik_default"]` of the project in launchway.toml allows it
      external = ["traefik_default"]
    "#);
    assert_eq!(told(&release, &observed, &allowing("traefik_default", false)), "");
}

#[test]
fn what_the_environment_had_under_another_compose_project_is_its_own_still() {
    let grants = others();
    let told = |release: &Release, live: &Release, observed: &Observed| {
        let kept = kept(release, live, observed, &grants);
        let problems = refused(release, observed, &grants, &kept);
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let of_project = |project: &str, volume: &str| {
        let mut release = mounting(volume, false, false);
        release.stack.compose_project = project.into();
        release
    };
    let (live, now) = (of_project("old", "old_data"), of_project("shop", "old_data"));
    let composes = |project: &str| with_volume("old_data", &[(label::COMPOSE_PROJECT, project)]);
    assert_eq!(told(&now, &live, &composes("old")), "");
    assert_eq!(told(&now, &live, &with_volume("old_data", &[])), "", "made by hand under its usual name");
    assert_ne!(told(&now, &live, &composes("blog")), "", "of a project that it never had");
    assert_ne!(told(&now, &of_project("old", "old_other"), &composes("old")), "", "which it never mounted");
    let bank = with_volume("old_data", &[(label::PROJECT, "bank"), (label::ENVIRONMENT, "production")]);
    assert_ne!(told(&now, &live, &bank), "");
    let taken = of_project("bank-production", "old_data");
    assert_ne!(told(&now, &taken, &composes("bank-production")), "", "the project is another environment's now");
    let mut launchways = composes("old");
    launchways.own_volumes.insert("old_data".into());
    assert_ne!(told(&now, &live, &launchways), "");
    let mut external = of_project("old", "old_data");
    external.stack.volumes.get_mut("data").unwrap().external = true;
    assert_ne!(told(&now, &external, &composes("old")), "", "what it had of somebody else is somebody else's");
}
