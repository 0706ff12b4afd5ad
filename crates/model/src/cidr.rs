//! Networks in CIDR notation (RFC 4632, RFC 4291 §2.3), and addresses in one form.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// A network: an address and the length of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// The text is not a network.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a network: expected an address and a prefix such as 10.0.0.0/8, or one address"
)]
pub struct InvalidCidr(String);

impl Cidr {
    /// Whether the address lies in this network. An IPv4 address that is mapped into IPv6 counts as
    /// the IPv4 address that it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, canonical(address)) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                leading(u128::from(network.to_bits()) << 96, self.prefix)
                    == leading(u128::from(address.to_bits()) << 96, self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                leading(network.to_bits(), self.prefix) == leading(address.to_bits(), self.prefix)
            }
            _ => false,
        }
    }

    /// Whether every address of its family lies in it.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.prefix == 0
    }

    /// Whether the two networks share an address.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

/// The address in one form: IPv4 when it is IPv4 mapped into IPv6 (`::ffff:192.0.2.1`).
#[must_use]
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let invalid = || InvalidCidr(text.chars().take(64).collect());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| invalid())?
            }
            Some(_) => return Err(invalid()),
        };
        if prefix > longest {
            return Err(invalid());
        }
        Ok(Self {
            address: unmapped(address, prefix).ok_or_else(invalid)?,
            prefix: unmapped_prefix(address, prefix),
        })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `::ffff:10.0.0.0/104` means `10.0.0.0/8`; a mapped network wider than that is not meant by anyone.
fn unmapped(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) if prefix >= MAPPED_PREFIX => Some(IpAddr::V4(v4)),
            Some(_) => None,
            None => Some(address),
        },
        IpAddr::V4(_) => Some(address),
    }
}

fn unmapped_prefix(address: IpAddr, prefix: u8) -> u8 {
    match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => prefix.saturating_sub(MAPPED_PREFIX),
        _ => prefix,
    }
}

const fn leading(bits: u128, prefix: u8) -> u128 {
    match 128_u32.checked_sub(prefix as u32) {
        Some(128) | None => 0,
        Some(rest) => (bits >> rest) << rest,
    }
}

/// The loopback networks.
pub const LOOPBACK: [Cidr; 2] = [
    Cidr {
        address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
        prefix: 8,
    },
    Cidr {
        address: IpAddr::V6(Ipv6Addr::LOCALHOST),
        prefix: 128,
    },
];

/// The link-local networks, where the metadata services of the clouds live.
pub const LINK_LOCAL: [Cidr; 2] = [
    Cidr {
        address: IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)),
        prefix: 16,
    },
    Cidr {
        address: IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)),
        prefix: 10,
    },
];

const MAPPED_PREFIX: u8 = 96;

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn membership_looks_at_the_prefix_alone() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("10.1.2.3/8", "10.255.1.2", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("10.0.0.0/31", "10.0.0.1", "10.0.0.2"),
        ] {
            assert!(network(text).contains(address(inside)), "{text} {inside}");
            assert!(
                !network(text).contains(address(outside)),
                "{text} {outside}"
            );
        }
    }

    #[test]
    fn t25_an_ipv4_address_mapped_into_ipv6_is_the_ipv4_address() {
        assert!(network("10.0.0.0/8").contains(address("::ffff:10.1.2.3")));
        assert!(network("::ffff:10.0.0.0/104").contains(address("10.9.9.9")));
        assert!(!network("::/0").contains(address("::ffff:10.1.2.3")));
    }

    #[test]
    fn what_is_not_a_network_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0/8",
            "::/129",
            "a/8",
            "10.0.0.0/",
            "::ffff:1.2.3.4/64",
        ] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
