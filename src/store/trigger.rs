//! What a deployment came from.

/// What a deployment came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    Push,
    /// A push whose delivery never came.
    Found,
    Redelivery,
    /// `launchway deploy`.
    Manual,
    Rollback,
    /// `launchway give-back`: like a rollback, to the live release as Docker Compose alone has it.
    GiveBack,
}

impl Trigger {
    const ALL: [Self; 6] = [Self::Push, Self::Found, Self::Redelivery, Self::Manual, Self::Rollback, Self::GiveBack];
    /// Whether it puts something live that was live before: nothing is built for it, and nothing holds it up.
    pub fn goes_back(self) -> bool {
        matches!(self, Self::Rollback | Self::GiveBack)
    }
    /// The word in the store and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Found => "found",
            Self::Redelivery => "redelivery",
            Self::Manual => "manual",
            Self::Rollback => "rollback",
            Self::GiveBack => "give-back",
        }
    }
}

impl std::str::FromStr for Trigger {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|t| t.word() == text).ok_or_else(|| format!("{text:?} is not a trigger"))
    }
}
