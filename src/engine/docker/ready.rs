//! Whether a container is ready, judged from looks at it and from probes of it. Pure: [`super::watch`] looks and probes.

use crate::model::{Health, Mask, Quoted};
use crate::plan::{Readiness, ReadyGoal};
use std::time::Duration;

/// What one look at the container showed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    pub state: State,
    pub health: Health,
    /// What its health check said last.
    pub health_output: Option<String>,
    /// The check's command, where trying it is left to us.
    pub check: Option<Check>,
    pub restarts: u64,
    pub oom_killed: bool,
    /// 0 is unlimited.
    pub memory_limit_bytes: i64,
    /// How long it has been up, where the engine's clock is ours.
    pub up_for: Option<Duration>,
    /// TCP ports that its image or its settings name.
    pub exposed: Vec<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Created,
    Running,
    Paused,
    /// Between an end and the engine's next start of it. The run is the last one.
    Restarting(Run),
    Ended(Run),
    /// Being removed, or gone.
    Gone,
}

/// A run that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub code: i64,
    pub took: Option<Duration>,
}

/// A health check's command as exec takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub command: Vec<String>,
    pub timeout: Duration,
}

/// What to do after a look.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    Ready { note: Option<String> },
    Failed(Failure),
    Wait(Probe),
}

/// What to try besides looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Probe {
    Nothing,
    Exec(Check),
    Ports(Vec<u16>),
}

/// What a probe gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Probed {
    CheckPassed,
    CheckFailed {
        said: String,
    },
    Answered {
        at: String,
    },
    /// Something of the network answered that nobody listens there: the container can be reached.
    Refused {
        tried: String,
    },
    /// No answer of any kind.
    Unreachable {
        tried: String,
    },
}

impl Probed {
    /// Without the secrets in what the check said.
    pub fn masked(self, mask: &Mask) -> Self {
        match self {
            Probed::CheckFailed { said } => Probed::CheckFailed { said: mask.apply(&said) },
            other => other,
        }
    }
}

/// Why it is not ready; [`Failure::sentence`] says it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Failure {
    Ended {
        run: Run,
        oom: Option<i64>,
        is_job: bool,
    },
    /// `run` is unknown where the next one had begun before anybody looked.
    CrashLoop {
        run: Option<Run>,
        restarts: u64,
        oom: Option<i64>,
    },
    Unhealthy {
        said: Option<String>,
    },
    NeverStarted,
    Removed,
    Late {
        wanted: String,
        deadline: Duration,
        said: Option<String>,
        /// TCP ports of which one was waited for.
        ports: Vec<u16>,
    },
}

/// The state of one wait.
#[derive(Debug)]
pub(super) struct Waiting {
    readiness: Readiness,
    restarts_before: Option<u64>,
    running_since: Option<Duration>,
    passed: Option<String>,
    check_said: Option<String>,
    reachable: bool,
    tried: Option<String>,
}

impl Waiting {
    /// A replica of which nothing is known yet.
    pub fn new(readiness: &Readiness) -> Self {
        Self {
            readiness: readiness.clone(),
            restarts_before: None,
            running_since: None,
            passed: None,
            check_said: None,
            reachable: false,
            tried: None,
        }
    }

    /// Takes what a look at its port has found.
    pub fn probed(&mut self, result: Probed) {
        match result {
            Probed::CheckPassed => {
                self.passed = Some("its health check succeeds, tried before the engine's first turn".into());
            }
            Probed::CheckFailed { said } => self.check_said = Some(said).filter(|said| !said.trim().is_empty()),
            Probed::Answered { at } => self.passed = Some(format!("{at} answers")),
            Probed::Refused { tried } => {
                self.reachable = true;
                self.tried = Some(tried);
            }
            Probed::Unreachable { tried } => self.tried = Some(tried),
        }
    }

    /// Judges one look, `elapsed` after the wait began.
    pub fn look(&mut self, look: &Look, elapsed: Duration) -> Next {
        let next = match self.readiness.goal {
            ReadyGoal::Completed => self.completed(look),
            ReadyGoal::Ready => self.ready(look, elapsed),
        };
        match next {
            Next::Wait(_) if elapsed >= self.readiness.deadline => Next::Failed(self.late(look)),
            next => next,
        }
    }

    fn completed(&self, look: &Look) -> Next {
        match look.state {
            State::Ended(run) if run.code == 0 => {
                let note = run.took.map(|took| format!("ended with exit code 0 after {}", seconds(took)));
                Next::Ready { note }
            }
            State::Ended(run) => Next::Failed(Failure::Ended { run, oom: oom(look), is_job: true }),
            State::Created => Next::Failed(Failure::NeverStarted),
            State::Gone => Next::Failed(Failure::Removed),
            // A restart policy may give a job further tries.
            State::Running | State::Paused | State::Restarting(_) => Next::Wait(Probe::Nothing),
        }
    }

    fn ready(&mut self, look: &Look, elapsed: Duration) -> Next {
        let before = *self.restarts_before.get_or_insert(look.restarts);
        match look.state {
            State::Ended(run) => return Next::Failed(Failure::Ended { run, oom: oom(look), is_job: false }),
            State::Restarting(run) => {
                let restarts = look.restarts.max(1);
                return Next::Failed(Failure::CrashLoop { run: Some(run), restarts, oom: oom(look) });
            }
            State::Created => return Next::Failed(Failure::NeverStarted),
            State::Gone => return Next::Failed(Failure::Removed),
            State::Paused => return Next::Wait(Probe::Nothing),
            State::Running => {}
        }
        if look.restarts > before {
            return Next::Failed(Failure::CrashLoop { run: None, restarts: look.restarts, oom: oom(look) });
        }
        let running_since = *self.running_since.get_or_insert(elapsed);
        let seen_up = elapsed.saturating_sub(running_since);
        let up = look.up_for.map_or(seen_up, |up_for| up_for.max(seen_up));
        let stayed_up = up >= self.readiness.stay_up;
        match look.health {
            Health::Healthy => return Next::Ready { note: Some("the engine says healthy".into()) },
            Health::Unhealthy => {
                let said = look.health_output.clone().or_else(|| self.check_said.clone());
                return Next::Failed(Failure::Unhealthy { said });
            }
            Health::Starting | Health::None => {}
        }
        if let Some(passed) = &self.passed {
            return Next::Ready { note: Some(passed.clone()) };
        }
        if look.health == Health::Starting {
            return Next::Wait(look.check.clone().map_or(Probe::Nothing, Probe::Exec));
        }
        let stayed = format!("it stayed up for {}", seconds(self.readiness.stay_up));
        if !self.readiness.ports.is_empty() {
            let tried = self.tried.as_deref().filter(|_| stayed_up && !self.reachable);
            return match tried {
                Some(tried) => Next::Ready {
                    note: Some(format!("{stayed}; its ports cannot be reached from here to ask them ({tried})")),
                },
                None => Next::Wait(Probe::Ports(self.readiness.ports.clone())),
            };
        }
        match (look.exposed.is_empty(), stayed_up) {
            (true, true) => Next::Ready { note: Some(format!("{stayed}; it has no health check and no port to ask")) },
            (true, false) => Next::Wait(Probe::Nothing),
            (false, true) if self.tried.is_some() => Next::Ready {
                note: Some(format!("{stayed}; nothing answered on {}, which its image names", ports(&look.exposed))),
            },
            (false, _) => Next::Wait(Probe::Ports(look.exposed.clone())),
        }
    }

    fn late(&self, look: &Look) -> Failure {
        let (deadline, mut asked) = (self.readiness.deadline, Vec::new());
        let (wanted, said) = if self.readiness.goal == ReadyGoal::Completed {
            ("end".to_string(), None)
        } else if look.state == State::Paused {
            ("become ready, because it is paused,".to_string(), None)
        } else if look.health == Health::Starting {
            let said = look.health_output.clone().or_else(|| self.check_said.clone());
            ("become healthy".to_string(), said.map(|said| format!("its health check said: {}", short(&said))))
        } else if self.readiness.ports.is_empty() {
            ("stay up long enough".to_string(), None)
        } else {
            asked = self.readiness.ports.clone();
            (format!("answer on {}", ports(&asked)), self.tried.clone())
        };
        Failure::Late { wanted, deadline, said, ports: asked }
    }
}

impl Failure {
    /// Follows the container's name: `exited with code 1 0.3 s after its start`.
    pub fn sentence(&self) -> String {
        match self {
            Failure::Ended { run, oom, is_job } => {
                let mut text = ended(*run, *oom);
                if run.code == 0 && !is_job {
                    text.push_str(". If it is meant to end, say so: `x-launchway: { job: true }`");
                }
                text
            }
            Failure::CrashLoop { run, restarts, oom } => {
                let times = if *restarts == 1 { "once".to_string() } else { format!("{restarts} times") };
                match run {
                    Some(run) => {
                        let mut text = format!("{}, and was restarted {times}: a crash loop", ended(*run, *oom));
                        if run.code == 0 {
                            text.push_str(". If it is meant to end, say so: `x-launchway: { job: true }`");
                        }
                        text
                    }
                    None => format!("ended and was restarted {times}: a crash loop{}", because_of_memory(*oom)),
                }
            }
            Failure::Unhealthy { said: Some(said) } => format!("is unhealthy; its health check said: {}", short(said)),
            Failure::Unhealthy { said: None } => "is unhealthy; its health check said nothing".into(),
            Failure::NeverStarted => "was not started".into(),
            Failure::Removed => "was removed by somebody while it was waited for".into(),
            Failure::Late { wanted, deadline, said, ports: _ } => {
                let said = said.as_ref().map(|said| format!("; {said}")).unwrap_or_default();
                format!("did not {wanted} within {}{said}", seconds(*deadline))
            }
        }
    }
}

fn ended(run: Run, oom: Option<i64>) -> String {
    let after = match run.took {
        Some(took) if took < Duration::from_millis(50) => " right after its start".into(),
        Some(took) => format!(" {} after its start", seconds(took)),
        None => String::new(),
    };
    let meaning = match run.code {
        126 => " (its command cannot be executed)",
        127 => " (its command was not found)",
        137 if oom.is_none() => " (killed)",
        _ => "",
    };
    format!("exited with code {}{after}{meaning}{}", run.code, because_of_memory(oom))
}

fn because_of_memory(oom: Option<i64>) -> String {
    match oom {
        None => String::new(),
        Some(0) => ": it was killed because the machine ran out of memory".into(),
        Some(limit) => format!(
            ": it was killed because it ran out of memory (its limit is {} MiB)",
            (limit as f64 / (1024.0 * 1024.0)).round()
        ),
    }
}

fn oom(look: &Look) -> Option<i64> {
    look.oom_killed.then_some(look.memory_limit_bytes)
}

fn ports(ports: &[u16]) -> String {
    let list: Vec<String> = ports.iter().map(u16::to_string).collect();
    format!("port {}", list.join(" or "))
}

/// `0.3 s`, `60 s`.
fn seconds(time: Duration) -> String {
    let tenths = (time.as_secs_f64() * 10.0).round() / 10.0;
    format!("{tenths} s")
}

/// A check may print a page; its end says why. The engine keeps no more of it than this.
fn short(text: &str) -> String {
    const MOST: usize = 4_096;
    let text = text.trim();
    let count = text.chars().count();
    let end: String = text.chars().skip(count.saturating_sub(MOST)).collect();
    let cut = if count > MOST { "..." } else { "" };
    format!("{cut}{}", Quoted(end))
}

#[cfg(test)]
mod tests;
