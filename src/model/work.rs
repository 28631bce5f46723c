//! What a deployment's work was, and how long each piece of it took.

use super::{ComponentName, DeploymentId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A piece of work of a deployment that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    pub deployment: DeploymentId,
    /// `None`: of the deployment as a whole (fetch, bake).
    pub component: Option<ComponentName>,
    pub kind: WorkKind,
    /// What it was done to, for people: a container's name, an image's reference.
    pub subject: String,
    /// Milliseconds since 1970 (UTC).
    pub started_ms: i64,
    /// The beginning and the time it took, which a clock that is set meanwhile does not change.
    pub ended_ms: i64,
    pub outcome: WorkOutcome,
    pub detail: WorkDetail,
}

impl Work {
    /// How long it took.
    pub fn took(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.ended_ms - self.started_ms).unwrap_or(0))
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the store and in JSON.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|one| one.word() == text).ok_or_else(|| format!("{text:?} is no {}", $what))
            }
        }
    };
}

words!(
    /// What is done in a piece of work.
    WorkKind, "kind of work", {
        Fetch = "fetch",
        Pull = "pull",
        Build = "build",
        /// From its start until it has ended.
        ReleaseCommand = "release-command",
        Create = "create",
        Stop = "stop",
        Start = "start",
        /// Waiting until a container is ready.
        Ready = "ready",
        Drain = "drain",
        /// A canary at its share, and times to wait between batches.
        Hold = "hold",
        Bake = "bake",
        Remove = "remove",
        /// For room on the host, or for a slot to build in.
        Wait = "wait",
        /// Networks, volumes, names, routes.
        Other = "other",
    }
);

words!(
    /// How a piece of work ended.
    WorkOutcome, "outcome of work", {
        Done = "done",
        Failed = "failed",
        Cancelled = "cancelled",
    }
);

/// What else is known of a piece of work; all of it of builds, and the last of pulls too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WorkDetail {
    /// Steps of the Dockerfile, `FROM` not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
    /// Those of them that came from the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached: Option<u32>,
    /// Bytes of the build context that the engine asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_bytes: Option<u64>,
    /// The first step that did not come from the cache, as the Dockerfile writes it: `RUN make`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invalidated_at: Option<String>,
    /// What it added to the engine's disk, where nothing else filled or emptied that meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back_and_others_are_refused() {
        for kind in WorkKind::ALL {
            assert_eq!(kind.word().parse(), Ok(*kind));
        }
        assert_eq!("knit".parse::<WorkKind>(), Err("\"knit\" is no kind of work".to_string()));
        assert_eq!("".parse::<WorkOutcome>(), Err("\"\" is no outcome of work".to_string()));
    }

    #[test]
    fn work_that_ends_before_it_began_took_no_time() {
        let work = Work {
            deployment: DeploymentId(1),
            component: None,
            kind: WorkKind::Fetch,
            subject: String::new(),
            started_ms: 10,
            ended_ms: 5,
            outcome: WorkOutcome::Done,
            detail: WorkDetail::default(),
        };
        assert_eq!(work.took(), Duration::ZERO);
    }
}
