//! When a deployment may begin: the first moment that every set of windows allows and no freeze forbids.
//!
//! Windows are civil times of a zone. Where clocks go forward over a window's beginning or end, that moves on by as much as
//! the clocks; where an hour comes twice, the window opens at its first and closes at its second time. So a window is never
//! shorter than its zone's own clocks show, but for the hour that there is not.

use crate::model::{Freeze, FrozenDays, WeeklyHours, Window};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, ZonedDateTime};

/// Further than this nobody looks: what does not open until then never does.
const HORIZON: SignedDuration = SignedDuration::from_hours(24 * 366 * 2);

/// All rules that an environment has: those of the server, and those of what is live.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timing<'a> {
    /// Each set that is not empty must have an open window.
    pub windows: Vec<&'a [Window]>,
    pub freezes: Vec<&'a Freeze>,
}

/// Why a deployment does not begin now.
#[derive(Debug, Clone, PartialEq)]
pub enum Closed<'a> {
    Window {
        opens: ZonedDateTime,
    },
    /// `until` is when it may begin, which can be later than the freeze's end.
    Freeze {
        until: ZonedDateTime,
        reason: Option<&'a str>,
    },
    /// No moment within two years is allowed by all of them.
    Never,
}

/// Why a deployment may not begin at `now`; `None`: it may.
pub fn closed<'a>(timing: &Timing<'a>, now: Timestamp) -> Option<Closed<'a>> {
    let windows: Vec<Vec<WeeklyHours>> =
        timing.windows.iter().map(|set| set.iter().filter_map(|window| window.read().ok()).collect()).collect();
    let windows: Vec<&Vec<WeeklyHours>> = windows.iter().filter(|set| !set.is_empty()).collect();
    let freezes: Vec<(FrozenDays, Option<&str>)> =
        timing.freezes.iter().filter_map(|freeze| Some((freeze.read().ok()?, freeze.reason.as_deref()))).collect();
    let mut at = now;
    let mut zone = TimeZone::UTC;
    let frozen = freezes.iter().find(|(days, _)| ends(days, now).is_some());
    // Each turn goes on to the next moment that one of the rules allows, until all do.
    loop {
        let before = at;
        for (days, _) in &freezes {
            if let Some(end) = ends(days, at) {
                (at, zone) = (end, days.zone.clone());
            }
        }
        for set in &windows {
            match next_open(set, at) {
                Some((open, of)) if open > at => (at, zone) = (open, of),
                Some(_) => {}
                None => return Some(Closed::Never),
            }
        }
        if at == before {
            break;
        }
        if at.duration_since(now) > HORIZON {
            return Some(Closed::Never);
        }
    }
    match frozen {
        _ if at == now => None,
        Some((_, reason)) => Some(Closed::Freeze { until: at.to_zoned_datetime(zone), reason: *reason }),
        None => Some(Closed::Window { opens: at.to_zoned_datetime(zone) }),
    }
}

/// When a freeze that covers `at` ends.
fn ends(freeze: &FrozenDays, at: Timestamp) -> Option<Timestamp> {
    let begin = midnight(freeze.first, &freeze.zone)?;
    let end = midnight(freeze.last.checked_add(1.day()).ok()?, &freeze.zone)?;
    (begin <= at && at < end).then_some(end)
}

fn midnight(date: Date, zone: &TimeZone) -> Option<Timestamp> {
    date.to_zoned_datetime(zone.clone()).ok().map(|zoned| zoned.timestamp())
}

/// The first moment from `at` on at which one of the windows is open.
fn next_open(set: &[WeeklyHours], at: Timestamp) -> Option<(Timestamp, TimeZone)> {
    set.iter().filter_map(|window| Some((opening(window, at)?, window.zone.clone()))).min_by_key(|(open, _)| *open)
}

fn opening(window: &WeeklyHours, at: Timestamp) -> Option<Timestamp> {
    let today = at.to_zoned_datetime(window.zone.clone()).date();
    // From yesterday, whose window may pass midnight. A week has every day, and where the clocks take away all of a window,
    // the one of the week after counts.
    let mut day = today.yesterday().ok()?;
    for _ in 0..16 {
        if let Some((opens, closes)) = window.on(day)
            && closes > at
        {
            return Some(opens.max(at));
        }
        day = day.tomorrow().ok()?;
    }
    None
}

/// `Mon 09:00 Europe/Berlin`; with its date where it is six days off or more.
pub fn moment(at: &ZonedDateTime, now: Timestamp) -> String {
    let zone = at.time_zone().iana_name().unwrap_or("UTC");
    let is_soon = at.timestamp().duration_since(now) < SignedDuration::from_hours(24 * 6);
    let time = if at.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
    let day = if is_soon { "%a" } else { "%a %Y-%m-%d" };
    format!("{} {zone}", at.strftime(&format!("{day} {time}")))
}

#[cfg(test)]
mod tests;
