//! What a panic said.

use std::any::Any;

/// The text of a panic that was caught, for the failure of the piece of work that it ended.
pub fn last_words(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&'static str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "a panic without words",
    }
}
