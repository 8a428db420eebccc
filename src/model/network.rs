//! Networks: sets of addresses, and autonomous systems.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// What is wrong with a text that should name a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not an address or CIDR.
    #[error("`{0}` is not a network: expected an address or CIDR such as `198.51.100.7` or `2001:db8:42::/48`")]
    Cidr(String),
    /// Bits set beyond the prefix.
    #[error("`{given}` has bits set after its prefix: write `{meant}`")]
    HostBits {
        /// As written.
        given: String,
        /// The network it lies in.
        meant: IpNet,
    },
    /// Not an autonomous system.
    #[error("`{0}` is not an autonomous system: expected a number such as `AS64496`")]
    Asn(String),
}

/// One network in CIDR notation; a bare address is a network of one. IPv4-mapped IPv6 is folded to IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr(IpNet);

impl Cidr {
    /// As a network.
    pub fn net(&self) -> IpNet {
        self.0
    }
}

impl FromStr for Cidr {
    type Err = NetworkError;

    fn from_str(s: &str) -> Result<Self, NetworkError> {
        let shape = || NetworkError::Cidr(s.chars().take(80).collect());
        if let Ok(addr) = s.parse::<IpAddr>() {
            return Ok(Cidr(addr.to_canonical().into()));
        }
        let net: IpNet = s.parse().map_err(|_| shape())?;
        if net.trunc() != net {
            return Err(NetworkError::HostBits { given: s.to_owned(), meant: net.trunc() });
        }
        Ok(Cidr(fold(net)))
    }
}

/// `::ffff:a.b.c.d/(96+n)` is `a.b.c.d/n`.
fn fold(net: IpNet) -> IpNet {
    match net {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.addr().to_ipv4_mapped() {
            Some(v4) => IpNet::new(v4.into(), v6.prefix_len() - 96).unwrap_or(net),
            None => net,
        },
        _ => net,
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Cidr {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A set of addresses: aggregated ranges, searched by halving.
#[derive(Debug, Clone, Default)]
pub struct AddressSet {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl AddressSet {
    /// Whether no address is in the set.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether `addr` is in the set. IPv4-mapped IPv6 counts as IPv4.
    pub fn contains(&self, addr: IpAddr) -> bool {
        match addr.to_canonical() {
            IpAddr::V4(a) => within(&self.v4, u32::from(a)),
            IpAddr::V6(a) => within(&self.v6, u128::from(a)),
        }
    }
}

fn within<T: Ord + Copy>(ranges: &[(T, T)], x: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= x);
    after > 0 && x <= ranges[after - 1].1
}

impl FromIterator<Cidr> for AddressSet {
    fn from_iter<I: IntoIterator<Item = Cidr>>(networks: I) -> Self {
        let nets: Vec<IpNet> = networks.into_iter().map(|c| c.0).collect();
        let mut set = AddressSet::default();
        for net in IpNet::aggregate(&nets) {
            match net {
                IpNet::V4(n) => set.v4.push((u32::from(n.network()), u32::from(n.broadcast()))),
                IpNet::V6(n) => set.v6.push((u128::from(n.network()), u128::from(n.broadcast()))),
            }
        }
        set.v4.sort_unstable();
        set.v6.sort_unstable();
        set
    }
}

/// The number of an autonomous system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asn(pub u32);

impl FromStr for Asn {
    type Err = NetworkError;

    fn from_str(s: &str) -> Result<Self, NetworkError> {
        let digits = s.strip_prefix("AS").or_else(|| s.strip_prefix("as")).unwrap_or(s);
        let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
        number.map(Asn).ok_or_else(|| NetworkError::Asn(s.chars().take(40).collect()))
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}

impl Serialize for Asn {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Asn {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The address by which a client is counted: IPv4 whole, IPv6 cut to `ipv6_prefix` bits, as one home network is one
/// client.
pub fn counted_as(addr: IpAddr, ipv6_prefix: u8) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V4(a) => IpAddr::V4(a),
        IpAddr::V6(a) => {
            let keep = u32::from(ipv6_prefix.min(128));
            let mask = u128::MAX.checked_shl(128 - keep).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(a) & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(list: &[&str]) -> AddressSet {
        list.iter().map(|s| s.parse::<Cidr>().unwrap()).collect()
    }

    #[test]
    fn membership_at_the_edges() {
        let s = set(&["198.51.100.0/24", "10.0.0.1", "2001:db8:42::/48", "::ffff:192.0.2.0/120"]);
        for (addr, inside) in [
            ("198.51.100.0", true),
            ("198.51.100.255", true),
            ("198.51.101.0", false),
            ("198.51.99.255", false),
            ("10.0.0.1", true),
            ("10.0.0.2", false),
            ("2001:db8:42::1", true),
            ("2001:db8:43::", false),
            ("::ffff:198.51.100.7", true),
            ("192.0.2.9", true),
        ] {
            assert_eq!(s.contains(addr.parse().unwrap()), inside, "{addr}");
        }
    }

    #[test]
    fn wrong_networks_say_what_is_meant() {
        assert_eq!(
            "10.0.0.1/8".parse::<Cidr>().unwrap_err().to_string(),
            "`10.0.0.1/8` has bits set after its prefix: write `10.0.0.0/8`"
        );
        assert!("10.0.0.0/33".parse::<Cidr>().is_err());
        assert!("example".parse::<Cidr>().is_err());
        assert_eq!("AS64496".parse::<Asn>().unwrap(), Asn(64_496));
        assert!("AS".parse::<Asn>().is_err() && "AS-1".parse::<Asn>().is_err());
    }

    #[test]
    fn one_home_network_counts_as_one() {
        let a = counted_as("2001:db8:1:2:3::4".parse().unwrap(), 64);
        assert_eq!(a, "2001:db8:1:2::".parse::<IpAddr>().unwrap());
        assert_eq!(counted_as("::ffff:192.0.2.1".parse().unwrap(), 64), "192.0.2.1".parse::<IpAddr>().unwrap());
        assert_eq!(counted_as("2001:db8::1".parse().unwrap(), 0), "::".parse::<IpAddr>().unwrap());
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_scan(nets in proptest::collection::vec((any::<u32>(), 8_u8..=32), 0..40), addr in any::<u32>()) {
            let cidrs: Vec<Cidr> = nets.iter()
                .map(|(a, p)| Cidr(IpNet::new(IpAddr::V4((*a).into()), *p).unwrap().trunc()))
                .collect();
            let addr = IpAddr::V4(addr.into());
            let plain = cidrs.iter().any(|c| c.0.contains(&addr));
            prop_assert_eq!(cidrs.into_iter().collect::<AddressSet>().contains(addr), plain);
        }
    }
}
