//! The time as the store notes it, and keys that nobody can guess.

/// Milliseconds since 1970 (UTC).
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// 32 hex digits that nobody can guess: the unguessable part of a page's address.
pub fn new_key() -> anyhow::Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    Ok(hex::encode(bytes))
}

/// A key for a delivery's page: as hard to guess as others, behind its time in milliseconds. The store takes many
/// deliveries at one time, and so writes the end of its index of keys and not a page of it for each.
pub fn new_delivery_key(now_ms: i64) -> anyhow::Result<String> {
    Ok(format!("{now_ms:011x}{}", new_key()?))
}
