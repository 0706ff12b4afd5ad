//! Which addresses may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::config::{Cidr, FederationConfig};

/// The rule for addresses: public ones, and what the server's own configuration opens. Nothing that
/// a tenant writes changes it.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    allow_loopback: bool,
    private_networks: Vec<Cidr>,
}

/// The address must not be connected to.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
#[error("the address {address} is not connected to: {reason}")]
pub struct BlockedAddress {
    /// The address.
    pub address: IpAddr,
    /// What kind of address it is, and what would open it.
    pub reason: &'static str,
}

impl AddressPolicy {
    /// A policy that opens loopback, and these private networks.
    #[must_use]
    pub const fn new(allow_loopback: bool, private_networks: Vec<Cidr>) -> Self {
        Self {
            allow_loopback,
            private_networks,
        }
    }

    /// The policy of the configuration.
    #[must_use]
    pub fn of(config: &FederationConfig) -> Self {
        Self::new(
            config.allow_loopback_issuers,
            config.private_networks.clone(),
        )
    }

    /// Whether plain HTTP to loopback is let out.
    #[must_use]
    pub const fn allows_loopback(&self) -> bool {
        self.allow_loopback
    }

    /// Checks one address.
    ///
    /// # Errors
    /// When it must not be connected to.
    pub fn check(&self, address: IpAddr) -> Result<(), BlockedAddress> {
        let blocked = |reason| Err(BlockedAddress { address, reason });
        let kinds = [
            Some(kind(address)),
            embedded(address).map(|inner| kind(IpAddr::V4(inner))),
        ];
        for found in kinds.into_iter().flatten() {
            match found {
                // INVARIANT: no configuration opens these.
                Kind::Never(reason) => return blocked(reason),
                Kind::Loopback if !self.allow_loopback => {
                    return blocked(
                        "it is loopback, which only `federation.allow_loopback_issuers` opens",
                    );
                }
                Kind::Loopback | Kind::Private | Kind::Public => {}
            }
        }
        let listed = self
            .private_networks
            .iter()
            .any(|network| network.contains(address));
        match kind(address) {
            Kind::Private if !listed => blocked(
                "it is not a public address, and `federation.private_networks` does not list it",
            ),
            Kind::Loopback | Kind::Never(_) | Kind::Private | Kind::Public => Ok(()),
        }
    }
}

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Loopback,
    /// Not to be reached whatever anybody configures.
    Never(&'static str),
    /// Not of the public internet, or an IPv4 address in an IPv6 one.
    Private,
    Public,
}

fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(v4) => kind_of_v4(v4),
        IpAddr::V6(v6) => kind_of_v6(v6),
    }
}

fn kind_of_v4(address: Ipv4Addr) -> Kind {
    let within = |network: Ipv4Addr, prefix: u32| {
        let shift = 32 - prefix;
        address.to_bits() >> shift == network.to_bits() >> shift
    };
    if METADATA_V4.contains(&address) {
        return Kind::Never("it is a cloud's metadata service");
    }
    if address.is_link_local() {
        return Kind::Never("it is link-local, where metadata services live");
    }
    if address.is_multicast() || address.is_broadcast() || address.is_unspecified() {
        return Kind::Never("it is not one host's address");
    }
    if address.is_loopback() {
        return Kind::Loopback;
    }
    let special = SPECIAL_V4
        .iter()
        .any(|(network, prefix)| within(*network, *prefix));
    if special { Kind::Private } else { Kind::Public }
}

fn kind_of_v6(address: Ipv6Addr) -> Kind {
    if METADATA_V6.contains(&address) {
        return Kind::Never("it is a cloud's metadata service");
    }
    if address.is_unicast_link_local() {
        return Kind::Never("it is link-local, where metadata services live");
    }
    if address.is_multicast() || address.is_unspecified() {
        return Kind::Never("it is not one host's address");
    }
    if address.is_loopback() {
        return Kind::Loopback;
    }
    let within = |network: Ipv6Addr, prefix: u32| {
        let shift = 128 - prefix;
        address.to_bits() >> shift == network.to_bits() >> shift
    };
    // Only 2000::/3 is given out to hosts of the internet (RFC 4291 §2.4), and not all of it.
    let global = within(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
    let special = SPECIAL_V6
        .iter()
        .any(|(network, prefix)| within(*network, *prefix));
    if global && !special {
        Kind::Public
    } else {
        Kind::Private
    }
}

/// The IPv4 address that a translator would make of an IPv6 address: mapped or compatible (RFC 4291
/// §2.5.5), NAT64 (RFC 6052 §2.1, RFC 8215), 6to4 (RFC 3056 §2), Teredo (RFC 4380 §4).
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    if address.is_loopback() || address.is_unspecified() {
        return None;
    }
    let [.., last_but_one, last] = address.segments();
    let v4 =
        |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, ..] => {
            v4(last_but_one, last)
        }
        [0x2002, high, low, ..] => v4(high, low),
        [0x2001, 0, ..] => v4(!last_but_one, !last),
        _ => None,
    }
}

/// Azure, Alibaba and Oracle have theirs outside the link-local network.
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// Amazon's and Google's.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254),
];

/// The IANA registry of special addresses, as far as they are not above (RFC 6890).
const SPECIAL_V4: [(Ipv4Addr, u32); 13] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    // Protocol assignments, Teredo and ORCHID among them.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0x0db8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: &AddressPolicy, address: &str) -> bool {
        policy.check(address.parse().unwrap()).is_ok()
    }

    /// Every network that there is.
    fn everything() -> AddressPolicy {
        AddressPolicy::new(
            true,
            vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
        )
    }

    #[test]
    fn t23_public_addresses_are_connected_to() {
        for address in [
            "140.82.112.3",
            "8.8.8.8",
            "2606:50c0:8000::154",
            "2a00:1450:4001::1",
            "172.32.0.1",
            "100.128.0.1",
        ] {
            assert!(check(&AddressPolicy::default(), address), "{address}");
        }
    }

    #[test]
    fn t23_everything_else_is_not() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.1.2.3",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:0:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(!check(&AddressPolicy::default(), address), "{address}");
        }
    }

    #[test]
    fn t23_no_configuration_opens_metadata_and_link_local() {
        for address in [
            "169.254.169.254",
            "169.254.1.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fe80::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "2001:0:0:0:0:0:5601:5601",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
            "::ffff:100.100.100.200",
        ] {
            assert!(!check(&everything(), address), "{address}");
        }
    }

    #[test]
    fn a_listed_network_is_open_and_its_neighbour_is_not() {
        let policy = AddressPolicy::new(
            false,
            vec![
                "10.20.0.0/16".parse().unwrap(),
                "fd12:3456::/32".parse().unwrap(),
            ],
        );
        for (address, open) in [
            ("10.20.1.1", true),
            ("::ffff:10.20.1.1", true),
            ("10.21.1.1", false),
            ("fd12:3456::1", true),
            ("fd12:3457::1", false),
            ("127.0.0.1", false),
            ("64:ff9b::10.20.1.1", false),
        ] {
            assert_eq!(check(&policy, address), open, "{address}");
        }
        // A network with NAT64 lists its translator; what lies behind is checked all the same.
        let translated = AddressPolicy::new(false, vec!["64:ff9b::/96".parse().unwrap()]);
        assert!(check(&translated, "64:ff9b::8.8.8.8"));
        assert!(!check(&translated, "64:ff9b::127.0.0.1"));
    }

    #[test]
    fn loopback_is_opened_by_its_own_flag_alone() {
        let flag = AddressPolicy::new(true, Vec::new());
        assert!(check(&flag, "127.0.0.1") && check(&flag, "::1"));
        assert!(!check(&flag, "10.0.0.1"));
        let listed = AddressPolicy::new(false, vec!["127.0.0.0/8".parse().unwrap()]);
        assert!(!check(&listed, "127.0.0.1"));
    }
}
