//! What a decision goes by: the head of a request, and who sent it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, Method};

use crate::geo::{GeoDbs, Place};
use crate::model::clock::Now;
use crate::model::country::Country;
use crate::model::network::{Asn, counted_as};
use crate::snapshot::InsecureRequests;
use crate::snapshot::subject;

/// The head of a request, normalised: it means one thing.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its host: lower-case, without port and trailing dot.
    pub host: &'a str,
    /// Its path, which can be read in one way only.
    pub path: &'a str,
    /// Its query, as sent, without the `?`.
    pub query: Option<&'a str>,
    /// Bytes of its body, as it says; 0 where it does not.
    pub body_bytes: u64,
    /// Most bytes of a body that the listener takes; `None` for any number.
    pub body_bytes_max: Option<u64>,
    /// Its fields.
    pub headers: &'a HeaderMap,
    /// Who sent it.
    pub client: &'a ClientFacts,
    /// Whether it came over TLS.
    pub secure: bool,
    /// What becomes of it if it did not.
    pub insecure: InsecureRequests,
    /// When it came.
    pub now: Now,
}

/// What is known of a client's address. Made once per connection, or per address that a trusted proxy names.
#[derive(Debug)]
pub struct ClientFacts {
    ip: IpAddr,
    counted: IpAddr,
    subject: u128,
    /// The place, packed with the generation of the databases that told it: looked up when first asked for, and again
    /// after the databases were exchanged.
    place: AtomicU64,
}

impl ClientFacts {
    /// Facts about `ip`, counted as its network of `ipv6_prefix` bits if it is IPv6.
    pub fn new(ip: IpAddr, ipv6_prefix: u8) -> Self {
        let counted = counted_as(ip, ipv6_prefix);
        ClientFacts { ip: ip.to_canonical(), counted, subject: subject::of_address(counted), place: AtomicU64::new(0) }
    }

    /// The address, canonical: IPv4-mapped IPv6 is IPv4.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The address by which the client is counted.
    pub fn counted(&self) -> IpAddr {
        self.counted
    }

    /// Where the address is.
    pub fn place(&self, geo: &GeoDbs) -> Place {
        let generation = geo.generation();
        let packed = self.place.load(Ordering::Relaxed);
        if generation_of(packed) == generation {
            return unpack(packed);
        }
        let place = geo.place(self.ip);
        self.place.store(pack(place, generation), Ordering::Relaxed);
        place
    }

    /// Where the address is, if anybody has asked yet.
    pub fn known_place(&self) -> Option<Place> {
        let packed = self.place.load(Ordering::Relaxed);
        (packed != 0).then(|| unpack(packed))
    }

    /// What a counter of this client is known by.
    pub fn subject(&self) -> u128 {
        self.subject
    }
}

/// From the left: generation (16 bits, never 0), two letters of the country (16), number of the system (32). No
/// country has the letters 0 0, and AS 0 is nobody's (RFC 7607).
fn pack(place: Place, generation: u16) -> u64 {
    let country = place.country.map_or(0, |c| match c.as_str().as_bytes() {
        [a, b] => u16::from_be_bytes([*a, *b]),
        _ => 0,
    });
    u64::from(generation) << 48 | u64::from(country) << 32 | u64::from(place.asn.map_or(0, |a| a.0))
}

fn generation_of(packed: u64) -> u16 {
    u16::try_from(packed >> 48).unwrap_or(0)
}

fn unpack(packed: u64) -> Place {
    let [_, _, a, b, asn @ ..] = packed.to_be_bytes();
    let country = std::str::from_utf8(&[a, b]).ok().and_then(|code| code.parse::<Country>().ok());
    let asn = u32::from_be_bytes(asn);
    Place { country, asn: (asn != 0).then_some(Asn(asn)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_packing() {
        for (country, asn) in [(None, None), (Some("DE"), None), (None, Some(1)), (Some("ZZ"), Some(u32::MAX))] {
            let place = Place { country: country.map(|c| c.parse().unwrap()), asn: asn.map(Asn) };
            let packed = pack(place, u16::MAX);
            assert_eq!((unpack(packed), generation_of(packed)), (place, u16::MAX));
        }
    }

    #[test]
    fn a_place_is_asked_for_once() {
        let client = ClientFacts::new("::ffff:192.0.2.1".parse().unwrap(), 64);
        assert_eq!((client.ip().to_string().as_str(), client.known_place()), ("192.0.2.1", None));
        assert_eq!(client.place(&GeoDbs::none()), Place::default());
        assert_eq!(client.known_place(), Some(Place::default()));
    }
}
