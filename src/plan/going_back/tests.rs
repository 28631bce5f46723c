use super::*;
use crate::model::{
    CanarySettings, CommitId, EntryProtocol, EnvironmentName, Fingerprint, Freeze, ImageIdentity, Listen, ProjectName,
    ReleaseId, ReleasePart, RouteEntry, Sticky,
};
use crate::plan::fingerprint::fingerprint;
use crate::plan::sample::{Sample, component, stack_of};
use std::collections::BTreeMap;

fn release(id: i64, components: Vec<Sample>) -> Release {
    let stack = stack_of(components);
    let part = |component: &Component| {
        let image = ImageIdentity::Pulled { reference: "x".into(), pinned: "1".into() };
        let fingerprint = fingerprint(&stack, component, &image, None, &BTreeMap::new());
        (component.name.clone(), ReleasePart::new(image, fingerprint, None))
    };
    Release {
        id: ReleaseId(id),
        project: ProjectName::new("shop").unwrap(),
        environment: EnvironmentName::new("production").unwrap(),
        commit: CommitId::new(id.to_string().repeat(40)).unwrap(),
        parts: stack.components.values().map(part).collect(),
        stack,
    }
}

/// What is told of two releases, a line for each component that changes; both ways of telling whether they differ agree.
fn told(live: &Release, earlier: &Release) -> String {
    let found = differences((live, None), (earlier, None));
    assert_eq!(found.is_empty(), content(live) == content(earlier), "{found:?}");
    let changed = found.components.iter().filter(|change| change.kind != ChangeKind::Unchanged);
    let mut lines: Vec<String> =
        changed.map(|c| format!("{} {}: {}", c.component, c.kind.word(), c.reasons.join("; "))).collect();
    lines.extend(found.rules.iter().map(ToString::to_string));
    lines.join("\n")
}

#[test]
fn a_commit_that_changed_no_component_is_no_difference() {
    let first = release(1, vec![component("api").env("K", "v"), component("web").after("api")]);
    let mut second = release(2, vec![component("api").env("K", "v"), component("web")]);
    // Lines move, and what is known of an image or of past traffic is more than it was.
    for component in second.stack.components.values_mut() {
        component.place.line += 7;
        component.traffic = Some(3.5);
        component.image_volumes = vec!["/data".into()];
    }
    assert_eq!(told(&second, &first), "");
}

#[test]
fn each_component_that_changes_is_named_with_the_reason() {
    let first = release(1, vec![component("api").env("K", "v"), component("old"), component("web").replicas(2)]);
    let second = release(2, vec![component("api").env("K", "w"), component("new"), component("web")]);
    insta::assert_snapshot!(told(&second, &first), @"
    api changed: environment K changed
    old new: release 1 has it
    web changed: replicas changed from 1 to 2
    new removed: release 1 does not have it; its volumes stay
    ");
}

#[test]
fn what_leads_to_a_component_and_the_rules_of_what_is_live_count_too() {
    let first = release(1, vec![component("web")]);
    let changed = |change: &dyn Fn(&mut Stack)| {
        let mut second = first.clone();
        second.id = ReleaseId(2);
        change(&mut second.stack);
        told(&second, &first)
    };
    let entry =
        RouteEntry { listen: Listen::Port { host_ip: None, port: 80, protocol: EntryProtocol::Http }, target: 8080 };
    let way_in = changed(&|stack| stack.components.values_mut().for_each(|c| c.entries.push(entry.clone())));
    insta::assert_snapshot!(way_in, @"web changed: the ways in to it are others");
    let sticky = CanarySettings { sticky: Some(Sticky::Header("x-user".into())), ..CanarySettings::default() };
    let sticky = changed(&|stack| stack.components.values_mut().for_each(|c| c.settings.canary = Some(sticky.clone())));
    assert_eq!(sticky, way_in);
    let freeze = Freeze { from: "2099-01-01".into(), to: "2099-01-02".into(), reason: None, timezone: None };
    insta::assert_snapshot!(changed(&|stack| stack.settings.freeze.push(freeze.clone())), @"the freezes");
    insta::assert_snapshot!(changed(&|stack| stack.settings.approval = true), @"whether a deployment waits for a yes");
}

#[test]
fn what_an_earlier_version_of_launchway_wrote_otherwise_is_no_difference() {
    let (mut first, second) = (release(1, vec![component("web")]), release(2, vec![component("web")]));
    for part in first.parts.values_mut() {
        part.fingerprint = Fingerprint("v0:written-otherwise".into());
    }
    assert_eq!(told(&second, &first), "");
}
