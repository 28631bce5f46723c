//! What an error comes from.

use std::error::Error;

/// The cause at the bottom, which names the fact (`Connection refused`); what is above only says what was being done.
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
