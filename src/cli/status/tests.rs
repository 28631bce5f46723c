use super::*;
use crate::web::wire::{DeploymentSummary, EngineReport, LiveReport, OutboxReport};

fn at(seconds_ago: i64) -> Timestamp {
    Timestamp::from_second(1_795_507_200 - seconds_ago).unwrap()
}

fn deployment(id: i64, state: DeploymentState, description: &str) -> DeploymentSummary {
    DeploymentSummary {
        id: crate::model::DeploymentId(id),
        project: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        state,
        ended: state.is_end(),
        description: description.into(),
        commit: "b".repeat(40).parse().unwrap(),
        subject: "Fix it again".into(),
        reference: None,
        trigger: "push".into(),
        asked_by: "ada".into(),
        release: None,
        created_at: at(600),
        started_at: Some(at(600)),
        ended_at: state.is_end().then(|| at(540)),
        page: format!("https://deploy.example.com/deployments/{id}"),
    }
}

fn environment(name: &str) -> EnvironmentReport {
    EnvironmentReport {
        project: "shop".parse().unwrap(),
        environment: name.parse().unwrap(),
        deploys: vec!["main".into(), "release/*".into()],
        live: None,
        running: None,
        waiting: Vec::new(),
        last: None,
    }
}

fn live() -> LiveReport {
    LiveReport {
        release: crate::model::ReleaseId(41),
        commit: "a".repeat(40).parse().unwrap(),
        subject: "Fix the price".into(),
        deployment: crate::model::DeploymentId(4),
        since: Some(at(7_200)),
        images: Vec::new(),
    }
}

fn report() -> StatusReport {
    let busy = EnvironmentReport {
        live: Some(live()),
        running: Some(deployment(5, DeploymentState::Building, "Building api (1 of 2)")),
        waiting: vec![deployment(6, DeploymentState::Waiting, "Waits")],
        ..environment("production")
    };
    let failed = EnvironmentReport {
        live: Some(live()),
        last: Some(deployment(3, DeploymentState::RolledBack, "api exited with code 1; release 41 is live again")),
        ..environment("staging")
    };
    StatusReport {
        version: "0.1.0".into(),
        engine: EngineReport {
            answers: false,
            version: None,
            api: None,
            platform: None,
            problem: Some("connection refused".into()),
        },
        outbox: OutboxReport { unsent: 2, last_error: Some("401 Bad credentials".into()) },
        environments: vec![busy, failed, environment("test")],
    }
}

#[test]
fn what_people_read() {
    insta::assert_snapshot!(text(&report(), &Look::plain(), at(0)), @"
    ENVIRONMENT      LIVE                                       SINCE    NOW
    shop/production  release 41, aaaaaaaaaaaa Fix the price     2 h ago  deployment 5 building: Building api (1 of 2); deployment 6 waits
    shop/staging     release 41, aaaaaaaaaaaa Fix the price     2 h ago  deployment 3 rolled back 9 min ago: api exited with code 1; release 41 is live again
    shop/test        nothing yet; main, release/* deploys here  -        idle
    Deployment 5: https://deploy.example.com/deployments/5
    Deployment 3: https://deploy.example.com/deployments/3
    The engine does not answer: connection refused
    2 statuses have not reached the forge yet: 401 Bad credentials
    ");
}

#[test]
fn a_narrow_terminal_breaks_cells_instead_of_lines() {
    let look = Look { is_terminal: true, colour: false, width: Some(80) };
    let text = text(&report(), &look, at(0));
    let table: Vec<&str> = text.lines().take_while(|line| !line.starts_with("Deployment ")).collect();
    assert!(table.len() > 4 && table.iter().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_terminal_that_does_not_know_its_width_is_taken_as_usual() {
    let at_width = |width| text(&report(), &Look { is_terminal: true, colour: false, width: Some(width) }, at(0));
    assert_eq!(at_width(0), at_width(80));
}

#[test]
fn colours_are_only_for_terminals_that_want_them() {
    let colours = |is_terminal, colour| text(&report(), &Look { is_terminal, colour, width: Some(200) }, at(0));
    assert!(colours(true, true).contains("\u{1b}["));
    assert!(!colours(true, false).contains('\u{1b}'));
    assert!(!colours(false, false).contains('\u{1b}'));
}
