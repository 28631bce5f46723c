use super::*;

fn running() -> Look {
    Look {
        state: State::Running,
        health: Health::None,
        health_output: None,
        check: None,
        restarts: 0,
        oom_killed: false,
        memory_limit_bytes: 0,
        up_for: None,
        exposed: Vec::new(),
    }
}

fn starting() -> Look {
    let check = Check { command: vec!["/check".into()], timeout: Duration::from_secs(30) };
    Look { health: Health::Starting, check: Some(check), ..running() }
}

fn readiness(ports: &[u16]) -> Readiness {
    Readiness {
        goal: ReadyGoal::Ready,
        stay_up: Duration::from_secs(5),
        deadline: Duration::from_secs(60),
        ports: ports.to_vec(),
        follow: false,
        reach: None,
    }
}

fn job() -> Readiness {
    Readiness { goal: ReadyGoal::Completed, ..readiness(&[]) }
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ended(code: i64) -> State {
    State::Ended(Run { code, took: Some(Duration::from_millis(312)) })
}

#[track_caller]
fn sentence(next: Next) -> String {
    match next {
        Next::Failed(failure) => Mask::default().sentence(&failure.sentence()),
        Next::Ready { note } => format!("ready: {}", note.unwrap_or_default()),
        Next::Wait(probe) => format!("wait: {probe:?}"),
    }
}

#[test]
fn the_engines_word_decides_where_there_is_a_health_check() {
    let mut waiting = Waiting::new(&readiness(&[8080]));
    assert!(matches!(waiting.look(&starting(), at(0)), Next::Wait(Probe::Exec(_))));
    let healthy = Look { health: Health::Healthy, ..starting() };
    assert!(matches!(waiting.look(&healthy, at(1)), Next::Ready { .. }));
    let unhealthy = Look { health: Health::Unhealthy, health_output: Some("no db\n".into()), ..starting() };
    insta::assert_snapshot!(sentence(waiting.look(&unhealthy, at(2))), @"is unhealthy; its health check said: no db");
}

#[test]
fn a_check_that_passes_before_the_engines_turn_is_enough() {
    let mut waiting = Waiting::new(&readiness(&[]));
    waiting.look(&starting(), at(0));
    waiting.probed(Probed::CheckFailed { said: "not yet".into() });
    assert!(matches!(waiting.look(&starting(), at(1)), Next::Wait(Probe::Exec(_))));
    waiting.probed(Probed::CheckPassed);
    insta::assert_snapshot!(sentence(waiting.look(&starting(), at(2))), @"ready: its health check succeeds, tried before the engine's first turn");
}

#[test]
fn an_end_after_a_check_that_passed_is_still_a_failure() {
    let mut waiting = Waiting::new(&readiness(&[]));
    waiting.look(&starting(), at(0));
    waiting.probed(Probed::CheckPassed);
    let look = Look { state: ended(1), ..starting() };
    insta::assert_snapshot!(sentence(waiting.look(&look, at(1))), @"exited with code 1 0.3 s after its start");
}

#[test]
fn a_check_left_to_the_engine_is_not_tried() {
    let mut waiting = Waiting::new(&readiness(&[]));
    let look = Look { check: None, ..starting() };
    assert_eq!(waiting.look(&look, at(0)), Next::Wait(Probe::Nothing));
}

#[test]
fn a_health_check_that_never_passes_ends_with_what_it_said() {
    let mut waiting = Waiting::new(&readiness(&[]));
    waiting.look(&starting(), at(0));
    waiting.probed(Probed::CheckFailed { said: "connection refused\n".into() });
    insta::assert_snapshot!(sentence(waiting.look(&starting(), at(60))), @"did not become healthy within 60 s; its health check said: connection refused");
}

#[test]
fn a_port_that_answers_is_ready_at_once() {
    let mut waiting = Waiting::new(&readiness(&[80, 8080]));
    assert_eq!(waiting.look(&running(), at(0)), Next::Wait(Probe::Ports(vec![80, 8080])));
    waiting.probed(Probed::Answered { at: "172.18.0.2:8080".into() });
    insta::assert_snapshot!(sentence(waiting.look(&running(), at(0))), @"ready: 172.18.0.2:8080 answers");
}

#[test]
fn a_port_that_refuses_until_the_deadline_is_a_failure_however_long_it_stayed_up() {
    let mut waiting = Waiting::new(&readiness(&[8080]));
    waiting.look(&running(), at(0));
    waiting.probed(Probed::Refused { tried: "172.18.0.2:8080: connection refused".into() });
    assert!(matches!(waiting.look(&running(), at(30)), Next::Wait(_)));
    insta::assert_snapshot!(sentence(waiting.look(&running(), at(60))), @"did not answer on port 8080 within 60 s; 172.18.0.2:8080: connection refused");
}

#[test]
fn ports_that_cannot_be_reached_from_here_leave_it_to_staying_up() {
    let mut waiting = Waiting::new(&readiness(&[8080]));
    waiting.look(&running(), at(0));
    waiting.probed(Probed::Unreachable { tried: "172.18.0.2:8080: timed out".into() });
    assert!(matches!(waiting.look(&running(), at(4)), Next::Wait(_)));
    insta::assert_snapshot!(sentence(waiting.look(&running(), at(5))), @"ready: it stayed up for 5 s; its ports cannot be reached from here to ask them (172.18.0.2:8080: timed out)");
}

#[test]
fn a_port_of_the_image_may_stay_silent() {
    let look = Look { exposed: vec![9000], ..running() };
    let mut waiting = Waiting::new(&readiness(&[]));
    assert_eq!(waiting.look(&look, at(0)), Next::Wait(Probe::Ports(vec![9000])));
    waiting.probed(Probed::Refused { tried: "x".into() });
    assert!(matches!(waiting.look(&look, at(4)), Next::Wait(_)));
    insta::assert_snapshot!(sentence(waiting.look(&look, at(5))), @"ready: it stayed up for 5 s; nothing answered on port 9000, which its image names");
}

#[test]
fn without_check_and_port_staying_up_counts_from_when_it_ran() {
    let mut waiting = Waiting::new(&readiness(&[]));
    waiting.look(&running(), at(2));
    assert!(matches!(waiting.look(&running(), at(6)), Next::Wait(_)));
    insta::assert_snapshot!(sentence(waiting.look(&running(), at(7))), @"ready: it stayed up for 5 s; it has no health check and no port to ask");
    let long_up = Look { up_for: Some(at(3600)), ..running() };
    assert!(matches!(Waiting::new(&readiness(&[])).look(&long_up, at(0)), Next::Ready { .. }));
}

#[test]
fn a_crash_loop_is_seen_at_the_first_restart() {
    let restarting = Look {
        state: State::Restarting(Run { code: 1, took: Some(Duration::from_millis(312)) }),
        restarts: 1,
        ..running()
    };
    insta::assert_snapshot!(sentence(Waiting::new(&readiness(&[])).look(&restarting, at(0))), @"exited with code 1 0.3 s after its start, and was restarted once: a crash loop");
    let mut waiting = Waiting::new(&readiness(&[]));
    waiting.look(&running(), at(0));
    let again = Look { restarts: 2, ..running() };
    insta::assert_snapshot!(sentence(waiting.look(&again, at(1))), @"ended and was restarted 2 times: a crash loop");
}

#[test]
fn restarts_of_long_ago_are_no_crash_loop() {
    let survivor = Look { restarts: 3, up_for: Some(at(86_400)), ..running() };
    assert!(matches!(Waiting::new(&readiness(&[])).look(&survivor, at(0)), Next::Ready { .. }));
}

#[test]
fn a_service_that_ends_well_hears_how_to_say_that_it_is_a_job() {
    let look = Look { state: ended(0), ..running() };
    insta::assert_snapshot!(sentence(Waiting::new(&readiness(&[])).look(&look, at(0))), @"exited with code 0 0.3 s after its start. If it is meant to end, say so: `x-launchway: { job: true }`");
}

#[test]
fn running_out_of_memory_is_said_with_the_limit() {
    let look = Look { state: ended(137), oom_killed: true, memory_limit_bytes: 64 << 20, ..running() };
    insta::assert_snapshot!(sentence(Waiting::new(&readiness(&[])).look(&look, at(0))), @"exited with code 137 0.3 s after its start: it was killed because it ran out of memory (its limit is 64 MiB)");
}

#[test]
fn a_job_is_done_when_it_ended_well() {
    let mut waiting = Waiting::new(&job());
    assert_eq!(waiting.look(&running(), at(0)), Next::Wait(Probe::Nothing));
    let again = Look { state: State::Restarting(Run { code: 1, took: None }), restarts: 1, ..running() };
    assert_eq!(waiting.look(&again, at(1)), Next::Wait(Probe::Nothing), "its restart policy gives it another try");
    let done = Look { state: ended(0), ..running() };
    insta::assert_snapshot!(sentence(waiting.look(&done, at(2))), @"ready: ended with exit code 0 after 0.3 s");
    let failed = Look { state: ended(2), ..running() };
    insta::assert_snapshot!(sentence(waiting.look(&failed, at(2))), @"exited with code 2 0.3 s after its start");
    insta::assert_snapshot!(sentence(Waiting::new(&job()).look(&running(), at(60))), @"did not end within 60 s");
}

#[test]
fn what_was_not_started_or_is_gone_is_not_waited_for() {
    for (state, text) in
        [(State::Created, "was not started"), (State::Gone, "was removed by somebody while it was waited for")]
    {
        let look = Look { state, ..running() };
        assert_eq!(sentence(Waiting::new(&readiness(&[])).look(&look, at(0))), text);
        assert_eq!(sentence(Waiting::new(&job()).look(&look, at(0))), text);
    }
}

#[test]
fn a_paused_container_is_waited_for_and_named_as_such() {
    let paused = Look { state: State::Paused, ..starting() };
    let mut waiting = Waiting::new(&readiness(&[]));
    assert_eq!(waiting.look(&paused, at(0)), Next::Wait(Probe::Nothing));
    insta::assert_snapshot!(sentence(waiting.look(&paused, at(60))), @"did not become ready, because it is paused, within 60 s");
}
