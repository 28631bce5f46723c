//! Thousands of canaries, seeded. The larger ones, beside other rules, are the bench `verdict`.

use super::world::{GOOD, Service, Site, Visitors, World};
use super::*;

const QUIET: Site = Site {
    requests_per_second: 10.0,
    weight: 0.5,
    visitors: Visitors::Single,
    rhythm_seconds: None,
    outages: false,
    cold_seconds: 0.0,
    old: GOOD,
    new: GOOD,
};

/// Requests that the new release answered until it was found to be worse, in the runs in which it was.
fn found(site: Site, baseline: Baseline, runs: u64, looks: usize) -> Vec<u64> {
    let run = |seed| {
        let mut world = World::new(site, seed);
        let mut judge = Judge::new(settings(), baseline, &world.past(120));
        (0..looks).find_map(|_| match judge.observe(&world.next()) {
            Decision::Continue => None,
            Decision::Worse { .. } => Some(judge.figures().new.requests),
        })
    };
    let mut found: Vec<u64> = std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| {
            scope.spawn(move || (0..runs).filter(|seed| seed % 2 == half).filter_map(run).collect::<Vec<_>>())
        });
        halves.into_iter().flat_map(|half| half.join().expect("no panic")).collect()
    });
    found.sort_unstable();
    found
}

/// At most one in a hundred of 400 equal releases is put back, looked at every 5 s for ten minutes.
fn assert_few_false_alarms(site: Site, baseline: Baseline) {
    let false_alarms = found(site, baseline, 400, 120).len();
    assert!(false_alarms <= 4, "{false_alarms} of 400");
}

#[test]
fn equal_releases_are_left_alone_however_often_one_looks() {
    assert_few_false_alarms(QUIET, Baseline::Beside);
}

#[test]
fn equal_releases_are_left_alone_with_visitors_whose_requests_fail_together() {
    let visitors = Visitors::Visits { sticky: true };
    assert_few_false_alarms(Site { visitors, weight: 0.2, ..QUIET }, Baseline::Beside);
}

#[test]
fn equal_releases_are_left_alone_through_rush_hours_outages_and_cold_starts() {
    let site = Site { rhythm_seconds: Some(900.0), outages: true, cold_seconds: 25.0, weight: 0.1, ..QUIET };
    assert_few_false_alarms(Site { visitors: Visitors::Visits { sticky: false }, ..site }, Baseline::Beside);
}

#[test]
fn a_past_that_differs_a_little_is_no_verdict() {
    let site = Site { weight: 1.0, rhythm_seconds: Some(3_600.0), cold_seconds: 25.0, ..QUIET };
    assert_few_false_alarms(site, Baseline::Past);
}

/// Found in all runs, by the median within `requests` of the new release.
fn assert_found_within(site: Site, baseline: Baseline, requests: u64) {
    let found = found(site, baseline, 40, 720);
    assert_eq!(found.len(), 40);
    let median = found[found.len() / 2];
    assert!(median <= requests, "{median}, at most {:?}", found.last());
}

#[test]
fn four_points_more_errors_are_found_within_some_hundred_requests() {
    let new = Service { errors: 0.05, ..GOOD };
    for (requests_per_second, weight) in [(2.0, 0.5), (10.0, 0.25), (200.0, 0.1)] {
        assert_found_within(Site { requests_per_second, weight, new, ..QUIET }, Baseline::Beside, 800);
    }
}

#[test]
fn half_again_as_slow_is_found() {
    assert_found_within(Site { new: Service { slow: 1.5, ..GOOD }, ..QUIET }, Baseline::Beside, 1_500);
}

#[test]
fn clearly_worse_than_the_past_is_found() {
    let site = Site { weight: 1.0, ..QUIET };
    assert_found_within(Site { new: Service { errors: 0.15, ..GOOD }, ..site }, Baseline::Past, 400);
    assert_found_within(Site { new: Service { slow: 3.0, ..GOOD }, ..site }, Baseline::Past, 400);
}
