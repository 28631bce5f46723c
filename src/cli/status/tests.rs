use super::*;
use crate::web::wire::{
    ComponentReport, DegradedReport, DeploymentSummary, DriftReport, EngineReport, LeftVolumeReport, LiveReport,
    OutboxReport, PausedReport,
};

fn at(seconds_ago: i64) -> Timestamp {
    Timestamp::from_second(1_795_507_200 - seconds_ago).unwrap()
}

fn deployment(id: i64, state: DeploymentState, description: &str) -> DeploymentSummary {
    DeploymentSummary {
        id: crate::model::DeploymentId(id),
        number: id,
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
        components: Some(Vec::new()),
        degraded: Vec::new(),
        paused: None,
        beyond: None,
        drift: None,
        left_volumes: None,
        warnings: Vec::new(),
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
        orphans: Vec::new(),
    }
}

#[test]
fn what_people_read() {
    insta::assert_snapshot!(text(&report(), &Look::plain(), at(0)), @"
    ENVIRONMENT      LIVE                                       SINCE    NOW
    shop/production  release 41, aaaaaaaaaaaa Fix the price     2 h ago  deployment 5 (production#5): Building api (1 of 2); deployment 6 (production#6) waits
    shop/staging     release 41, aaaaaaaaaaaa Fix the price     2 h ago  deployment 3 (production#3) rolled back 9 min ago: api exited with code 1; release 41 is live again
    shop/test        nothing yet; main, release/* deploys here  -        idle
    Deployment 5 (production#5): https://deploy.example.com/deployments/5
    Deployment 3 (production#3): https://deploy.example.com/deployments/3
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

fn component(name: &str, running: u32, wanted: u32, note: Option<&str>) -> ComponentReport {
    ComponentReport {
        name: name.parse().unwrap(),
        wanted,
        running,
        health: (running > 0).then(|| "healthy".into()),
        restarts: 0,
        note: note.map(str::to_string),
    }
}

#[test]
fn what_is_not_well_is_told_with_its_reason() {
    let degraded = EnvironmentReport {
        live: Some(live()),
        last: Some(deployment(4, DeploymentState::Succeeded, "Release 41 is live")),
        components: Some(vec![
            component("api", 2, 2, None),
            component("migrate", 0, 0, Some("a job")),
            component("web", 0, 1, Some("exited with code 3")),
        ]),
        degraded: vec![DegradedReport {
            component: Some("web".parse().unwrap()),
            trouble: "keeps_dying".into(),
            why: "web keeps dying: it exited with code 3, 4 times".into(),
            last_lines: (1..=7).map(|n| format!("line {n}")).collect(),
            since: at(130),
        }],
        drift: Some(vec![DriftReport {
            component: Some("web".parse().unwrap()),
            subject: "shop-production-web-1".into(),
            kind: "stopped".into(),
            how: "has ended with code 3".into(),
        }]),
        ..environment("production")
    };
    let paused = EnvironmentReport {
        live: Some(live()),
        last: Some(deployment(3, DeploymentState::Succeeded, "Release 41 is live")),
        waiting: vec![deployment(6, DeploymentState::Waiting, "Waits")],
        components: Some(vec![component("web", 0, 1, Some("exited with code 137"))]),
        paused: Some(PausedReport { by: "ada".into(), reason: Some("moving house".into()), since: at(3_600) }),
        drift: Some(Vec::new()),
        left_volumes: Some(vec![
            LeftVolumeReport { name: "shop_cache".into(), was: Vec::new() },
            LeftVolumeReport { name: "shop_data".into(), was: vec!["db at /data".into(), "backup at /src".into()] },
        ]),
        warnings: vec!["compose.yaml:4: services.web.x-launchway.method: canary cannot be, so it is recreate".into()],
        ..environment("staging")
    };
    let engine = EngineReport { answers: true, problem: None, ..report().engine };
    let outbox = OutboxReport { unsent: 0, last_error: None };
    let report = StatusReport { engine, outbox, environments: vec![degraded, paused], ..report() };
    insta::assert_snapshot!(text(&report, &Look::plain(), at(0)), @"
    ENVIRONMENT      LIVE                                    SINCE    NOW
    shop/production  release 41, aaaaaaaaaaaa Fix the price  2 h ago  degraded
    shop/staging     release 41, aaaaaaaaaaaa Fix the price  2 h ago  paused; web down; deployment 6 (production#6) waits

    ENVIRONMENT      COMPONENT  RUNNING  HEALTH   RESTARTS
    shop/production  api        2 of 2   healthy  0
    shop/production  migrate    -        -        0         a job
    shop/production  web        0 of 1   -        0         exited with code 3
    shop/staging     web        0 of 1   -        0         exited with code 137

    shop/production is degraded (since 2 min ago): web keeps dying: it exited with code 3, 4 times
      | line 3
      | line 4
      | line 5
      | line 6
      | line 7
    shop/production differs from release 41:
      shop-production-web-1 has ended with code 3
    shop/staging was paused 1 h ago by ada: moving house
    shop/staging is as release 41 says
    shop/staging has volumes that no live release names, with what was written there (`docker volume rm` removes one):
      shop_cache
      shop_data, once of db at /data and backup at /src
    shop/staging: warning: compose.yaml:4: services.web.x-launchway.method: canary cannot be, so it is recreate
    Deployment 4 (production#4): https://deploy.example.com/deployments/4
    Deployment 3 (production#3): https://deploy.example.com/deployments/3
    ");
}

#[test]
fn what_left_the_settings_is_listed_with_what_it_holds_and_the_ways_out() {
    let orphan = OrphanReport {
        project: "shop".parse().unwrap(),
        environment: "old".parse().unwrap(),
        release: crate::model::ReleaseId(4),
        running: Some(vec!["old-web-1".into(), "old-db-1".into()]),
        ports: vec!["0.0.0.0:8080/tcp".into()],
        hosts: vec!["old.example.com".into()],
        volumes: vec!["old_data".into()],
    };
    insta::assert_snapshot!(orphaned(&orphan), @"
    shop/old is not in launchway.toml any more; release 4 of it is live, and nobody watches it
      runs: old-web-1, old-db-1
      holds the ports 0.0.0.0:8080/tcp
      holds the hosts old.example.com
      holds the volumes old_data
      `launchway remove shop/old --keep-volumes` takes it away but for its volumes, and `launchway give-back shop/old` gives it back to Docker Compose; put back into launchway.toml, it is watched again
    ");
    let away = OrphanReport { running: None, ports: Vec::new(), hosts: Vec::new(), volumes: Vec::new(), ..orphan };
    assert!(orphaned(&away).contains("  runs: not known, as the engine does not answer\n"));
}
