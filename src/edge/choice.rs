//! Which release and which replica a request goes to. Chance comes in as an argument.

use super::live::{Component, LiveRelease};
use super::replica::LiveReplica;
use crate::model::{ReleaseId, Sticky};
use http::HeaderMap;
use std::sync::Arc;
use std::time::Instant;

/// What a request asks for by being sticky.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// The release that its cookie names.
    pub release: Option<ReleaseId>,
    /// A number below 100 that its header stands for.
    pub roll: Option<u8>,
}

impl Wish {
    pub fn of(sticky: Option<&Sticky>, headers: &HeaderMap) -> Self {
        match sticky {
            None => Self::default(),
            Some(Sticky::Cookie(name)) => {
                Self { release: cookie(headers, name).and_then(|value| value.parse().ok()), roll: None }
            }
            Some(Sticky::Header(name)) => {
                Self { release: None, roll: headers.get(name.as_str()).map(|value| roll_of(value.as_bytes())) }
            }
        }
    }
}

/// The value of a cookie.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(http::header::COOKIE).iter().filter_map(|header| header.to_str().ok());
    all.flat_map(|header| header.split(';'))
        .find_map(|pair| pair.trim().split_once('=').filter(|(of, _)| *of == name).map(|(_, value)| value))
}

/// FNV-1a, the same over restarts and machines; its high bits, which are the well mixed ones.
fn roll_of(value: &[u8]) -> u8 {
    let hash = value
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((u128::from(mixed) * 100) >> 64) as u8
}

/// A release and one of its replicas, and who is out of the question: those in `tried`, and, unless `whoever`, those
/// that are left alone because they could not be reached at the port. `None`: nobody is left.
pub fn choose<'a>(
    (component, port): (&'a Component, u16),
    wish: Wish,
    tried: &[Arc<LiveReplica>],
    whoever: bool,
    now: Instant,
    chance: &mut impl FnMut(usize) -> usize,
) -> Option<(&'a LiveRelease, &'a Arc<LiveReplica>)> {
    let mut left: Vec<&LiveRelease> = component.releases.iter().filter(|release| release.weight > 0).collect();
    let can = |replica: &&Arc<LiveReplica>| {
        !tried.iter().any(|other| Arc::ptr_eq(other, replica)) && (whoever || !replica.is_left_alone(port, now))
    };
    while !left.is_empty() {
        let index = match wish.release.and_then(|wanted| left.iter().position(|release| release.id == wanted)) {
            Some(index) => index,
            None => {
                let weights = left.iter().map(|release| release.weight);
                // Of fewer releases than all, the weights may add up to less than 100: chance then decides again.
                let total: u32 = left.iter().map(|release| u32::from(release.weight)).sum();
                let roll = wish.roll.filter(|_| total == 100).map_or_else(|| chance(total as usize) as u32, u32::from);
                by_weight(weights, roll)
            }
        };
        let release = left.remove(index.min(left.len() - 1));
        if let Some(replica) = least_busy(release, can, chance) {
            return Some((release, replica));
        }
    }
    None
}

/// The index of the weight into which `roll` falls.
fn by_weight(weights: impl Iterator<Item = u8>, roll: u32) -> usize {
    let mut sum = 0;
    let mut last = 0;
    for (index, weight) in weights.enumerate() {
        sum += u32::from(weight);
        if roll < sum {
            return index;
        }
        last = index;
    }
    last
}

/// The less busy of two that chance picks: nearly as even as the least busy of all, and never a herd.
fn least_busy<'a>(
    release: &'a LiveRelease,
    can: impl Fn(&&Arc<LiveReplica>) -> bool,
    chance: &mut impl FnMut(usize) -> usize,
) -> Option<&'a Arc<LiveReplica>> {
    let count = release.replicas.iter().filter(&can).count();
    match count {
        0 => None,
        1 => release.replicas.iter().find(&can),
        _ => {
            let one = chance(count);
            let other = (one + 1 + chance(count - 1)) % count;
            let nth = |index: usize| release.replicas.iter().filter(&can).nth(index);
            nth(one).into_iter().chain(nth(other)).min_by_key(|replica| replica.load())
        }
    }
}

#[cfg(test)]
mod tests;
