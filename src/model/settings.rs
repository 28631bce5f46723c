//! `x-launchway`: what Compose cannot say.

use super::mount::is_false;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// `x-launchway` of one service.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ComponentSettings {
    pub method: Method,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanarySettings>,
    /// Further measures of a release's verdict, asked of Prometheus.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prometheus: Vec<Measure>,
    /// Glob patterns relative to the repository's root, added to what always counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// One-off container of the new image before any traffic moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release_command: Option<Vec<String>>,
    /// How long that may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release_command_timeout: Option<Duration>,
    /// Two of it may run at once although nothing routes to it.
    #[serde(skip_serializing_if = "is_false")]
    pub concurrent: bool,
    /// Keys of volumes that two replicas may write at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shared_volumes: Vec<String>,
    /// `edge: false` leaves the ports to the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub front: Option<bool>,
    /// `run: every-release` of a job.
    #[serde(skip_serializing_if = "is_false")]
    pub every_release: bool,
    /// It is meant to end: exit code 0 is success although nothing waits for it.
    #[serde(skip_serializing_if = "is_false")]
    pub job: bool,
    /// At the next deployment an image that is older is built anew, on base images as they are by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebuild_after: Option<Duration>,
    /// How long it may take from start to ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_timeout: Option<Duration>,
    /// How long it must stay up where neither a health check nor a port tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stay_up: Option<Duration>,
    /// TCP ports in the container at which nothing has to listen, though something leads there: one for a debugger.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub not_listening: BTreeSet<u16>,
    /// How long a replica that is to stop may take to finish what it has; 30 s where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<Duration>,
}

/// A Prometheus query whose answer must not stay above a maximum while a new release is judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// For people; the query where none is written.
    pub name: String,
    /// The server's base URL, one of the project's `allow.prometheus`.
    pub url: String,
    /// PromQL. `{{ release }}` and `{{ commit }}` stand for the new release's.
    pub query: String,
    pub max: f64,
}

/// How a component goes from the old release to the new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    #[default]
    Auto,
    Recreate,
    Rolling,
    BlueGreen,
    Canary,
}

impl Method {
    /// The word in a Compose file and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Method::Auto => "auto",
            Method::Recreate => "recreate",
            Method::Rolling => "rolling",
            Method::BlueGreen => "blue-green",
            Method::Canary => "canary",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl std::str::FromStr for Method {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Auto, Self::Recreate, Self::Rolling, Self::BlueGreen, Self::Canary]
            .into_iter()
            .find(|method| method.word() == text)
            .ok_or_else(|| format!("{text:?} is not a method: auto, recreate, rolling, blue-green or canary"))
    }
}

/// Which requests reach a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub host: Option<String>,
    pub path: Option<String>,
    /// Port in the container.
    pub port: Option<u16>,
}

/// Shares of traffic in whole percent, each larger than the one before.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CanarySettings {
    pub steps_percent: Vec<u8>,
    pub hold: Option<Duration>,
    /// 0.0 to 1.0.
    pub max_error_rate: Option<f64>,
    pub max_latency_ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky: Option<super::Sticky>,
    /// After each hold it waits for `launchway promote`.
    #[serde(skip_serializing_if = "is_false")]
    pub gate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_little_traffic: Option<OnLittleTraffic>,
    /// How long a replica that has just begun to serve is not judged; 30 s where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<Duration>,
}

impl CanarySettings {
    /// The shares at which it is held: 5, 25 and 50 % where nothing is written.
    pub fn weights(&self) -> Vec<u8> {
        if self.steps_percent.is_empty() { vec![5, 25, 50] } else { self.steps_percent.clone() }
    }
    /// Two minutes where nothing is written.
    pub fn hold_time(&self) -> Duration {
        self.hold.unwrap_or(Duration::from_secs(120))
    }
}

/// `on-little-traffic`: what a canary whose hold is over does when too few requests came to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnLittleTraffic {
    /// Holds on until there were enough.
    #[default]
    Wait,
    Promote,
    /// Waits for somebody to promote or abort it.
    Ask,
}

/// Top-level `x-launchway`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StrategySettings {
    /// Watch this long after the last step before it counts as succeeded; 30 s where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bake: Option<Duration>,
    /// Deploy windows, checked when read. They judge the releases after this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<super::Window>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<super::Freeze>,
    /// A deployment waits for somebody's yes.
    #[serde(skip_serializing_if = "is_false")]
    pub approval: bool,
    /// What is put right while nothing is deployed; what died where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<super::Repair>,
}
