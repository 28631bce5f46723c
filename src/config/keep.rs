//! `[keep]`: how much of what is past is kept.

use super::check::Check;
use super::file::FileKeep;
use super::value::{duration, size};
use crate::model::{FreeSpace, Retention};
use std::time::Duration;

impl Check<'_> {
    pub(super) fn keep(&mut self, file: &FileKeep) -> Retention {
        let usual = Retention::default();
        let releases = match &file.releases {
            Some(releases) if *releases.get_ref() == 0 => {
                let message = "at least 1: the release before the live one is always kept, to go back to";
                self.wrong(releases.span().start, "keep.releases", message);
                usual.releases
            }
            Some(releases) => *releases.get_ref(),
            None => usual.releases,
        };
        let age = self.parsed(file.age.as_ref(), "keep.age", at_least_a_day);
        let deployments = self.parsed(file.deployments.as_ref(), "keep.deployments", at_least_a_day);
        Retention {
            releases,
            age,
            deployments: deployments.unwrap_or(usual.deployments),
            build_cache: self.parsed(file.build_cache.as_ref(), "keep.build-cache", size),
            free: self.parsed(file.free.as_ref(), "keep.free", free_space).unwrap_or(usual.free),
        }
    }
}

fn at_least_a_day(text: &str) -> Result<Duration, String> {
    let found = duration(text).map_err(|_| format!("{text:?} is not a time: 30d, 90d or 36h"))?;
    if found < Duration::from_secs(24 * 3600) {
        return Err(format!("{text:?} is less than a day; nothing is taken away so soon"));
    }
    Ok(found)
}

fn free_space(text: &str) -> Result<FreeSpace, String> {
    let wrong = || format!("{text:?} is neither a share of the disk, such as 10%, nor a size, such as 5GB");
    match text.trim().strip_suffix('%') {
        Some(share) => match share.trim().parse::<u8>() {
            Ok(percent) if percent < 100 => Ok(FreeSpace::Percent(percent)),
            _ => Err(format!("{}; a share is 0% to 99%", wrong())),
        },
        None => size(text).map(FreeSpace::Bytes).map_err(|_| wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_shares_are_read_with_their_units() {
        assert_eq!(size("20GB"), Ok(20_000_000_000));
        assert_eq!(size("1.5 GiB"), Ok(1_610_612_736));
        assert_eq!(free_space("10%"), Ok(FreeSpace::Percent(10)));
        assert_eq!(free_space("5GB"), Ok(FreeSpace::Bytes(5_000_000_000)));
        for bad in ["", "20", "GB", "-1GB", "1.2.3GB", "5XB", "99999999999TB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        for bad in ["100%", "-1%", "a lot", "%", "10"] {
            assert!(free_space(bad).is_err(), "{bad}");
        }
        assert!(at_least_a_day("3h").is_err() && at_least_a_day("x").is_err());
    }
}
