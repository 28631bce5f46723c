//! What the hooks on the server are told of: the beginning of a deployment, and each of its ends.

use super::DeploymentState;
use std::fmt;

/// Of what a hook is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LifecycleEvent {
    Started,
    Succeeded,
    Failed,
    RolledBack,
    Cancelled,
    Superseded,
}

impl LifecycleEvent {
    /// Every one, in the order in which a deployment may have them.
    pub const ALL: [LifecycleEvent; 6] = {
        use LifecycleEvent::*;
        [Started, Succeeded, Failed, RolledBack, Cancelled, Superseded]
    };

    /// What is told of a deployment that has just come into this state.
    pub fn of(state: DeploymentState) -> Option<Self> {
        match state {
            DeploymentState::Preparing => Some(Self::Started),
            DeploymentState::Succeeded => Some(Self::Succeeded),
            DeploymentState::Failed => Some(Self::Failed),
            DeploymentState::RolledBack => Some(Self::RolledBack),
            DeploymentState::Cancelled => Some(Self::Cancelled),
            DeploymentState::Superseded => Some(Self::Superseded),
            DeploymentState::Waiting
            | DeploymentState::Building
            | DeploymentState::Deploying
            | DeploymentState::Monitoring
            | DeploymentState::PuttingBack => None,
        }
    }

    /// The name of the hook's file, and the word in the store.
    pub fn word(self) -> &'static str {
        match self {
            Self::Started => "deployment-started",
            Self::Succeeded => "deployment-succeeded",
            Self::Failed => "deployment-failed",
            Self::RolledBack => "deployment-rolled-back",
            Self::Cancelled => "deployment-cancelled",
            Self::Superseded => "deployment-superseded",
        }
    }
}

impl fmt::Display for LifecycleEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl std::str::FromStr for LifecycleEvent {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|event| event.word() == text);
        found.ok_or_else(|| format!("{text:?} is not something that hooks are told of"))
    }
}
