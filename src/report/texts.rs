//! The sentences that people read of a deployment: whole on pages, in the log and at the command line, and short beside a
//! commit. The most important words come first, because forges cut the end; each final says what is live now, and that end
//! is kept whole.

mod success;

pub use success::{LiveBy, Success};

use crate::model::{CommitId, ComponentName, Mask, Quoted, ReleaseId, Stage, StatusState, plain_line};
use std::time::Duration;

/// What GitHub shows of a description, the shortest of all forges.
pub const SHORTEST_LIMIT: usize = 140;

/// Where a deployment is, with what is worth saying of it. `what` and `why` are sentences of ours, in which text from elsewhere
/// is [`Quoted`]; `by`, `reason`, `mark` and `last_line` are such text as a whole.
#[derive(Debug, Clone, PartialEq)]
pub enum Situation<'a> {
    Waiting(WaitsFor<'a>),
    Preparing,
    /// Its commit could not be fetched, which is tried again.
    NotFetched {
        why: &'a str,
    },
    /// What it waited for answers: `the edge`.
    GoingOn {
        with: &'a str,
    },
    /// `number` counts from 1. `left`: what it is expected to take until the release is live, where that is known.
    Building {
        component: &'a ComponentName,
        number: usize,
        of: usize,
        left: Option<Duration>,
    },
    Deploying {
        component: &'a ComponentName,
        number: usize,
        of: usize,
        left: Option<Duration>,
    },
    /// Everything runs; it is watched this much longer.
    Monitoring {
        left: Duration,
    },
    /// A canary gets this share of the traffic, in percent. `waits_for`: what it waits for once the time is over.
    Holding {
        component: &'a ComponentName,
        weight: u8,
        left: Duration,
        waits_for: Option<&'a str>,
    },
    PuttingBack {
        why: &'a str,
        live: Live<'a>,
    },
    Succeeded(Success<'a>),
    /// It ended, and what runs was never touched, or could not be put back. `live` is what runs now.
    Failed {
        fault: Fault,
        what: &'a str,
        last_line: Option<&'a str>,
        live: Live<'a>,
    },
    /// The old release was put back.
    RolledBack {
        fault: Fault,
        what: &'a str,
        last_line: Option<&'a str>,
        release_command_ran: bool,
        live: Live<'a>,
    },
    /// `during` is absent where it still waited.
    Cancelled {
        by: Option<&'a str>,
        during: Option<Stage>,
        release_command_ran: bool,
        live: Live<'a>,
    },
    Superseded {
        by: &'a CommitId,
        live: Live<'a>,
    },
    /// The newest commit says that it is not to be deployed: `mark` is what it says, such as `[skip ci]`. To be
    /// sent only where the commit was told that it waits: nobody wants a mark on a commit that asks to be left alone.
    Skipped {
        mark: &'a str,
        live: Live<'a>,
    },
    /// On the commit that a rollback left.
    LeftByRollback {
        by: Option<&'a str>,
        release_command_ran: bool,
        live: Live<'a>,
    },
}

/// Why it has not begun.
#[derive(Debug, Clone, PartialEq)]
pub enum WaitsFor<'a> {
    /// Another deployment of the environment; `ahead` counts those that come first, the running one included.
    Deployment {
        /// Its number, and which of its environment it is: `41 (production#12)`.
        running: &'a str,
        ahead: usize,
    },
    /// A deploy window, opening then, as text for people.
    Window {
        opens: &'a str,
    },
    Freeze {
        until: &'a str,
        reason: Option<&'a str>,
    },
    /// The rules leave no moment: those of launchway.toml, and those of the live release.
    NoMoment,
    /// Somebody's yes; and what it waits for after that, such as `then for the window Mon 09:00 UTC`.
    Approval {
        then: Option<&'a str>,
    },
    /// As many deployments run as may at once.
    Slot {
        running: usize,
    },
    /// Its project has as many under way as one may have; another's would begin.
    Share {
        running: usize,
    },
    /// The host has not enough of it now: `memory (needs 512 MB, 200 MB are free)`.
    Room {
        of: &'a str,
    },
    /// Somebody paused the environment.
    Resume {
        by: &'a str,
        reason: Option<&'a str>,
    },
    /// The edge, which does not answer.
    Edge,
    /// The engine, which does not answer.
    Engine,
    /// Its turn, in a moment.
    Turn,
}

/// Whose fault an end is: a commit's is a failure, anything else an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Commit,
    /// Launchway, the host, the engine, the network.
    Host,
}

/// What is live now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Live<'a> {
    Nothing,
    /// Nothing that a deployment made, but what ran there before the first one.
    Found,
    Release(ReleaseId),
    /// That release, but these components of it do not run.
    Degraded {
        release: ReleaseId,
        down: &'a [ComponentName],
    },
    /// Nobody knows, because the engine does not answer; as soon as it does, that release (or nothing) is put back.
    OnceTheEngineAnswers(Option<ReleaseId>),
}

impl Situation<'_> {
    /// The state that goes with the sentence.
    pub fn state(&self) -> StatusState {
        use Situation::*;
        match self {
            Waiting(_)
            | Preparing
            | NotFetched { .. }
            | GoingOn { .. }
            | Building { .. }
            | Deploying { .. }
            | Monitoring { .. }
            | Holding { .. }
            | PuttingBack { .. } => StatusState::Pending,
            Succeeded(_) => StatusState::Success,
            Failed { fault: Fault::Commit, .. } | RolledBack { fault: Fault::Commit, .. } | LeftByRollback { .. } => {
                StatusState::Failure
            }
            Failed { .. } | RolledBack { .. } | Superseded { .. } | Skipped { .. } => StatusState::Error,
            Cancelled { .. } => StatusState::Cancelled,
        }
    }

    /// One line with all that is to be said, without the secrets in what it quotes: for pages, logs and the command line.
    pub fn whole(&self, mask: &Mask) -> String {
        self.said(&Pen { mask, most: usize::MAX })
    }

    /// The same as one line of at most [`SHORTEST_LIMIT`] characters, for a commit status. Secrets go before anything is cut: of
    /// half a secret nobody knows that it is one.
    pub fn brief(&self, mask: &Mask) -> String {
        self.said(&Pen { mask, most: SHORTEST_LIMIT })
    }

    fn said(&self, pen: &Pen<'_>) -> String {
        use Situation::*;
        match self {
            Waiting(WaitsFor::Resume { by, reason }) => {
                let reason = reason.map(|reason| format!(": {}", Quoted(reason))).unwrap_or_default();
                pen.fit("Paused by ", &format!("{}{reason}", Quoted(by)), "; `launchway resume` lets it go on")
            }
            Waiting(why) => pen.fit(&waits(why), "", ""),
            GoingOn { with } => format!("Going on: {with} answers"),
            NotFetched { why } => pen.fit("Cannot fetch yet: ", why, ""),
            Preparing => "Preparing: reading the commit and planning".into(),
            Building { component, number, of, left } => {
                pen.fit("Building ", component.as_str(), &format!(" ({number} of {of}){}", about(*left)))
            }
            Deploying { component, number, of, left } => {
                pen.fit("Deploying ", component.as_str(), &format!(" ({number} of {of}){}", about(*left)))
            }
            Monitoring { left } if left.is_zero() => "Running; checking what the engine says of it".into(),
            Monitoring { left } => format!("Running; watched for {} more", duration(*left)),
            Holding { component, weight, waits_for: Some(what), .. } => {
                pen.fit("Canary: ", component.as_str(), &format!(" at {weight} % of the traffic, waiting for {what}"))
            }
            Holding { component, weight, left, .. } => {
                let left = duration(*left);
                pen.fit("Canary: ", component.as_str(), &format!(" at {weight} % of the traffic for {left} more"))
            }
            PuttingBack { why, live } => pen.fit("Putting back: ", why, &format!("; {}", was(*live))),
            Succeeded(success) => success::succeeded(pen, success),
            Failed { what, last_line, live, .. } => ended(pen, what, *last_line, &now(pen, *live, "still")),
            RolledBack { what, last_line, release_command_ran, live, .. } => {
                ended(pen, what, *last_line, &(now(pen, *live, "again") + command_ran(*release_command_ran)))
            }
            Cancelled { by, during, release_command_ran, live } => {
                let during = during.map_or_else(|| " while it waited".to_string(), |s| format!(" during {}", stage(s)));
                let ran = command_ran(*release_command_ran);
                pen.fit("Cancelled", &by_whom(*by), &format!("{during}; {}{ran}", now(pen, *live, "")))
            }
            Superseded { by, live } => format!("Superseded by {}; {}", by.short(), now(pen, *live, "")),
            Skipped { mark: says, live } => {
                let says = Quoted(says).to_string();
                pen.fit("Skipped: the commit says ", &says, &format!("; {}", now(pen, *live, "")))
            }
            LeftByRollback { by, release_command_ran, live } => pen.fit(
                "Rolled back",
                &by_whom(*by),
                &format!("; {}{}", now(pen, *live, ""), command_ran(*release_command_ran)),
            ),
        }
    }
}

fn waits(why: &WaitsFor<'_>) -> String {
    match why {
        WaitsFor::Deployment { running, ahead: 0 | 1 } => format!("Waiting for deployment {running} to end"),
        WaitsFor::Deployment { running, ahead } => {
            format!("Waiting behind {ahead} deployments; deployment {running} is running")
        }
        WaitsFor::Window { opens } => format!("Waiting for the window {opens}"),
        WaitsFor::NoMoment => {
            "Waiting: no window ever opens outside of the freezes; `launchway deploy --now --reason` does not wait"
                .into()
        }
        WaitsFor::Approval { then: None } => "Waiting for somebody's yes: `launchway approve`".into(),
        WaitsFor::Approval { then: Some(then) } => {
            format!("Waiting for somebody's yes: `launchway approve`; {then}")
        }
        WaitsFor::Slot { running: 1 } => "Waiting for its turn: 1 deployment runs already".into(),
        WaitsFor::Slot { running } => format!("Waiting for its turn: {running} deployments run already"),
        WaitsFor::Share { running } => format!(
            "Waiting for its turn: {running} deployments of its project run already, and the last slot is kept for others"
        ),
        WaitsFor::Freeze { until, reason: Some(reason) } => {
            format!("Waiting until {until}: frozen for {}", Quoted(reason))
        }
        WaitsFor::Freeze { until, reason: None } => format!("Waiting until {until}: deployments are frozen"),
        WaitsFor::Room { of } => format!("Waiting for {of}"),
        WaitsFor::Resume { by, .. } => format!("Paused by {}", Quoted(by)),
        WaitsFor::Edge => "Waiting for the edge: `launchway up` or `launchway edge` starts it".into(),
        WaitsFor::Engine => "Waiting for the engine to answer: `docker info` says whether it runs".into(),
        WaitsFor::Turn => "Waiting for its turn".into(),
    }
}

/// `what: last line; release 41 is still live`, the last line being what gives way. Where there is no room for all, what the app
/// said last stands in place of what else is said of it after the first part of `what`.
fn ended(pen: &Pen<'_>, what: &str, last_line: Option<&str>, live: &str) -> String {
    let tail = format!("; {live}");
    let Some(line) = last_line.map(str::trim).filter(|line| !line.is_empty()) else {
        return pen.fit("", what, &tail);
    };
    let first = what.split("; ").next().unwrap_or(what);
    if !pen.is_short() {
        let joint = if first.len() == what.len() { ": " } else { "; the last that it said: " };
        return pen.fit(what, &format!("{joint}{}", Quoted(line)), &tail);
    }
    let head = pen.fit(first, "", "");
    let with_line = pen.fit(&format!("{head}: "), &Quoted(line).to_string(), &tail);
    // Too little of the line to mean anything.
    let room = pen.most.saturating_sub(head.chars().count() + 2 + tail.chars().count());
    if room < 8 && line.chars().count() > room { pen.fit("", first, &tail) } else { with_line }
}

fn now(pen: &Pen<'_>, live: Live<'_>, how: &str) -> String {
    let is_live = match how {
        "still" => "is still live",
        "again" => "is live again",
        _ => "is live",
    };
    match live {
        Live::Nothing => "nothing is live yet".into(),
        Live::Found if how == "still" => "what ran before still runs".into(),
        Live::Found if how == "again" => "what ran before runs again".into(),
        Live::Found => "what ran before runs".into(),
        Live::Release(release) => format!("release {release} {is_live}"),
        Live::Degraded { release, down } => format!("release {release} {is_live}, but without {}", pen.names(down)),
        Live::OnceTheEngineAnswers(Some(release)) => format!("release {release} comes back once the engine answers"),
        Live::OnceTheEngineAnswers(None) => "what was started is removed once the engine answers".into(),
    }
}

fn was(live: Live<'_>) -> String {
    match live {
        Live::Nothing | Live::OnceTheEngineAnswers(None) => "nothing was live before".into(),
        Live::Found => "what ran before comes back".into(),
        Live::Release(release) | Live::Degraded { release, .. } | Live::OnceTheEngineAnswers(Some(release)) => {
            format!("release {release} comes back")
        }
    }
}

fn command_ran(ran: bool) -> &'static str {
    if ran { "; the release command ran and is not undone" } else { "" }
}

fn by_whom(by: Option<&str>) -> String {
    by.map(|by| format!(" by {}", Quoted(by))).unwrap_or_default()
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Prepare => "preparation",
        Stage::Build => "the build",
        Stage::Deploy => "the deploy",
        Stage::Monitor => "monitoring",
    }
}

/// `0.8 s`, `12 s`, `2 min 5 s`, `1 h 3 min`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 if time.subsec_millis() >= 50 => format!("{:.1} s", time.as_secs_f64()),
        0..60 => format!("{seconds} s"),
        60..3600 if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `, about 40 s left`, rounded as people round: to 5 s, from half a minute on to 10 s, then to minutes, and from an hour on
/// to ten of them.
fn about(left: Option<Duration>) -> String {
    let Some(left) = left else { return String::new() };
    let to = |step: u64| ((left.as_secs_f64() / step as f64).round() as u64).max(1) * step;
    let rounded = match left.as_secs() {
        0..28 => to(5),
        28..55 => to(10),
        55..3570 => to(60),
        _ => to(600),
    };
    format!(", about {} left", duration(Duration::from_secs(rounded)))
}

/// Writes sentences without secrets, each in one line within a limit.
struct Pen<'a> {
    mask: &'a Mask,
    /// Characters.
    most: usize,
}

impl Pen<'_> {
    /// Whether there may be no room for all.
    fn is_short(&self) -> bool {
        self.most < usize::MAX
    }

    /// `head`, `middle` and `tail`, sentences of ours, in one line. Where it is too long, `middle` gives way first, then `head`.
    fn fit(&self, head: &str, middle: &str, tail: &str) -> String {
        let clean = |text: &str| plain_line(&self.mask.sentence(text)).into_owned();
        let (head, middle, tail) = (clean(head), clean(middle), clean(tail));
        let room = self.most.saturating_sub(tail.chars().count());
        let tail = cut(&tail, self.most);
        let head = cut(&head, room);
        let middle = cut(&middle, room - head.chars().count());
        format!("{head}{middle}{tail}")
    }

    /// `api, web`; where room is short, `api, web, db and 4 more`.
    fn names(&self, components: &[ComponentName]) -> String {
        let shown = if self.is_short() && components.len() > 4 { 3 } else { components.len() };
        let list = components[..shown].iter().map(ComponentName::as_str).collect::<Vec<_>>().join(", ");
        if shown < components.len() { format!("{list} and {} more", components.len() - shown) } else { list }
    }
}

fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_string();
    }
    let Some(kept) = limit.checked_sub(1) else { return String::new() };
    let mut short: String = text.chars().take(kept).collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

#[cfg(test)]
mod tests;
