//! The short form of a published port: `[[address:]published:]target[/protocol]`, each a port or a range.

use super::problems::Problems;
use super::scalar::{Kind, Scalar};
use super::spent::Spent;
use super::yaml::{Node, Value};
use crate::model::Quoted;
use std::net::IpAddr;

const FORM: &str = "[[address:]published:]target[/protocol], such as \"8080:80\" or \"127.0.0.1:8080:80/tcp\"";

/// The long forms of one item; a range becomes one for each port. What is no text or number stays as it is; what is
/// wrong becomes null, so that the others keep their index, and readers pass over it.
pub fn long(item: Node, path: &str, problems: &Problems, spent: &Spent) -> Vec<Node> {
    let text = match &item.value {
        Value::Scalar(Scalar { kind: Kind::Text | Kind::Int, text }) => text.clone(),
        _ => return vec![item],
    };
    if spent.ports(0).is_err() {
        // It was said at the first port that was one too many.
        return vec![item.null_beside()];
    }
    match parse(&text) {
        Ok(ports) => match spent.ports(ports.len()) {
            Ok(()) => ports.into_iter().map(|port| node(&item, port)).collect(),
            Err(error) => {
                problems.error(Some(item.place()), path, error.to_string());
                vec![item.null_beside()]
            }
        },
        Err(why) => {
            problems.error(
                Some(item.place()),
                path,
                format!("{text:?} is not a port: {why}; accepted: {FORM}", text = Quoted(&text)),
            );
            vec![item.null_beside()]
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Spec {
    address: Option<String>,
    /// A port or a range.
    published: Option<String>,
    target: u16,
    protocol: String,
}

fn node(item: &Node, port: Spec) -> Node {
    let target = item.beside(Value::Scalar(Scalar { kind: Kind::Int, text: port.target.to_string() }));
    let mut entries = vec![("target", target), ("protocol", item.text_beside(port.protocol))];
    if let Some(published) = port.published {
        entries.push(("published", item.text_beside(published)));
    }
    if let Some(address) = port.address {
        entries.push(("host_ip", item.text_beside(address)));
    }
    item.map_beside(entries)
}

fn parse(text: &str) -> Result<Vec<Spec>, String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(format!("{protocol:?} is no protocol (tcp, udp or sctp)", protocol = Quoted(&protocol)));
    }
    let (rest, target) = match ports.rsplit_once(':') {
        Some((rest, target)) => (Some(rest), target),
        None => (None, ports),
    };
    let (address, published) = match rest {
        None => (None, None),
        Some(rest) => match split_address(rest)? {
            (address, "") => (address, None),
            (address, published) => (address, Some(published)),
        },
    };
    let (first, last) = range(target)?;
    let count = last - first;
    let ends = published.map(range).transpose()?;
    if let Some((begin, end)) = ends {
        // One port in the container may be published at any of a range; else the ranges go together.
        if end - begin != count && count != 0 {
            return Err("the two ranges have different lengths".to_string());
        }
    }
    Ok((first..=last)
        .map(|target| Spec {
            address: address.clone(),
            published: ends.map(|(begin, end)| match count {
                0 if end > begin => format!("{begin}-{end}"),
                _ => (begin + (target - first)).to_string(),
            }),
            target,
            protocol: protocol.clone(),
        })
        .collect())
}

/// `127.0.0.1:80`, `[::1]:80`, `::1:80` or `80`.
fn split_address(text: &str) -> Result<(Option<String>, &str), String> {
    let Some((address, published)) = text.rsplit_once(':') else { return Ok((None, text)) };
    let address = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    if address.is_empty() {
        return Ok((None, published));
    }
    match address.parse::<IpAddr>() {
        Ok(_) => Ok((Some(address.to_string()), published)),
        Err(_) => Err(format!("{address:?} is no IP address", address = Quoted(&address))),
    }
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let port = |text: &str| {
        text.parse::<u16>().map_err(|_| format!("{text:?} is no port from 0 to 65535", text = Quoted(&text)))
    };
    match text.split_once('-') {
        None => port(text).map(|port| (port, port)),
        Some((first, last)) => {
            let (first, last) = (port(first)?, port(last)?);
            if last < first {
                Err(format!("the range {text:?} runs backwards", text = Quoted(&text)))
            } else {
                Ok((first, last))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plain;
    use proptest::prelude::*;

    fn read(text: &str) -> String {
        match parse(text) {
            Err(why) => plain(&why).into_owned(),
            Ok(specs) => {
                let show = |s: Spec| {
                    let address = s.address.unwrap_or_default();
                    format!("{address}|{}|{}/{}", s.published.unwrap_or_default(), s.target, s.protocol)
                };
                specs.into_iter().map(show).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn every_short_form() {
        assert_eq!(read("80"), "||80/tcp");
        assert_eq!(read("8080:80/udp"), "|8080|80/udp");
        assert_eq!(read("127.0.0.1:8080:80"), "127.0.0.1|8080|80/tcp");
        assert_eq!(read("127.0.0.1::80"), "127.0.0.1||80/tcp");
        assert_eq!(read("[::1]:8080:80"), "::1|8080|80/tcp");
        assert_eq!(read("8000-8001:80-81"), "|8000|80/tcp |8001|81/tcp");
        assert_eq!(read("8000-8001:80"), "|8000-8001|80/tcp");
        assert_eq!(read("8000-8002:80-81"), "the two ranges have different lengths");
        assert_eq!(read("80a"), "\"80a\" is no port from 0 to 65535");
        assert_eq!(read("70000:80"), "\"70000\" is no port from 0 to 65535");
        assert_eq!(read("host:80:80"), "\"host\" is no IP address");
        assert_eq!(read("80/icmp"), "\"icmp\" is no protocol (tcp, udp or sctp)");
        assert_eq!(read("81-80"), "the range \"81-80\" runs backwards");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9:\\[\\]./\\-a-z]{0,20}") {
            let _ = parse(&text);
        }
    }
}
