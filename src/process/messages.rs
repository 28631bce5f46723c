//! What a server and the processes that it starts say to each other over pipes: each message is its length (4 bytes, the
//! least significant first) and JSON.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// A longer message is none of ours: budgets keep all that is said far below it.
const MOST_BYTES: usize = 128 << 20;

/// # Errors
/// Where it cannot be written as JSON, or is longer than 128 MiB.
pub(super) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - 4;
    match u32::try_from(length) {
        Ok(prefix) if length <= MOST_BYTES => bytes[..4].copy_from_slice(&prefix.to_le_bytes()),
        _ => return Err(io::Error::other(format!("a message of {length} bytes"))),
    }
    Ok(bytes)
}

/// The length that a message says it has.
///
/// # Errors
/// Where it is longer than 128 MiB.
pub(super) fn length(prefix: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_le_bytes(prefix) as usize;
    match length <= MOST_BYTES {
        true => Ok(length),
        false => Err(io::Error::other(format!("a message of {length} bytes"))),
    }
}

/// # Errors
/// Where it is something else than was to come.
pub(super) fn decode<'m, T: Deserialize<'m>>(bytes: &'m [u8]) -> io::Result<T> {
    Ok(serde_json::from_slice(bytes)?)
}

/// The next message; `None` where the other side has ended.
///
/// # Errors
/// Where the pipe breaks, or what comes is no message.
pub fn read_message<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut prefix = [0; 4];
    match from.read_exact(&mut prefix) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut bytes = vec![0; length(prefix)?];
    from.read_exact(&mut bytes)?;
    Ok(Some(decode(&bytes)?))
}

/// # Errors
/// Where the pipe breaks, or the message is too long.
pub fn write_message(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    to.write_all(&encode(message)?)?;
    to.flush()
}
