//! The table `[edge]`: from what is written to checked settings.

use super::check::Check;
use super::file::FileEdge;
use super::value::duration;
use crate::model::{EdgeAddress, EdgeSettings};
use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;
use std::time::Duration;
use toml::Spanned;

impl Check<'_> {
    pub(super) fn edge(&mut self, file: &FileEdge, everywhere: &[IpNet]) -> EdgeSettings {
        let usual = EdgeSettings::default();
        let listen = self.each(file.listen.as_ref(), "edge.listen", str::parse::<EdgeAddress>);
        if let Some(first) = &file.listen {
            let twice = listen.iter().enumerate().find_map(|(index, one)| {
                listen.iter().take(index).find(|other| other.overlaps(one)).map(|other| (*other, *one))
            });
            if let Some((one, other)) = twice {
                self.wrong(first.span().start, "edge.listen", format!("{one} and {other} are one port"));
            }
        }
        let mut trusted_proxies = self.each(file.trusted_proxies.as_ref(), "edge.trusted-proxies", network);
        trusted_proxies.extend(everywhere);
        let mut time = |value: &Option<Spanned<String>>, key: &str, usual: Duration| {
            self.parsed(value.as_ref(), key, more_than_nothing).unwrap_or(usual)
        };
        let hold = time(&file.hold, "edge.hold", usual.hold);
        let answer_timeout = time(&file.answer_timeout, "edge.answer-timeout", usual.answer_timeout);
        let connect_timeout = time(&file.connect_timeout, "edge.connect-timeout", usual.connect_timeout);
        let head_timeout = time(&file.head_timeout, "edge.head-timeout", usual.head_timeout);
        let unread_timeout = time(&file.unread_timeout, "edge.unread-timeout", usual.unread_timeout);
        let drain = self.parsed(file.drain.as_ref(), "edge.drain", duration).unwrap_or(usual.drain);
        let addresses =
            self.parsed(file.addresses.as_ref(), "edge.addresses", address_range).unwrap_or(usual.addresses);
        let hold_most = file.hold_most.unwrap_or(usual.hold_most);
        EdgeSettings {
            listen,
            hold,
            hold_most,
            trusted_proxies,
            drain,
            answer_timeout,
            connect_timeout,
            head_timeout,
            unread_timeout,
            addresses,
            inside: false,
        }
    }
}

fn more_than_nothing(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err(format!("{text:?} would mean that nothing is ever in time")),
        time => Ok(time),
    }
}

/// One address is a range of one.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let wrong = || format!("{text:?} is not an address or range, such as 192.0.2.7 or 10.0.0.0/8");
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(address.into()),
        Err(_) => text.parse::<IpNet>().map(|range| range.trunc()).map_err(|_| wrong()),
    }
}

fn address_range(text: &str) -> Result<Ipv4Net, String> {
    let range: Ipv4Net =
        text.parse().map_err(|_| format!("{text:?} is not a range of IPv4 addresses, such as 10.213.0.0/16"))?;
    if !(8..=20).contains(&range.prefix_len()) {
        return Err(format!(
            "{text:?} is too large or too small: each environment gets a network of it; from /8 to /20"
        ));
    }
    if range.trunc() != range {
        return Err(format!("{text:?} does not begin where its range does; {} does", range.trunc()));
    }
    Ok(range)
}
