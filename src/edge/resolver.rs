//! Where a container is, for a front: the name service of its networks knows each container by its id.
//!
//! A container's address is not its identity: the next one that starts may get it. Only the engine says who has which, and
//! takes a container's entry away before it gives its address to another. So an address is used only when that was said a
//! moment ago.

use super::host_routes::host_routes;
use ipnet::{IpNet, Ipv6Net};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};
use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;

/// From the end of a container's entry until another answers at its address, an engine needs longer: it has to take the
/// network down, to set another one up, and to start a process.
const SURELY_ITS_OWN: Duration = Duration::from_millis(250);
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// The engine knows a container by so many digits of its id.
const DIGITS: usize = 12;
const LARGEST_ANSWER: usize = 1500;

/// Where a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    pub first: IpAddr,
    /// Tried where nothing listens at the first.
    pub also: Option<IpAddr>,
}

pub struct Whereabouts {
    name: String,
    last: Mutex<Option<(Addresses, Instant)>>,
    /// One question at a time; whoever comes meanwhile has the answer too.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    At(Addresses),
    /// The engine gives it no address: it does not run.
    Nowhere,
    /// There is no engine just now. What it gave out stays as it is until it is back.
    NobodyAnswers,
}

impl Whereabouts {
    pub fn new(id: &str) -> Self {
        Self { name: id.chars().take(DIGITS).collect(), last: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// An error: it is nowhere, or nobody knows.
    pub async fn find(&self) -> Result<Addresses> {
        let fresh = || self.last().filter(|(_, at)| at.elapsed() < SURELY_ITS_OWN).map(|(address, _)| address);
        if let Some(address) = fresh() {
            return Ok(address);
        }
        let _one = self.asking.lock().await;
        if let Some(address) = fresh() {
            return Ok(address);
        }
        let answer = ask(name_server()?, &self.name, &own_networks()).await?;
        self.note(answer)
    }

    fn note(&self, answer: Answer) -> Result<Addresses> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let nowhere =
            || Error::new(ErrorKind::NotFound, format!("the engine knows no running container {}", self.name));
        match answer {
            Answer::At(address) => {
                *last = Some((address, Instant::now()));
                Ok(address)
            }
            Answer::Nowhere => {
                *last = None;
                Err(nowhere())
            }
            Answer::NobodyAnswers => last.map(|(address, _)| address).ok_or_else(nowhere),
        }
    }

    fn last(&self) -> Option<(Addresses, Instant)> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// IPv4 before IPv6. `networks`: nobody is elsewhere, whatever a name service further away may say; and where none has
/// IPv6, nobody is asked for it.
async fn ask(server: SocketAddr, name: &str, networks: &[IpNet]) -> Result<Answer> {
    let mut near = Vec::new();
    let has_ipv6 = networks.iter().any(|network| matches!(network, IpNet::V6(_)));
    for kind in [TYPE::A, TYPE::AAAA].into_iter().take(if has_ipv6 { 2 } else { 1 }) {
        let asked = tokio::time::timeout(ANSWERS_WITHIN, exchange(server, name, kind)).await;
        let found = match asked.unwrap_or_else(|_| Err(Error::from(ErrorKind::TimedOut))) {
            Ok(found) => found,
            Err(error) if near.is_empty() && error.kind() == ErrorKind::ConnectionRefused => {
                return Ok(Answer::NobodyAnswers);
            }
            // One address is enough.
            Err(_) if !near.is_empty() => break,
            Err(error) => return Err(error),
        };
        let is_near = |address: &IpAddr| networks.iter().any(|network| network.contains(address));
        near.extend(found.into_iter().find(is_near));
    }
    Ok(match near.as_slice() {
        [] => Answer::Nowhere,
        [first, also @ ..] => Answer::At(Addresses { first: *first, also: also.first().copied() }),
    })
}

async fn exchange(server: SocketAddr, name: &str, kind: TYPE) -> Result<Vec<IpAddr>> {
    let id = fastrand::u16(..);
    let mut question = Packet::new_query(id);
    question.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(Error::other)?;
    question.questions.push(Question::new(name, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
    let bytes = question.build_bytes_vec().map_err(Error::other)?;
    let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(&bytes).await?;
    let mut answer = [0; LARGEST_ANSWER];
    loop {
        let length = socket.recv(&mut answer).await?;
        // What is no answer to this question is nobody's.
        let Ok(packet) = Packet::parse(&answer[..length]) else { continue };
        if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
            continue;
        }
        return match packet.rcode() {
            RCODE::NoError | RCODE::NameError => {
                Ok(packet.answers.iter().filter_map(|one| address(&one.rdata)).collect())
            }
            other => Err(Error::other(format!("the name service answers {other:?}"))),
        };
    }
}

fn address(data: &RData<'_>) -> Option<IpAddr> {
    match data {
        RData::A(a) => Some(IpAddr::V4(a.address.into())),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.address.into())),
        _ => None,
    }
}

fn name_server() -> Result<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf")?;
    first_server(&text).ok_or_else(|| Error::new(ErrorKind::NotFound, "/etc/resolv.conf names no name service"))
}

fn first_server(text: &str) -> Option<SocketAddr> {
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    servers.filter_map(|address| address.trim().parse::<IpAddr>().ok()).next().map(|ip| (ip, 53).into())
}

/// The networks that this process is on.
fn own_networks() -> Vec<IpNet> {
    let six = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let four = host_routes().into_iter().map(|route| IpNet::V4(route.net));
    let six = six.lines().filter_map(address_of).filter(|net| !is_of_the_link(net));
    four.chain(six.map(|net| IpNet::V6(net.trunc()))).collect()
}

/// `fd4200000000000000000000000000fe 1a 40 00 80 eth0`: address, interface, length of the prefix, ...
pub(super) fn address_of(line: &str) -> Option<Ipv6Net> {
    let mut words = line.split_ascii_whitespace();
    let address = Ipv6Addr::from(u128::from_str_radix(words.next()?, 16).ok()?);
    let length = u8::from_str_radix(words.nth(1)?, 16).ok()?;
    Ipv6Net::new(address, length).ok()
}

/// The loopback's, or one that every link has: the name service knows nobody there.
pub(super) fn is_of_the_link(net: &Ipv6Net) -> bool {
    net.addr().is_loopback() || net.addr().is_unicast_link_local()
}

#[cfg(test)]
mod tests;
