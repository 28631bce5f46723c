use super::*;
use proptest::prelude::*;

fn named(names: &[&str]) -> Vec<ComponentName> {
    names.iter().map(|name| ComponentName::new(*name).unwrap()).collect()
}

const LIVE: Live<'static> = Live::Release(ReleaseId(41));

#[test]
fn every_situation_reads_as_a_sentence() {
    let api = ComponentName::new("api").unwrap();
    let (api_web, db, many) = (named(&["api", "web"]), named(&["db"]), named(&["a", "b", "c", "d", "e", "f"]));
    let commit = CommitId::new("0123456789".repeat(4)).unwrap();
    let seconds = Duration::from_secs;
    let success = Success {
        built_again: &[],
        verdicts: &[],
        release: ReleaseId(42),
        by: LiveBy::Deploying,
        started: &[],
        replaced: &api_web,
        ran: &[],
        adjusted: &[],
        removed: &[],
        unchanged: &db,
        live_after: seconds(12),
        watched: seconds(30),
        found_by_catching_up: false,
    };
    let deadlock = Some("panicked at 'no DATABASE_URL', src/main.rs:12");
    let unhealthy = "api did not become healthy";
    let situations = [
        Situation::Waiting(WaitsFor::Deployment { running: "7 (production#3)", ahead: 1 }),
        Situation::Waiting(WaitsFor::Deployment { running: "7 (production#3)", ahead: 3 }),
        Situation::Waiting(WaitsFor::Window { opens: "Mon 09:00 Europe/Berlin" }),
        Situation::Waiting(WaitsFor::NoMoment),
        Situation::Waiting(WaitsFor::Approval { then: None }),
        Situation::Waiting(WaitsFor::Approval {
            then: Some("then for the window Mon 2026-12-07 09:00 America/New_York"),
        }),
        Situation::Waiting(WaitsFor::Slot { running: 4 }),
        Situation::Waiting(WaitsFor::Share { running: 3 }),
        Situation::Waiting(WaitsFor::Freeze { until: "2027-01-03", reason: Some("holidays") }),
        Situation::Waiting(WaitsFor::Freeze { until: "2027-01-03", reason: None }),
        Situation::Waiting(WaitsFor::Room { of: "memory: needs 512 MB beside what runs, 200 MB are free" }),
        Situation::Waiting(WaitsFor::Edge),
        Situation::Waiting(WaitsFor::Engine),
        Situation::GoingOn { with: "the edge" },
        Situation::Waiting(WaitsFor::Turn),
        Situation::Preparing,
        Situation::Building { component: &api, number: 1, of: 2, left: None },
        Situation::Deploying { component: &api, number: 2, of: 3, left: None },
        Situation::Monitoring { left: seconds(30) },
        Situation::Monitoring { left: Duration::ZERO },
        Situation::PuttingBack { why: unhealthy, live: LIVE },
        Situation::Succeeded(success.clone()),
        Situation::Succeeded(Success {
            replaced: &many,
            removed: &db,
            unchanged: &[],
            live_after: seconds(125),
            watched: Duration::ZERO,
            ..success.clone()
        }),
        Situation::Succeeded(Success { started: &api_web, replaced: &[], unchanged: &[], ..success.clone() }),
        Situation::Succeeded(Success {
            replaced: &[],
            ran: &db,
            adjusted: &["api: replicas changed from 1 to 2".to_string()],
            unchanged: &[],
            ..success.clone()
        }),
        Situation::Succeeded(Success { by: LiveBy::GivingBack("ada"), watched: Duration::ZERO, ..success.clone() }),
        Situation::Succeeded(Success {
            replaced: &[],
            watched: Duration::ZERO,
            found_by_catching_up: true,
            ..success.clone()
        }),
        Situation::Succeeded(Success {
            release: ReleaseId(41),
            by: LiveBy::GoingBack("ada"),
            live_after: Duration::from_millis(830),
            ..success
        }),
        Situation::Failed {
            fault: Fault::Commit,
            what: "api did not build",
            last_line: Some("error: expected `;`"),
            live: LIVE,
        },
        Situation::Failed {
            fault: Fault::Host,
            what: "the engine did not answer within 30 s",
            last_line: None,
            live: Live::Nothing,
        },
        Situation::Failed {
            fault: Fault::Commit,
            what: unhealthy,
            last_line: deadlock,
            live: Live::Degraded { release: ReleaseId(41), down: &db },
        },
        Situation::RolledBack {
            fault: Fault::Commit,
            what: unhealthy,
            last_line: deadlock,
            release_command_ran: false,
            live: LIVE,
        },
        Situation::RolledBack {
            fault: Fault::Commit,
            what: unhealthy,
            last_line: deadlock,
            release_command_ran: true,
            live: LIVE,
        },
        Situation::Cancelled { by: Some("ada"), during: Some(Stage::Build), release_command_ran: false, live: LIVE },
        Situation::Cancelled { by: None, during: Some(Stage::Deploy), release_command_ran: true, live: LIVE },
        Situation::Cancelled { by: None, during: None, release_command_ran: false, live: LIVE },
        Situation::Superseded { by: &commit, live: LIVE },
        Situation::Skipped { mark: "[skip ci]", live: LIVE },
        Situation::LeftByRollback { by: Some("ada"), release_command_ran: true, live: LIVE },
    ];
    let lines: Vec<String> = situations
        .iter()
        .map(|situation| format!("{}: {}", situation.state().word(), situation.brief(&Mask::default())))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    pending: Waiting for deployment 7 (production#3) to end
    pending: Waiting behind 3 deployments; deployment 7 (production#3) is running
    pending: Waiting for the window Mon 09:00 Europe/Berlin
    pending: Waiting: no window ever opens outside of the freezes; `launchway deploy --now --reason` does not wait
    pending: Waiting for somebody's yes: `launchway approve`
    pending: Waiting for somebody's yes: `launchway approve`; then for the window Mon 2026-12-07 09:00 America/New_York
    pending: Waiting for its turn: 4 deployments run already
    pending: Waiting for its turn: 3 deployments of its project run already, and the last slot is kept for others
    pending: Waiting until 2027-01-03: frozen for holidays
    pending: Waiting until 2027-01-03: deployments are frozen
    pending: Waiting for memory: needs 512 MB beside what runs, 200 MB are free
    pending: Waiting for the edge: `launchway up` or `launchway edge` starts it
    pending: Waiting for the engine to answer: `docker info` says whether it runs
    pending: Going on: the edge answers
    pending: Waiting for its turn
    pending: Preparing: reading the commit and planning
    pending: Building api (1 of 2)
    pending: Deploying api (2 of 3)
    pending: Running; watched for 30 s more
    pending: Running; checking what the engine says of it
    pending: Putting back: api did not become healthy; release 41 comes back
    success: Live after 12 s; watched for 30 s. Release 42: api, web replaced; db unchanged
    success: Live after 2 min 5 s. Release 42: a, b, c and 3 more replaced; db removed
    success: Live after 12 s; watched for 30 s. Release 42: api, web started
    success: Live after 12 s; watched for 30 s. Release 42: db ran; api: replicas changed from 1 to 2
    success: Given back to Docker Compose by ada; live after 12 s. Release 42: api, web replaced; db unchanged
    success: Live. Release 42: nothing had to change; found by catching up
    success: Live again after 0.8 s; watched for 30 s. Release 41, put back by ada: api, web replaced; db unchanged
    failure: api did not build: error: expected `;`; release 41 is still live
    error: the engine did not answer within 30 s; nothing is live yet
    failure: api did not become healthy: panicked at 'no DATABASE_URL', src/main.rs:12; release 41 is still live, but without db
    failure: api did not become healthy: panicked at 'no DATABASE_URL', src/main.rs:12; release 41 is live again
    failure: api did not become healthy: panicked at 'no DATABASE_URL', src/main.rs…; release 41 is live again; the release command ran and is not undone
    cancelled: Cancelled by ada during the build; release 41 is live
    cancelled: Cancelled during the deploy; release 41 is live; the release command ran and is not undone
    cancelled: Cancelled while it waited; release 41 is live
    error: Superseded by 012345678901; release 41 is live
    error: Skipped: the commit says [skip ci]; release 41 is live
    failure: Rolled back by ada; release 41 is live; the release command ran and is not undone
    ");
    for (situation, line) in situations.iter().zip(&lines) {
        assert!(situation.brief(&Mask::default()).chars().count() <= SHORTEST_LIMIT, "{line}");
        let says_what_is_live = line.to_lowercase().contains(" live") || line.contains("nothing is live");
        assert!(!situation.state().is_final() || says_what_is_live, "{line}");
    }
}

#[test]
fn a_long_last_line_gives_way_to_what_is_live() {
    let line = "x".repeat(500);
    let situation = Situation::Failed { fault: Fault::Commit, what: "api exited", last_line: Some(&line), live: LIVE };
    let sentence = situation.brief(&Mask::default());
    assert_eq!(sentence.chars().count(), SHORTEST_LIMIT);
    assert!(
        sentence.starts_with("api exited: xxx") && sentence.ends_with("xxx…; release 41 is still live"),
        "{sentence}"
    );
}

#[test]
fn a_person_reads_the_whole_sentence_and_a_commit_as_much_as_fits() {
    let mask = Mask::default();
    let why = "web-1 is unhealthy; its health check said: curl: (7) Failed to connect to localhost port 8080 after 0 ms: Couldn't connect to server";
    let line =
        "panicked at src/main.rs:12: DATABASE_URL is not set; set it in the environment of the service, or in .env";
    let failed = Situation::Failed { fault: Fault::Commit, what: why, last_line: Some(line), live: LIVE };
    assert_eq!(failed.whole(&mask), format!("{why}; the last that it said: {line}; release 41 is still live"),);
    insta::assert_snapshot!(failed.brief(&mask), @"web-1 is unhealthy: panicked at src/main.rs:12: DATABASE_URL is not set; set it in the environment of the service…; release 41 is still live");
    let remedy = format!("the engine refused it: {}. Do this: {}", "why ".repeat(40), "this ".repeat(40));
    let failed = Situation::Failed { fault: Fault::Host, what: &remedy, last_line: None, live: LIVE };
    assert_eq!(failed.whole(&mask), format!("{remedy}; release 41 is still live"));
    let many = named(&["a", "b", "c", "d", "e", "f"]);
    let degraded = Live::Degraded { release: ReleaseId(41), down: &many };
    let failed = Situation::Failed { fault: Fault::Host, what: "no", last_line: None, live: degraded };
    assert_eq!(failed.whole(&mask), "no; release 41 is still live, but without a, b, c, d, e, f");
    assert_eq!(failed.brief(&mask), "no; release 41 is still live, but without a, b, c and 3 more");
}

proptest! {
    #[test]
    fn no_sentence_is_longer_than_the_limit_or_loses_its_end(what in ".{0,300}", line in ".{0,300}", ran in any::<bool>()) {
        let live = Live::Release(ReleaseId(i64::MAX));
        let (fault, last_line) = (Fault::Commit, Some(line.as_str()));
        for situation in [
            Situation::Failed { fault, what: &what, last_line, live },
            Situation::RolledBack { fault, what: &what, last_line, release_command_ran: ran, live },
            Situation::Cancelled { by: last_line, during: None, release_command_ran: ran, live },
            Situation::Skipped { mark: &what, live },
            Situation::LeftByRollback { by: Some(&what), release_command_ran: ran, live },
        ] {
            let sentence = situation.brief(&Mask::default());
            prop_assert!(sentence.chars().count() <= SHORTEST_LIMIT, "{}", sentence);
            prop_assert!(sentence.contains(" live"), "{}", sentence);
            prop_assert!(!sentence.chars().any(char::is_control));
        }
    }
}

#[test]
fn what_is_left_is_rounded_as_people_round() {
    let api = ComponentName::new("api").unwrap();
    let said = |left_ms: u64| {
        let left = Some(Duration::from_millis(left_ms));
        Situation::Building { component: &api, number: 2, of: 5, left }.brief(&Mask::default())
    };
    assert_eq!(said(41_300), "Building api (2 of 5), about 40 s left");
    let about = |left_ms| said(left_ms).split_once("about ").unwrap().1.to_string();
    let rounded: Vec<String> =
        [0, 2_400, 8_000, 27_900, 28_000, 54_900, 55_000, 89_000, 91_000, 3_569_000, 3_570_000, 4_300_000]
            .map(about)
            .into();
    let expected =
        ["5 s", "5 s", "10 s", "30 s", "30 s", "50 s", "1 min", "1 min", "2 min", "59 min", "1 h 0 min", "1 h 10 min"];
    assert_eq!(rounded, expected.map(|text| format!("{text} left")));
    let long = ComponentName::new("a".repeat(60)).unwrap();
    let left = Some(Duration::from_secs(100_000));
    let sentence = Situation::Deploying { component: &long, number: 1_000, of: 1_000, left }.brief(&Mask::default());
    assert!(sentence.chars().count() <= SHORTEST_LIMIT && sentence.ends_with("about 27 h 50 min left"), "{sentence}");
}

#[test]
fn a_secret_at_the_place_where_the_sentence_is_cut_is_hidden_whole() {
    let mask = Mask::new(&[crate::model::Secret::new("hunter2-hunter2-hunter2")]);
    for before in 0..160 {
        let line = format!("{} hunter2-hunter2-hunter2 and more", "x".repeat(before));
        let live = Live::Release(ReleaseId(41));
        let what = format!("web: {}", Quoted(&line));
        let why = Quoted(&line).to_string();
        for situation in [
            Situation::Failed { fault: Fault::Commit, what: "web exited", last_line: Some(&line), live },
            Situation::Failed { fault: Fault::Commit, what: &what, last_line: None, live },
            Situation::PuttingBack { why: &why, live },
            Situation::Cancelled { by: Some(&line), during: None, release_command_ran: false, live },
        ] {
            let sentence = situation.brief(&mask);
            assert!(!sentence.contains("hun"), "{sentence}");
        }
    }
}

#[test]
fn our_own_words_stay_where_a_secret_is_one_of_them() {
    let secrets = ["wrong", "release", "live", "building"].map(crate::model::Secret::new);
    let (mask, live) = (Mask::new(&secrets), Live::Release(ReleaseId(41)));
    let what = format!("building api failed: {}", Quoted("the wrong release"));
    let situation = Situation::Failed { fault: Fault::Commit, what: &what, last_line: Some("wrong: live"), live };
    assert_eq!(situation.brief(&mask), "building api failed: the *** ***: ***: ***; release 41 is still live");
    let cancelled = Situation::Cancelled { by: Some("wrong"), during: None, release_command_ran: false, live };
    assert_eq!(cancelled.brief(&mask), "Cancelled by *** while it waited; release 41 is live");
}

#[test]
fn what_could_not_be_fetched_is_said_in_what_a_forge_shows() {
    let why = "x".repeat(200);
    let situation = Situation::NotFetched { why: &why };
    let said = situation.brief(&Mask::default());
    assert_eq!(said.chars().count(), SHORTEST_LIMIT);
    assert!(said.starts_with("Cannot fetch yet: xxx") && said.ends_with('…'), "{said}");
    assert_eq!(situation.state(), StatusState::Pending);
}
