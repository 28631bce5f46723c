use super::*;
use crate::model::{CommitId, DeploymentId, RefName};

fn deployment(state: DeploymentState) -> Deployment {
    Deployment {
        id: DeploymentId(7),
        number: 3,
        project: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        commit: CommitId::new("a".repeat(40)).unwrap(),
        subject: "Fix the price".into(),
        reference: Some(RefName::new("refs/heads/main").unwrap()),
        trigger: Trigger::Push,
        asked_by: "ada".into(),
        delivery: None,
        release: None,
        previous: None,
        state,
        description: "Building".into(),
        page_key: "k".into(),
        rebuild: false,
        pull: false,
        now_reason: None,
        fresh_volumes: Vec::new(),
        asks: Vec::new(),
        last_lines: Default::default(),
        approved_by: None,
        cancelled_by: None,
        plan: String::new(),
        touched: false,
        host_fault: false,
        deaths: 0,
        created_ms: 0,
        started_ms: Some(1_000),
        ended_ms: None,
    }
}

fn record(stage: Stage, ended_ms: Option<i64>, outcome: Option<&str>) -> StageRecord {
    StageRecord { stage, started_ms: 1_000, ended_ms, outcome: outcome.map(str::to_string), log_offset: 0 }
}

fn rows(state: DeploymentState, records: &[StageRecord]) -> Vec<String> {
    let rows = stage_rows(&deployment(state), records, 9_000);
    rows.iter().map(|row| format!("{} {} {} {:?}", row.name, row.mood, row.outcome, row.took)).collect()
}

#[test]
fn all_four_stages_are_shown_also_those_not_reached() {
    let records = [record(Stage::Prepare, Some(3_000), Some("done")), record(Stage::Build, None, None)];
    assert_eq!(
        rows(DeploymentState::Building, &records),
        [
            r#"prepare good done Some("2 s")"#,
            r#"build busy running Some("8 s")"#,
            "deploy none to come None",
            "monitor none to come None",
        ]
    );
    let records = [record(Stage::Prepare, Some(3_000), Some("failed"))];
    assert_eq!(
        rows(DeploymentState::Failed, &records)[..2],
        [r#"prepare bad failed Some("2 s")"#, "build none not reached None",]
    );
}

#[test]
fn the_plan_is_told_apart_into_components_and_steps() {
    let view = plan_view(
        "release 2 of commit abc\napi: changed (its context api (the whole) changed); recreate: it says so\n\
         db: unchanged\nweb: new; rolling: it says so\n\
         #1 api-1, start container\n[1] -> #2 api-1, wait: until it is ready\nnothing to do: everything runs\n",
    );
    assert_eq!(view.heading.as_deref(), Some("release 2 of commit abc"));
    let components: Vec<String> = view
        .components
        .iter()
        .map(|line| format!("{}|{}|{}|{}", line.name, line.change, line.why, line.method))
        .collect();
    assert_eq!(
        components,
        [
            "api|changed|its context api (the whole) changed|recreate: it says so",
            "db|unchanged||",
            "web|new||rolling: it says so"
        ]
    );
    assert_eq!(
        view.steps,
        ["#1 api-1, start container", "[1] -> #2 api-1, wait: until it is ready", "nothing to do: everything runs"]
    );
}

#[test]
fn who_asked_is_told_as_a_sentence_end() {
    let mut deployment = deployment(DeploymentState::Cancelled);
    assert_eq!(asked(&deployment, &Mask::default()), "pushed by ada");
    deployment.trigger = Trigger::Rollback;
    deployment.cancelled_by = Some("bob".into());
    assert_eq!(asked(&deployment, &Mask::default()), "rollback, asked for by ada; cancelled by bob");
    deployment.trigger = Trigger::GiveBack;
    assert!(asked(&deployment, &Mask::default()).starts_with("give-back to Docker Compose, asked for by ada"));
}
