use super::*;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(days: &str, from: &str, to: &str, zone: &str) -> Window {
    let days = days.split(' ').map(str::to_string).collect();
    Window { days, from: from.into(), to: to.into(), timezone: Some(zone.into()) }
}

fn freeze(from: &str, to: &str, zone: &str) -> Freeze {
    Freeze { from: from.into(), to: to.into(), reason: Some("the holidays".into()), timezone: Some(zone.into()) }
}

/// When it may begin, as people read it.
fn when(windows: &[Window], freezes: &[Freeze], now: &str) -> String {
    let timing = Timing { windows: vec![windows], freezes: freezes.iter().collect() };
    let now = at(now);
    match closed(&timing, now) {
        None => "now".into(),
        Some(Closed::Window { opens }) => moment(&opens, now),
        Some(Closed::Freeze { until, reason }) => format!("{}, {}", moment(&until, now), reason.unwrap_or("frozen")),
        Some(Closed::Never) => "never".into(),
    }
}

const BERLIN: &str = "Europe/Berlin";

#[test]
fn a_window_opens_at_its_time_and_closes_at_its_end() {
    let hours = [window("mon-thu", "09:00", "17:00", BERLIN)];
    // 2026-11-23 is a Monday; Berlin is an hour ahead of UTC.
    assert_eq!(when(&hours, &[], "2026-11-23T07:59:59Z"), "Mon 09:00 Europe/Berlin");
    assert_eq!(when(&hours, &[], "2026-11-23T08:00:00Z"), "now");
    assert_eq!(when(&hours, &[], "2026-11-23T15:59:59Z"), "now");
    assert_eq!(when(&hours, &[], "2026-11-23T16:00:00Z"), "Tue 09:00 Europe/Berlin");
    assert_eq!(when(&hours, &[], "2026-11-26T16:00:00Z"), "Mon 09:00 Europe/Berlin");
}

#[test]
fn a_window_that_passes_midnight_belongs_to_the_day_on_which_it_opens() {
    let nights = [window("fri", "22:00", "04:00", "UTC")];
    assert_eq!(when(&nights, &[], "2026-11-28T03:59:59Z"), "now");
    assert_eq!(when(&nights, &[], "2026-11-28T04:00:00Z"), "Fri 2026-12-04 22:00 UTC");
    assert_eq!(when(&nights, &[], "2026-11-27T21:00:00Z"), "Fri 22:00 UTC");
    assert_eq!(when(&[window("sun", "23:00", "01:00", "UTC")], &[], "2026-11-23T00:30:00Z"), "now");
}

#[test]
fn a_range_of_days_may_pass_the_weeks_end() {
    let weekend = [window("sat-mon", "00:00", "24:00", "UTC")];
    assert_eq!(when(&weekend, &[], "2026-11-23T23:59:59Z"), "now");
    assert_eq!(when(&weekend, &[], "2026-11-24T00:00:00Z"), "Sat 00:00 UTC");
}

#[test]
fn where_clocks_go_forward_over_its_beginning_it_opens_as_much_later() {
    // On 2027-03-28 Berlin's clocks go from 02:00 to 03:00.
    let nights = [window("sun", "02:30", "04:00", BERLIN)];
    assert_eq!(when(&nights, &[], "2027-03-28T00:59:00Z"), "Sun 03:30 Europe/Berlin");
    assert_eq!(when(&nights, &[], "2027-03-28T01:30:00Z"), "now");
    assert_eq!(when(&nights, &[], "2027-03-28T02:00:00Z"), "Sun 2027-04-04 02:30 Europe/Berlin");
    // All of it falls into the hour that there is not: it is as long, and later.
    let gone = [window("sun", "02:00", "02:30", BERLIN)];
    assert_eq!(when(&gone, &[], "2027-03-28T00:59:00Z"), "Sun 03:00 Europe/Berlin");
    assert_eq!(when(&gone, &[], "2027-03-28T01:29:59Z"), "now");
    assert_eq!(when(&gone, &[], "2027-03-28T01:30:00Z"), "Sun 2027-04-04 02:00 Europe/Berlin");
}

#[test]
fn where_an_hour_comes_twice_it_opens_at_the_first_and_closes_at_the_second() {
    // On 2026-10-25 Berlin's clocks go from 03:00 back to 02:00.
    let nights = [window("sun", "02:15", "02:45", BERLIN)];
    assert_eq!(when(&nights, &[], "2026-10-25T00:14:59Z"), "Sun 02:15 Europe/Berlin");
    assert_eq!(when(&nights, &[], "2026-10-25T00:15:00Z"), "now");
    assert_eq!(when(&nights, &[], "2026-10-25T01:44:59Z"), "now");
    assert_eq!(when(&nights, &[], "2026-10-25T01:45:00Z"), "Sun 2026-11-01 02:15 Europe/Berlin");
}

#[test]
fn a_freeze_covers_its_last_day_and_what_is_said_is_when_it_really_may_begin() {
    let holidays = [freeze("2026-12-20", "2027-01-03", BERLIN)];
    assert_eq!(when(&[], &holidays, "2026-12-19T22:59:59Z"), "now");
    assert_eq!(when(&[], &holidays, "2026-12-19T23:00:00Z"), "Mon 2027-01-04 00:00 Europe/Berlin, the holidays");
    assert_eq!(when(&[], &holidays, "2027-01-03T22:59:59Z"), "Mon 00:00 Europe/Berlin, the holidays");
    let hours = [window("tue", "09:00", "17:00", "UTC")];
    assert_eq!(when(&hours, &holidays, "2026-12-22T10:00:00Z"), "Tue 2027-01-05 09:00 UTC, the holidays");
}

#[test]
fn freezes_that_follow_each_other_are_one() {
    let two = [freeze("2026-12-20", "2026-12-24", "UTC"), freeze("2026-12-25", "2026-12-31", "UTC")];
    assert_eq!(when(&[], &two, "2026-12-21T00:00:00Z"), "Fri 2027-01-01 00:00 UTC, the holidays");
}

#[test]
fn both_the_servers_windows_and_those_of_the_live_release_must_be_open() {
    let (server, live) = ([window("mon-fri", "08:00", "12:00", "UTC")], [window("fri", "10:00", "16:00", "UTC")]);
    let timing = Timing { windows: vec![&server, &live], freezes: vec![] };
    let now = at("2026-11-23T09:00:00Z");
    let Some(Closed::Window { opens }) = closed(&timing, now) else { panic!("it is open on a Monday") };
    assert_eq!(moment(&opens, now), "Fri 10:00 UTC");
    let apart = [window("sat", "10:00", "16:00", "UTC")];
    let timing = Timing { windows: vec![&server, &apart], freezes: vec![] };
    assert_eq!(closed(&timing, now), Some(Closed::Never));
}

proptest! {
    /// Whatever the rules: at the moment that is named it may begin, and a second before it may not.
    #[test]
    fn the_moment_that_is_named_is_the_first_that_is_allowed(
        seconds in 1_790_000_000_i64..1_830_000_000,
        first in (0_usize..7, 0_u32..24, 0_u32..60, 1_u32..1440),
        second in (0_usize..7, 0_u32..24, 0_u32..60, 1_u32..1440),
        frozen in prop::option::of((0_i64..400, 0_i64..20)),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    ) {
        let hours = |(day, hour, minute, length): (usize, u32, u32, u32)| {
            let end = (hour * 60 + minute + length) % 1440;
            let text = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
            window(crate::model::DAYS[day], &text(hour * 60 + minute), &text(end), zone)
        };
        let set = [hours(first), hours(second)];
        let freezes: Vec<Freeze> = frozen.into_iter().map(|(day, length)| {
            let from = jiff::civil::date(2026, 9, 21).saturating_add(day.days());
            freeze(&from.to_string(), &from.saturating_add(length.days()).to_string(), zone)
        }).collect();
        let timing = Timing { windows: vec![&set], freezes: freezes.iter().collect() };
        let now = Timestamp::from_second(seconds).unwrap();
        match closed(&timing, now) {
            None => {}
            Some(Closed::Window { opens: at } | Closed::Freeze { until: at, .. }) => {
                prop_assert!(at.timestamp() > now);
                prop_assert_eq!(closed(&timing, at.timestamp()), None);
                let just_before = at.timestamp() - SignedDuration::from_nanos(1);
                prop_assert!(closed(&timing, just_before).is_some());
            }
            Some(Closed::Never) => prop_assert!(false, "a weekly window opens each week"),
        }
    }
}
