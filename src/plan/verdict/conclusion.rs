//! What a judge answers.

use super::Figures;
use super::words::thousands;
use crate::model::OnLittleTraffic;
use serde::{Deserialize, Serialize};
use std::fmt;

/// After an interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "decision")]
pub enum Decision {
    Continue,
    /// Put it back. A sentence with figures.
    Worse {
        why: String,
    },
}

/// After a hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "conclusion")]
pub enum Conclusion {
    /// There was enough traffic to notice a release that is worse, and this one is not.
    AsGood {
        figures: Figures,
    },
    /// Nothing speaks against it, but there was little that could have.
    NotEnoughTraffic {
        figures: Figures,
        /// About how many answers of the new release it takes; `None` where that cannot be said yet.
        needed: Option<u64>,
        then: OnLittleTraffic,
    },
    /// An external measure has had no answer, so that nobody knows whether it speaks against it.
    NoAnswer {
        figures: Figures,
        measure: String,
        then: OnLittleTraffic,
    },
    Worse {
        why: String,
    },
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AsGood { figures } => write!(f, "{figures}: as good"),
            Self::NotEnoughTraffic { figures, .. } if figures.new.requests == 0 => {
                write!(f, "not enough traffic to tell: no request in {:.0} s", figures.seconds)
            }
            Self::NotEnoughTraffic { figures, needed, .. } => {
                write!(f, "not enough traffic to tell: {} answers", thousands(figures.new.requests))?;
                match needed {
                    Some(needed) => write!(f, " of about {} that it takes; {figures}", thousands(*needed)),
                    None => write!(f, "; {figures}"),
                }
            }
            Self::NoAnswer { figures, measure, .. } => {
                write!(f, "{figures}; not enough to tell: {measure} has had no answer")
            }
            Self::Worse { why } => f.write_str(why),
        }
    }
}
