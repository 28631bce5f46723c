//! A deployment's life.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a deployment is. The last five are ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// In the environment's queue.
    Waiting,
    /// Checkout, plan, room on the host.
    Preparing,
    Building,
    Deploying,
    Monitoring,
    /// It failed or was cancelled after something was touched; the old release is being put back.
    PuttingBack,
    Succeeded,
    /// Ended without having touched what runs, or without being able to put it back.
    Failed,
    RolledBack,
    Cancelled,
    Superseded,
}

/// What happens to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    Prepare,
    Build,
    Deploy,
    Monitor,
    PutBack,
    Succeed,
    Fail,
    RollBack,
    Cancel,
    Supersede,
}

/// A state that cannot follow another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a deployment that is {from} cannot {event:?}")]
pub struct IllegalTransition {
    pub from: DeploymentState,
    pub event: Transition,
}

impl DeploymentState {
    /// Every state, in the order in which a deployment may have them.
    pub const ALL: [DeploymentState; 11] = {
        use DeploymentState::*;
        [
            Waiting,
            Preparing,
            Building,
            Deploying,
            Monitoring,
            PuttingBack,
            Succeeded,
            Failed,
            RolledBack,
            Cancelled,
            Superseded,
        ]
    };

    /// The state after `event`; an illegal move is an error, not silence. After a crash a deployment is taken up again
    /// from any stage by `Prepare`, because it observes and plans anew.
    pub fn next(self, event: Transition) -> Result<Self, IllegalTransition> {
        use DeploymentState as S;
        use Transition as T;
        let next = match (self, event) {
            (S::Waiting | S::Preparing | S::Building | S::Deploying | S::Monitoring, T::Prepare) => S::Preparing,
            (S::Preparing, T::Build) => S::Building,
            (S::Preparing | S::Building, T::Deploy) => S::Deploying,
            (S::Deploying, T::Monitor) => S::Monitoring,
            (S::Preparing | S::Building | S::Deploying | S::Monitoring | S::PuttingBack, T::PutBack) => S::PuttingBack,
            (S::Preparing | S::Deploying | S::Monitoring, T::Succeed) => S::Succeeded,
            (from, T::Fail) if !from.is_end() => S::Failed,
            (S::PuttingBack, T::RollBack) => S::RolledBack,
            (from, T::Cancel) if !from.is_end() => S::Cancelled,
            (from, T::Supersede) if !from.is_end() => S::Superseded,
            (from, event) => return Err(IllegalTransition { from, event }),
        };
        Ok(next)
    }

    /// Whether nothing follows.
    pub fn is_end(self) -> bool {
        use DeploymentState::*;
        matches!(self, Succeeded | Failed | RolledBack | Cancelled | Superseded)
    }

    /// The word in the store and in JSON.
    pub fn word(self) -> &'static str {
        use DeploymentState::*;
        match self {
            Waiting => "waiting",
            Preparing => "preparing",
            Building => "building",
            Deploying => "deploying",
            Monitoring => "monitoring",
            PuttingBack => "putting_back",
            Succeeded => "succeeded",
            Failed => "failed",
            RolledBack => "rolled_back",
            Cancelled => "cancelled",
            Superseded => "superseded",
        }
    }
}

impl fmt::Display for DeploymentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.word().replace('_', " "))
    }
}

impl std::str::FromStr for DeploymentState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.word() == text)
            .ok_or_else(|| format!("{text:?} is not a deployment state"))
    }
}

/// The four stages of the flow; each is timed, logged and reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    Prepare,
    Build,
    Deploy,
    Monitor,
}

impl Stage {
    /// Every stage, in its order.
    pub const ALL: [Stage; 4] = [Stage::Prepare, Stage::Build, Stage::Deploy, Stage::Monitor];

    /// The word in the store and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Prepare => "prepare",
            Stage::Build => "build",
            Stage::Deploy => "deploy",
            Stage::Monitor => "monitor",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl std::str::FromStr for Stage {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|stage| stage.word() == text).ok_or_else(|| format!("{text:?} is not a stage"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_final() {
        use Transition::*;
        for state in DeploymentState::ALL.into_iter().filter(|s| s.is_end()) {
            for event in [Prepare, Build, Deploy, Monitor, PutBack, Succeed, Fail, RollBack, Cancel, Supersede] {
                assert!(state.next(event).is_err(), "{state} {event:?}");
            }
        }
    }

    #[test]
    fn a_waiting_deployment_cannot_succeed() {
        assert_eq!(
            DeploymentState::Waiting.next(Transition::Succeed).unwrap_err().to_string(),
            "a deployment that is waiting cannot Succeed"
        );
    }
}
