//! When deployments may begin: deploy windows and freezes, as they are written. `plan::timing` reads a calendar by them.

use jiff::civil::{Date, Time, Weekday, date};
use jiff::tz::{Disambiguation, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// The days' names, Monday first.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Days that a freeze can last: one that is longer is forgotten, or never meant.
pub const LONGEST_FREEZE: i32 = 366;

/// Times of the week at which a deployment may begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Window {
    /// `mon`, or `mon-thu`; a range may pass the week's end (`sat-mon`). Every day where absent.
    #[serde(default = "Window::every_day")]
    pub days: Vec<String>,
    /// `09:00`, in the window's time zone.
    pub from: String,
    /// `24:00` is the day's end; at or before `from` it is of the next day.
    pub to: String,
    /// An IANA name, such as `Europe/Berlin`; UTC where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// Days on which nothing is deployed, the first and the last included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Freeze {
    /// `2026-12-20`.
    pub from: String,
    pub to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// An IANA name; UTC where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// What is wrong with a window or freeze: the key, and a sentence.
pub type WrongTiming = (&'static str, String);

/// A window, read.
#[derive(Debug, Clone, PartialEq)]
pub struct WeeklyHours {
    /// On which days it opens, Monday first.
    pub days: [bool; 7],
    pub from: Time,
    /// How long after the day's midnight it closes, in the civil time of its zone.
    pub closes: SignedDuration,
    pub zone: TimeZone,
}

/// A freeze, read.
#[derive(Debug, Clone, PartialEq)]
pub struct FrozenDays {
    pub first: Date,
    /// Still frozen.
    pub last: Date,
    pub zone: TimeZone,
}

impl Window {
    /// What `days` is where nothing is said.
    pub fn every_day() -> Vec<String> {
        vec!["mon-sun".into()]
    }

    /// `mon-thu, sat 09:00 to 17:00 Europe/Berlin`
    pub fn sentence(&self) -> String {
        let zone = self.timezone.as_deref().unwrap_or("UTC");
        format!("{} {} to {} {zone}", self.days.join(", "), self.from, self.to)
    }

    /// # Errors
    /// Which key is wrong, and how it is to be written.
    pub fn read(&self) -> Result<WeeklyHours, Vec<WrongTiming>> {
        let mut wrong = Vec::new();
        let mut days = [false; 7];
        if self.days.is_empty() {
            wrong.push(("days", "it names no day, so it would never open; without `days` it is every day".into()));
        }
        for text in &self.days {
            match day_range(text) {
                Ok(range) => range.into_iter().for_each(|day| days[day] = true),
                Err(message) => wrong.push(("days", message)),
            }
        }
        let zone = zone(self.timezone.as_deref(), &mut wrong);
        let from = clock(&self.from).filter(|_| self.from != "24:00");
        if from.is_none() {
            wrong.push(("from", format!("{:?} is not a time of day, such as \"09:00\"", self.from)));
        }
        let to = clock(&self.to);
        if to.is_none() {
            wrong.push(("to", format!("{:?} is not a time of day, such as \"17:00\"", self.to)));
        }
        let (Some(from), Some(to)) = (from, to) else { return Err(wrong) };
        if from == to {
            let what = format!("opens and closes at {}, so it would never open", self.from);
            wrong.push(("to", format!("{what}; from \"00:00\" to \"24:00\" is the whole day")));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let closes = if to < from { to + SignedDuration::from_hours(24) } else { to };
        let from = Time::midnight().saturating_add(from);
        Ok(WeeklyHours { days, from, closes, zone })
    }
}

impl WeeklyHours {
    /// Whether it closes on the day after the one on which it opens.
    pub fn passes_midnight(&self) -> bool {
        self.closes > SignedDuration::from_hours(24)
    }

    /// From when to when it is open on a day; `None` where it is not, or the clocks leave nothing of it.
    pub fn on(&self, day: Date) -> Option<(Timestamp, Timestamp)> {
        if !self.days[day_number(day.weekday())] {
            return None;
        }
        let (opens, closes) = (day.to_datetime(self.from), day.at(0, 0, 0, 0).checked_add(self.closes).ok()?);
        let zoned = |civil, which| self.zone.to_ambiguous_zoned_datetime(civil).disambiguate(which).ok();
        let (opens, closes) = (zoned(opens, Disambiguation::Compatible)?, zoned(closes, Disambiguation::Later)?);
        (opens.timestamp() < closes.timestamp()).then(|| (opens.timestamp(), closes.timestamp()))
    }

    /// What is open in the eight days from a Sunday on, so that what passes the week's end meets its beginning. Any week
    /// without a change of clocks shows it.
    fn week(&self) -> Vec<(Timestamp, Timestamp)> {
        date(2026, 1, 11).series(1.day()).take(8).filter_map(|day| self.on(day)).collect()
    }
}

/// Pairs of windows of one set that are open at the same time, by their places in it. Only windows of one zone are
/// compared.
pub fn overlaps(set: &[Window]) -> Vec<(usize, usize)> {
    let read: Vec<Option<WeeklyHours>> = set.iter().map(|window| window.read().ok()).collect();
    let meet = |one: &WeeklyHours, two: &WeeklyHours| {
        let weeks = (one.week(), two.week());
        one.zone == two.zone && weeks.0.iter().any(|a| weeks.1.iter().any(|b| a.0 < b.1 && b.0 < a.1))
    };
    let earlier = |second: usize| (0..second).map(move |first| (first, second));
    let pairs = (0..set.len()).flat_map(earlier);
    let overlap = |&(first, second): &(usize, usize)| {
        read[first].as_ref().zip(read[second].as_ref()).is_some_and(|(one, two)| meet(one, two))
    };
    pairs.filter(overlap).collect()
}

impl Freeze {
    /// # Errors
    /// Which key is wrong, and how it is to be written.
    pub fn read(&self) -> Result<FrozenDays, Vec<WrongTiming>> {
        let mut wrong = Vec::new();
        let zone = zone(self.timezone.as_deref(), &mut wrong);
        let mut day = |key: &'static str, text: &str| match text.parse::<Date>() {
            Ok(date) if text.len() == 10 => Some(date),
            _ => {
                wrong.push((key, format!("{text:?} is not a date, such as 2026-12-20")));
                None
            }
        };
        let (first, last) = (day("from", &self.from), day("to", &self.to));
        match (first, last) {
            (Some(first), Some(last)) if first > last => {
                wrong.push(("to", format!("it ends on {last}, before it begins on {first}")));
            }
            (Some(first), Some(last)) if (last - first).get_days() >= LONGEST_FREEZE => {
                let days = (last - first).get_days() + 1;
                let what = format!("it would last {days} days, and {LONGEST_FREEZE} is the most");
                wrong.push(("to", format!("{what}; `launchway pause` holds an environment until somebody resumes it")));
            }
            (Some(first), Some(last)) if wrong.is_empty() => return Ok(FrozenDays { first, last, zone }),
            _ => {}
        }
        Err(wrong)
    }
}

/// `mon`, or `fri-mon`: days counted from Monday.
fn day_range(text: &str) -> Result<Vec<usize>, String> {
    let lower = text.trim().to_ascii_lowercase();
    let (first, last) = lower.split_once('-').unwrap_or((&lower, &lower));
    let number = |name: &str| DAYS.iter().position(|day| *day == name);
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first..=last).collect()),
        (Some(first), Some(last)) => Ok((first..7).chain(0..=last).collect()),
        _ => Err(format!("{text:?} is not a day or a range of days: {}, or mon-fri", DAYS.join(", "))),
    }
}

/// `09:00` or `09:00:30`, from 00:00 to 24:00, as the time after midnight.
fn clock(text: &str) -> Option<SignedDuration> {
    if text == "24:00" {
        return Some(SignedDuration::from_hours(24));
    }
    let parts: Vec<&str> = text.split(':').collect();
    let is_form = matches!(parts.len(), 2 | 3)
        && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()));
    let numbers: Vec<i64> = parts.iter().filter_map(|part| part.parse().ok()).collect();
    let (&hours, &minutes) = (numbers.first()?, numbers.get(1)?);
    let seconds = numbers.get(2).copied().unwrap_or(0);
    let is_time = is_form && hours < 24 && minutes < 60 && seconds < 60;
    is_time.then(|| SignedDuration::from_secs(hours * 3600 + minutes * 60 + seconds))
}

fn zone(name: Option<&str>, wrong: &mut Vec<WrongTiming>) -> TimeZone {
    let Some(name) = name else { return TimeZone::UTC };
    TimeZone::get(name).unwrap_or_else(|_| {
        wrong.push(("timezone", format!("{name:?} is not a time zone, such as Europe/Berlin or UTC")));
        TimeZone::UTC
    })
}

/// Where a day stands in [`DAYS`].
fn day_number(day: Weekday) -> usize {
    day.to_monday_zero_offset() as usize
}

#[cfg(test)]
mod tests;
