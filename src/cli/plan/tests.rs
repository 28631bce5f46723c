use super::*;
use crate::web::wire::{Against, ComponentPlan};

fn component(name: &str, change: &str, reasons: &[&str], method: Option<(&str, &str)>) -> ComponentPlan {
    ComponentPlan {
        name: name.parse().unwrap(),
        change: change.into(),
        reasons: reasons.iter().map(ToString::to_string).collect(),
        method: method.map(|(method, _)| method.into()),
        method_reason: method.map(|(_, reason)| reason.into()),
        uses_build_of: None,
        release_command: false,
    }
}

fn report() -> PlanReport {
    let method = Some(("recreate", "it publishes port 80, which only one container can hold"));
    PlanReport {
        project: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        commit: "b".repeat(40).parse().unwrap(),
        subject: "Fix the price".into(),
        reference: None,
        against: Some(Against { release: Some(crate::model::ReleaseId(41)), commit: "a".repeat(40).parse().unwrap() }),
        components: vec![
            component("api", "changed", &["its context api changed", "environment LOG changed"], method),
            component("db", "unchanged", &[], method),
            component("old", "removed", &["the Compose file no longer has it; its volumes stay"], None),
        ],
        order: vec![vec!["cache".parse().unwrap(), "db".parse().unwrap()], vec!["api".parse().unwrap()]],
        steps: Some(vec!["#1 api-1, create container".into(), "[1] -> #2 api-1, stop container".into()]),
        to_pull: vec!["redis:7".into()],
        notes: vec!["compose.yaml:1: version: it is obsolete".into()],
        waits: Some("Waiting for the window Mon 09:00 Europe/Berlin".into()),
        asks: vec!["db at /data would start on the volume shop_b".into()],
    }
}

#[test]
fn what_people_read() {
    insta::assert_snapshot!(text(&report(), &Look::plain()), @"
    shop/production: bbbbbbbbbbbb Fix the price
    Compared with release 41 of aaaaaaaaaaaa

    COMPONENT  CHANGE     METHOD    WHY
    api        changed    recreate  its context api changed; environment LOG changed; recreate because it publishes port 80, which only one container can hold
    db         unchanged  recreate  -
    old        removed    -         the Compose file no longer has it; its volumes stay

    Order: cache, db -> api

    Steps:
      #1 api-1, create container
      [1] -> #2 api-1, stop container

    Would be pulled first, and may then turn out to have changed: redis:7

    Ends before anything is touched: db at /data would start on the volume shop_b

    A push now: Waiting for the window Mon 09:00 Europe/Berlin
    Note: compose.yaml:1: version: it is obsolete
    ");
}

#[test]
fn a_plan_without_steps_says_so() {
    let report = PlanReport { steps: Some(Vec::new()), against: None, ..report() };
    let text = text(&report, &Look::plain());
    assert!(text.contains("No step is needed: everything runs as it should"), "{text}");
    assert!(text.contains("Nothing is live yet"), "{text}");
}
