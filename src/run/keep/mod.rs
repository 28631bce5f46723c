//! Looking after what is live while nothing is deployed.

pub mod adopt;
pub mod beyond;
pub mod give_back;
pub mod look;
pub mod looking_back;
pub mod mend;
pub mod orphans;
pub mod wake;
pub mod watching;
