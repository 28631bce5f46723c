//! `launchway check --server`: what containers of this server reach that they should not.

use ipnet::IpNet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::process::{Command, ExitCode};

/// Where clouds tell a machine who it is, and often give it keys: of AWS, Azure, Google, Hetzner, DigitalOcean, OpenStack.
const METADATA: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254));
const RULE: &str = "iptables -I DOCKER-USER -d 169.254.0.0/16 -j REJECT";

/// What the rules of the chain DOCKER-USER say of containers that ask for an address.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// By this rule.
    Forbidden(String),
    /// There is a rule, but only for some.
    Partly(String),
    Reachable,
    Unknown(String),
}

/// Looks, and prints what was found on standard output.
pub fn run() -> ExitCode {
    print!("{}", text(&look()));
    ExitCode::SUCCESS
}

fn look() -> Verdict {
    let unknown = |why: String| Verdict::Unknown(why);
    let output = match Command::new("iptables").args(["-w", "5", "-S", "DOCKER-USER"]).output() {
        Ok(output) => output,
        Err(error) => return unknown(format!("iptables cannot be run: {error}")),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let why = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it does not say why");
        return unknown(format!("`iptables -S DOCKER-USER` failed (it needs root, and Docker on this machine): {why}"));
    }
    verdict(&String::from_utf8_lossy(&output.stdout))
}

/// `rules`: as `iptables -S` prints them, the first that fits counts.
fn verdict(rules: &str) -> Verdict {
    let mut partly = None;
    for line in rules.lines() {
        let words = shlex::split(line).unwrap_or_default();
        let Some(words) = words.strip_prefix(&["-A".to_string(), "DOCKER-USER".to_string()]) else { continue };
        let (mut covers, mut conditions, mut target) = (true, false, "");
        let mut words = words.iter().map(String::as_str).peekable();
        while let Some(word) = words.next() {
            match word {
                "-d" => covers = words.next().is_some_and(is_in),
                "-j" | "-g" => target = words.next().unwrap_or_default(),
                "--reject-with" | "--comment" => drop(words.next()),
                "-m" if words.peek() == Some(&"comment") => drop(words.next()),
                "-m" => {
                    words.next();
                    conditions = true;
                }
                _ => conditions = true,
            }
        }
        match (covers, conditions, target) {
            (false, ..) => {}
            (true, false, "DROP" | "REJECT") => return Verdict::Forbidden(line.to_string()),
            (true, false, "RETURN" | "ACCEPT") => break,
            (true, true, "DROP" | "REJECT") => {
                partly.get_or_insert(line.to_string());
            }
            (true, _, "RETURN" | "ACCEPT" | "" | "LOG" | "MARK") => {}
            (true, _, chain) => return Verdict::Unknown(format!("it depends on the chain {chain}: {line}")),
        }
    }
    partly.map_or(Verdict::Reachable, Verdict::Partly)
}

fn is_in(net: &str) -> bool {
    let net = net.parse::<IpNet>().or_else(|_| net.parse::<IpAddr>().map(IpNet::from));
    net.is_ok_and(|net| net.contains(&METADATA))
}

fn text(verdict: &Verdict) -> String {
    let mut text = String::new();
    let fix = match verdict {
        Verdict::Forbidden(rule) => {
            let _ = writeln!(text, "ok: apps and builds do not reach {METADATA} ({rule})");
            false
        }
        Verdict::Partly(rule) => {
            let _ = writeln!(text, "warning: only some of the apps and builds are kept from {METADATA} ({rule})");
            true
        }
        Verdict::Reachable => {
            let _ = writeln!(text, "warning: nothing in the chain DOCKER-USER keeps apps and builds from {METADATA}");
            true
        }
        Verdict::Unknown(why) => {
            let _ = writeln!(text, "unknown: whether apps and builds reach {METADATA} cannot be told: {why}");
            true
        }
    };
    if fix {
        let _ = writeln!(
            text,
            "In a cloud, that address gives a machine's keys to whoever asks, also from a container or a `RUN`. To forbid it:\n  \
             {RULE}\nand have it set again at each start of the machine. Elsewhere nothing answers there."
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(rules: &str) -> String {
        format!("{:?}", verdict(rules))
    }

    #[test]
    fn only_a_rule_that_holds_for_everybody_and_comes_first_counts() {
        let empty = "-N DOCKER-USER\n-A DOCKER-USER -j RETURN\n";
        assert_eq!(told(empty), "Reachable");
        assert_eq!(told(""), "Reachable");
        let drop = "-A DOCKER-USER -d 169.254.0.0/16 -m comment --comment \"no keys\" -j REJECT --reject-with icmp-x";
        assert_eq!(verdict(&format!("{drop}\n{empty}")), Verdict::Forbidden(drop.to_string()));
        assert_eq!(told(&format!("{empty}{drop}\n")), "Reachable");
        assert_eq!(told("-A DOCKER-USER -d 169.254.1.0/24 -j DROP\n"), "Reachable");
        assert!(told("-A DOCKER-USER -d 169.254.169.254/32 -i br-1 -j DROP\n").starts_with("Partly"));
        assert!(told("-A DOCKER-USER ! -d 169.254.169.254/32 -j DROP\n").starts_with("Partly"));
        assert!(
            told("-A DOCKER-USER -m conntrack --ctstate RELATED -j RETURN\n-A DOCKER-USER -j DROP\n")
                .starts_with("Forbidden")
        );
        assert!(told("-A DOCKER-USER -j ufw-user\n").starts_with("Unknown"));
    }
}
