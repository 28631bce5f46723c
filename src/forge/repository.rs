//! The repository that a delivery names, and the events that name one but deploy nothing.

use super::invalid::InvalidDelivery;
use super::moved_ref::excerpt;
use super::payload::{Number, Text};
use crate::model::{EventKind, Quoted, RepositoryRef};

/// The repository of an event. A change of a ref must name it, so that it can be compared with the project's; for
/// other events, some of which belong to an organisation, it may be absent.
pub(super) fn of(
    kind: &EventKind,
    full_name: Text,
    id: Number,
    field: &str,
) -> Result<Option<RepositoryRef>, InvalidDelivery> {
    let valid = |name: &str| (1..=1024).contains(&name.len()) && !name.chars().any(char::is_control);
    let fault = match full_name {
        Text::Value(name) if valid(&name) => return Ok(Some(RepositoryRef { full_name: name, id: id.0 })),
        Text::Value(name) => format!("{field} is {}, not a repository's name", excerpt(&name)),
        Text::Absent => format!("{field} is missing: it should be the repository's full name"),
        Text::Other => format!("{field} is not text"),
    };
    match kind {
        EventKind::Push(_) | EventKind::Tag(_) | EventKind::Delete { .. } => Err(InvalidDelivery::new(fault)),
        EventKind::Ping | EventKind::Ignored { .. } => Ok(None),
    }
}

/// An event of a name that nothing is deployed for.
pub(super) fn ignored(event: &str) -> EventKind {
    let name: String = event.escape_debug().take(80).collect();
    EventKind::Ignored { reason: format!("{} events deploy nothing", Quoted(name)) }
}
