//! Where a request comes from (T25).
//!
//! The peer of the connection, unless that is one of the configured proxies: then the right-most
//! hop of `X-Forwarded-For` that is not one of them. What stands further left was written by the
//! caller and is never believed. `Forwarded` and every other header of this kind are ignored.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};

use crate::config::{Cidr, cidr::canonical};

/// Where a request comes from, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The address; IPv4 is always in its own form.
    pub address: IpAddr,
    /// Whether the caller's own connection was encrypted.
    pub encrypted: bool,
}

/// Decides where a request comes from.
#[must_use]
pub fn origin(peer: IpAddr, encrypted: bool, headers: &HeaderMap, proxies: &[Cidr]) -> Origin {
    let peer = canonical(peer);
    if !is_proxy(peer, proxies) {
        return Origin {
            address: peer,
            encrypted,
        };
    }
    Origin {
        address: forwarded_for(peer, headers, proxies),
        encrypted: last_word(headers, &FORWARDED_PROTO)
            .is_some_and(|word| word.eq_ignore_ascii_case("https")),
    }
}

/// Walks from the right. A hop that does not parse ends the walk at the proxy that wrote it.
fn forwarded_for(peer: IpAddr, headers: &HeaderMap, proxies: &[Cidr]) -> IpAddr {
    let mut nearest = peer;
    let lines: Vec<_> = headers.get_all(&FORWARDED_FOR).iter().collect();
    let hops = lines
        .iter()
        .rev()
        .flat_map(|line| line.as_bytes().rsplit(|b| *b == b','));
    for hop in hops {
        let Some(address) = parse_hop(hop) else {
            return nearest;
        };
        nearest = address;
        if !is_proxy(address, proxies) {
            return address;
        }
    }
    nearest
}

/// An address, or an address with a port.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(hop).ok()?.trim_matches([' ', '\t']);
    let bracketed = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| bracketed.and_then(|inner| inner.parse().ok()))?;
    Some(canonical(address))
}

fn last_word<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let line = headers.get_all(name).iter().next_back()?;
    line.to_str().ok()?.rsplit(',').next().map(str::trim)
}

/// Whether an address is that of a configured proxy.
pub(super) fn is_proxy(address: IpAddr, proxies: &[Cidr]) -> bool {
    proxies.iter().any(|network| network.contains(address))
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: &str, lines: &[&str]) -> String {
        let proxies: Vec<Cidr> = ["10.0.0.0/8", "fd00::/8"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        origin(peer.parse().unwrap(), false, &headers, &proxies)
            .address
            .to_string()
    }

    #[test]
    fn t25_a_direct_caller_cannot_name_its_address() {
        assert_eq!(from("198.51.100.7", &["192.0.2.1"]), "198.51.100.7");
        assert_eq!(from("::ffff:198.51.100.7", &["192.0.2.1"]), "198.51.100.7");
    }

    #[test]
    fn t25_only_the_right_most_untrusted_hop_counts() {
        for (lines, address) in [
            (&["198.51.100.7"][..], "198.51.100.7"),
            (&["192.0.2.1, 198.51.100.7"], "198.51.100.7"),
            (&["192.0.2.1, 198.51.100.7, 10.2.2.2"], "198.51.100.7"),
            (&["192.0.2.1", "198.51.100.7"], "198.51.100.7"),
            (&["198.51.100.7", "10.2.2.2"], "198.51.100.7"),
            (&["198.51.100.7:4711"], "198.51.100.7"),
            (&["[2001:db8::1]:443"], "2001:db8::1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["::ffff:198.51.100.7"], "198.51.100.7"),
            (&["198.51.100.7, ::ffff:10.1.1.1"], "198.51.100.7"),
        ] {
            assert_eq!(from("10.1.1.1", lines), address, "{lines:?}");
        }
    }

    #[test]
    fn t25_a_hop_that_does_not_parse_ends_the_walk_at_its_proxy() {
        for lines in [
            &[""][..],
            &["unknown"],
            &["192.0.2.1, unknown"],
            &["192.0.2.1, "],
            &["192.0.2.1,\u{b5}"],
            &["0x7f.1"],
        ] {
            assert_eq!(from("10.1.1.1", lines), "10.1.1.1", "{lines:?}");
        }
        assert_eq!(from("10.1.1.1", &[]), "10.1.1.1");
        assert_eq!(from("10.1.1.1", &["_hidden, 10.2.2.2"]), "10.2.2.2");
    }

    #[test]
    fn t25_forwarded_and_proto_follow_the_same_rule() {
        let proxies = ["10.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        headers.insert("forwarded", "for=192.0.2.1;proto=https".parse().unwrap());
        headers.insert(FORWARDED_PROTO, "https".parse().unwrap());
        let direct = origin("198.51.100.7".parse().unwrap(), false, &headers, &proxies);
        assert_eq!(
            direct,
            Origin {
                address: "198.51.100.7".parse().unwrap(),
                encrypted: false
            }
        );
        let proxied = origin("10.1.1.1".parse().unwrap(), false, &headers, &proxies);
        assert_eq!(
            proxied,
            Origin {
                address: "10.1.1.1".parse().unwrap(),
                encrypted: true
            }
        );
        headers.insert(FORWARDED_PROTO, "https, http".parse().unwrap());
        assert!(!origin("10.1.1.1".parse().unwrap(), true, &headers, &proxies).encrypted);
    }
}
