//! Decisions and what people read of them.

use super::*;
use crate::model::OnLittleTraffic;
use std::time::Duration;

/// All answers take `ms`, but a tenth of them ten times as long.
fn counts(requests: u64, errors: u64, ms: u64) -> Counts {
    let slow = requests / 10;
    Counts { requests, errors, latency_us: vec![(ms * 1_000, requests - slow), (ms * 10_000, slow)] }
}

fn interval(new: Counts, old: Counts) -> Interval {
    Interval { seconds: 10.0, new, old, ..Interval::default() }
}

/// A judge beside release 41, after its warm-up.
fn warm() -> Judge {
    let mut judge = Judge::new(settings(), Baseline::Beside, &vec![counts(200, 1, 20); 30]);
    for _ in 0..3 {
        assert_eq!(judge.observe(&interval(counts(10, 9, 900), counts(190, 1, 20))), Decision::Continue);
    }
    judge
}

/// The sentence at which it ends, and the looks that took.
fn ended(judge: &mut Judge, interval: &Interval) -> (String, usize) {
    for look in 1..=200 {
        if let Decision::Worse { why } = judge.observe(interval) {
            assert_eq!(judge.conclude(), Conclusion::Worse { why: why.clone() });
            return (why, look);
        }
    }
    panic!("nothing was found: {}", judge.conclude());
}

#[test]
fn errors_beside_the_old_release_are_told_with_both_figures() {
    let (why, looks) = ended(&mut warm(), &interval(counts(100, 4, 20), counts(200, 1, 20)));
    insta::assert_snapshot!(why, @"errors 4.0 % (12 of 300) beside 0.5 % (3 of 600) of release 41: worse");
    assert!(looks >= 3);
}

#[test]
fn slow_answers_are_told_with_the_times_that_count_as_slow() {
    let (why, _) = ended(&mut warm(), &interval(counts(100, 0, 35), counts(200, 1, 20)));
    insta::assert_snapshot!(why, @"100.0 % of answers (300 of 300) took more than 26 ms, beside 10.0 % (60 of 600) more than 20 ms of release 41: slower");
}

#[test]
fn errors_after_the_old_release_name_what_it_did_before() {
    let mut judge = Judge::new(settings(), Baseline::Past, &vec![counts(200, 1, 20); 60]);
    let (why, _) = ended(&mut judge, &interval(counts(100, 9, 20), Counts::default()));
    insta::assert_snapshot!(why, @"errors 9.0 % (27 of 300) after 0.5 % (60 of 12,000) of release 41, over 2.6 %: clearly worse");
    let mut judge = Judge::new(settings(), Baseline::Past, &vec![counts(200, 1, 20); 60]);
    let (why, _) = ended(&mut judge, &interval(counts(100, 0, 50), Counts::default()));
    insta::assert_snapshot!(why, @"100.0 % of answers (300 of 300) took more than 32 ms, where 50 % of release 41's took at most 20 ms before: clearly slower");
}

#[test]
fn a_limit_of_its_own_holds_without_an_old_release() {
    let settings = JudgeSettings { error_cap: Some(0.05), ..settings() };
    let mut judge = Judge::new(settings, Baseline::Nothing, &[]);
    let (why, _) = ended(&mut judge, &interval(counts(100, 30, 20), Counts::default()));
    insta::assert_snapshot!(why, @"errors 30.0 % (90 of 300), over the limit of 5.0 %: worse");
}

#[test]
fn a_restart_is_worse_at_once_even_while_warming_up() {
    let mut judge = Judge::new(settings(), Baseline::Beside, &[]);
    let restarted = Interval { restarts: 1, ..interval(Counts::default(), counts(10, 0, 20)) };
    let (why, looks) = ended(&mut judge, &restarted);
    insta::assert_snapshot!(why, @"a container of release 42 ended and was restarted while it was watched: worse");
    assert_eq!(looks, 1);
}

#[test]
fn an_external_measure_has_to_be_over_its_maximum_in_a_row() {
    let mut judge = warm();
    let look = |value| {
        let external = vec![External { name: "queue length".into(), value, max: 100.0 }];
        Interval { external, ..interval(counts(100, 0, 20), counts(100, 0, 20)) }
    };
    for value in [Some(140.0), Some(150.0), Some(99.0), Some(120.0), None, Some(130.0), Some(f64::NAN)] {
        assert_eq!(judge.observe(&look(value)), Decision::Continue);
    }
    let Decision::Worse { why } = judge.observe(&look(Some(170.5))) else { panic!("worse") };
    insta::assert_snapshot!(why, @"queue length is 170.5, over its maximum of 100 for 3 looks in a row: worse");
}

#[test]
fn a_release_that_fails_after_a_good_hour_is_told_by_what_it_did_since() {
    let mut judge = warm();
    for _ in 0..360 {
        assert_eq!(judge.observe(&interval(counts(100, 0, 20), counts(100, 0, 20))), Decision::Continue);
    }
    let (why, looks) = ended(&mut judge, &interval(counts(100, 12, 20), counts(100, 0, 20)));
    insta::assert_snapshot!(why, @"errors 12.0 % (72 of 600) in the last 60 s beside 0.0 % (0 of 600) of release 41: worse");
    assert!(looks < 10, "{looks}");
}

#[test]
fn as_good_is_said_with_the_figures_after_enough_traffic() {
    let mut judge = warm();
    for _ in 0..20 {
        judge.observe(&interval(counts(100, 1, 20), counts(400, 3, 20)));
    }
    let conclusion = judge.conclude();
    assert!(matches!(conclusion, Conclusion::AsGood { .. }));
    insta::assert_snapshot!(conclusion, @"errors 1.0 % (20 of 2,000) beside 0.8 % (60 of 8,000) of release 41, p95 201 ms beside 201 ms: as good");
}

#[test]
fn a_canary_without_enough_requests_is_never_as_good() {
    let mut judge = warm();
    insta::assert_snapshot!(judge.conclude(), @"not enough traffic to tell: no request in 0 s");
    for _ in 0..60 {
        assert_eq!(judge.observe(&interval(Counts::default(), counts(400, 3, 20))), Decision::Continue);
    }
    insta::assert_snapshot!(judge.conclude(), @"not enough traffic to tell: no request in 600 s");
    judge.observe(&interval(counts(20, 0, 20), counts(400, 3, 20)));
    let conclusion = judge.conclude();
    assert!(matches!(conclusion, Conclusion::NotEnoughTraffic { then: OnLittleTraffic::Wait, .. }));
    insta::assert_snapshot!(conclusion, @"not enough traffic to tell: 20 answers of about 113 that it takes; errors 0.0 % (0 of 20) beside 0.8 % (183 of 24,400) of release 41, p95 201 ms beside 201 ms");
}

#[test]
fn without_an_old_release_some_answers_are_enough() {
    let mut judge = Judge::new(settings(), Baseline::Nothing, &[]);
    for _ in 0..3 {
        judge.observe(&interval(counts(20, 0, 20), Counts::default()));
    }
    assert!(matches!(judge.conclude(), Conclusion::NotEnoughTraffic { .. }));
    judge.observe(&interval(counts(40, 0, 20), Counts::default()));
    insta::assert_snapshot!(judge.conclude(), @"errors 0.0 % (0 of 40), p95 201 ms: as good");
}

#[test]
fn a_past_without_requests_compares_with_nothing() {
    let mut judge = Judge::new(settings(), Baseline::Past, &[Counts::default()]);
    for _ in 0..100 {
        assert_eq!(judge.observe(&interval(counts(20, 2, 20), Counts::default())), Decision::Continue);
    }
}

#[test]
fn each_hold_warms_up_and_keeps_what_is_known() {
    let mut judge = warm();
    let bad = interval(counts(100, 30, 20), counts(200, 1, 20));
    assert_eq!(judge.observe(&bad), Decision::Continue);
    judge.next_hold();
    for _ in 0..3 {
        assert_eq!(judge.observe(&bad), Decision::Continue);
    }
    let (_, looks) = ended(&mut judge, &bad);
    assert_eq!(looks, 2, "one look before the hold and two after it");
}

#[test]
fn a_judge_goes_on_from_the_store_as_if_nothing_had_been() {
    let mut judge = warm();
    let mut kept = judge.clone();
    for errors in [1, 3, 5, 7, 9, 11, 13] {
        let interval = interval(counts(100, errors, 21), counts(200, 1, 20));
        let decision = judge.observe(&interval);
        let text = serde_json::to_string(&kept).unwrap();
        kept = serde_json::from_str(&text).unwrap();
        assert_eq!(kept.observe(&interval), decision);
        let conclusion = serde_json::to_string(&kept.conclude()).unwrap();
        assert_eq!(serde_json::from_str::<Conclusion>(&conclusion).unwrap(), judge.conclude());
        if let Decision::Worse { .. } = decision {
            return;
        }
    }
    panic!("it should have ended");
}

#[test]
fn the_repository_s_settings_are_taken_and_defaults_fill_the_rest() {
    let canary =
        CanarySettings { max_error_rate: Some(0.02), max_latency_ratio: Some(1.1), ..CanarySettings::default() };
    let settings = JudgeSettings::new(ReleaseId(2), ReleaseId(1), &canary);
    assert_eq!((settings.error_margin, settings.max_latency_ratio, settings.alpha), (0.02, 1.1, 0.01));
    assert_eq!(settings.warm_up, Duration::from_secs(30));
}
