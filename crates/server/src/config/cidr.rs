//! The networks of the configuration, and by which address a caller is counted.

use std::net::{IpAddr, Ipv6Addr};

pub use countersign_model::cidr::{Cidr, LINK_LOCAL, LOOPBACK, canonical};

/// The address by which a caller is counted: an IPv4 address itself, of IPv6 the /64, because one
/// subscriber holds all of it.
#[must_use]
pub fn subscriber(address: IpAddr) -> IpAddr {
    match canonical(address) {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & SUBSCRIBER)),
    }
}

/// The leading 64 bits.
const SUBSCRIBER: u128 = u128::MAX << 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_subscriber_is_an_ipv4_address_or_a_slash_64() {
        assert_eq!(
            subscriber(address("::ffff:192.0.2.1")),
            address("192.0.2.1")
        );
        assert_eq!(
            subscriber(address("2001:db8:1:2:3:4:5:6")),
            address("2001:db8:1:2::")
        );
    }
}
