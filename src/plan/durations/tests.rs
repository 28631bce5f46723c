use super::*;
use crate::model::WorkDetail;

fn name(text: &str) -> ComponentName {
    ComponentName::new(text).unwrap()
}

fn work(deployment: i64, component: &str, kind: WorkKind, took_ms: i64) -> Work {
    Work {
        deployment: DeploymentId(deployment),
        component: Some(name(component)),
        kind,
        subject: String::new(),
        started_ms: 0,
        ended_ms: took_ms,
        outcome: WorkOutcome::Done,
        detail: WorkDetail::default(),
    }
}

/// A build of four steps.
fn build(deployment: i64, component: &str, cached: u32, took_ms: i64) -> Work {
    let detail = WorkDetail { steps: Some(4), cached: Some(cached), ..WorkDetail::default() };
    Work { detail, ..work(deployment, component, WorkKind::Build, took_ms) }
}

fn likely(durations: &Durations, component: &str, kind: WorkKind) -> f64 {
    durations.expect(Some(&name(component)), kind).unwrap().likely.as_secs_f64()
}

#[test]
fn what_went_astray_does_not_move_the_expectation() {
    for seed in 0..50 {
        let mut random = fastrand::Rng::with_seed(seed);
        // One in five takes ten to a hundred times as long; newest first.
        let history: Vec<Work> = (0..30)
            .map(|n| {
                let usual = random.i64(9_000..11_000);
                let took = if n % 5 == 2 { usual * random.i64(10..100) } else { usual };
                work(30 - n, "api", WorkKind::Ready, took)
            })
            .collect();
        let expected = likely(&Durations::learn(&history, []), "api", WorkKind::Ready);
        assert!((9.0..11.5).contains(&expected), "seed {seed}: {expected}");
    }
}

#[test]
fn the_expectation_follows_a_drift() {
    // It took 10 s, and since ten deployments it takes 20 s.
    let history: Vec<Work> =
        (0..40).map(|n| work(40 - n, "api", WorkKind::Ready, if n < 10 { 20_000 } else { 10_000 })).collect();
    assert_eq!(likely(&Durations::learn(&history, []), "api", WorkKind::Ready), 20.0);
    // Two that took longer are no drift yet.
    let history: Vec<Work> =
        (0..40).map(|n| work(40 - n, "api", WorkKind::Ready, if n < 2 { 20_000 } else { 10_000 })).collect();
    assert_eq!(likely(&Durations::learn(&history, []), "api", WorkKind::Ready), 10.0);
}

#[test]
fn cold_warm_and_wholly_cached_builds_are_told_apart() {
    let history = [
        build(6, "api", 4, 500),
        build(5, "api", 2, 9_000),
        build(4, "api", 4, 700),
        build(3, "api", 1, 11_000),
        build(2, "api", 0, 60_000),
        build(1, "api", 0, 80_000),
    ];
    let durations = Durations::learn(&history, []);
    let of = |warmth| durations.expect_build(&name("api"), warmth).unwrap().likely.as_secs_f64();
    assert!((9.0..=11.0).contains(&of(Warmth::Warm)), "{}", of(Warmth::Warm));
    assert!((60.0..=80.0).contains(&of(Warmth::Cold)), "{}", of(Warmth::Cold));
    assert!(of(Warmth::Cached) < 1.0, "{}", of(Warmth::Cached));
    // What is likely is what was last built of something new.
    assert_eq!(likely(&durations, "api", WorkKind::Build), of(Warmth::Warm));
}

#[test]
fn what_was_never_seen_gets_what_its_neighbours_had_and_then_what_others_had() {
    let own = [work(2, "api", WorkKind::Ready, 4_000), work(1, "api", WorkKind::Ready, 4_000)];
    let others = [work(9, "elsewhere", WorkKind::Stop, 1_000)];
    let durations = Durations::learn(&own, &others);
    let ready = durations.expect(Some(&name("new")), WorkKind::Ready).unwrap();
    assert_eq!((ready.likely, ready.basis), (Duration::from_secs(4), Basis::Environment));
    assert_eq!(ready.spread, (Duration::from_secs(2), Duration::from_secs(8)));
    let stop = durations.expect(Some(&name("new")), WorkKind::Stop).unwrap();
    assert_eq!((stop.likely, stop.basis), (Duration::from_secs(1), Basis::Others));
    assert_eq!(durations.expect(Some(&name("new")), WorkKind::Pull), None);
}

#[test]
fn what_failed_or_was_cancelled_says_nothing_of_how_long_it_takes() {
    let failed = |n| Work { outcome: WorkOutcome::Failed, ..work(n, "api", WorkKind::Ready, 120_000) };
    let history =
        [failed(4), failed(3), work(2, "api", WorkKind::Ready, 3_000), work(1, "api", WorkKind::Ready, 3_000)];
    assert_eq!(likely(&Durations::learn(&history, []), "api", WorkKind::Ready), 3.0);
    assert_eq!(Durations::learn(&[failed(1), failed(2)], []).expect(Some(&name("api")), WorkKind::Ready), None);
}

#[test]
fn what_takes_longer_than_ever_is_not_said_to_end_at_once() {
    let seconds = Duration::from_secs;
    let expectation = Expectation { likely: seconds(10), spread: (seconds(8), seconds(16)), basis: Basis::Own };
    assert_eq!(expectation.left(seconds(4)), seconds(6));
    assert_eq!(expectation.left(seconds(12)), seconds(4));
    assert_eq!(expectation.left(seconds(40)), seconds(20));
}
