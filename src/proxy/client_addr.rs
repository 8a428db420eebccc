//! Whose address it is: the walk from the connection's peer back through proxies whose word is taken.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};

use crate::config::{AddressFrom, Clients};

/// Entries of a forwarding header that are looked at; a longer chain is cut there.
const HOPS_MAX: usize = 64;

/// `X-Forwarded-For`.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `X-Forwarded-Proto`.
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whether what `peer` says in fields of requests is taken.
pub fn is_trusted(clients: &Clients, peer: IpAddr) -> bool {
    matches!(clients.address_from, AddressFrom::XForwardedFor | AddressFrom::Forwarded)
        && clients.trusted_proxies.contains(peer)
}

/// Whether a connection of `peer` begins with a header of the PROXY protocol, and must.
pub fn speaks_proxy_protocol(clients: &Clients, peer: IpAddr) -> bool {
    clients.address_from == AddressFrom::ProxyProtocol && clients.trusted_proxies.contains(peer)
}

/// The client's address: right to left through trusted addresses, the first untrusted one is the client; if all are
/// trusted, the left-most. An entry that cannot be read ends the walk at the hop that sent it.
pub fn client_address(clients: &Clients, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(clients, peer) {
        return peer;
    }
    let name = match clients.address_from {
        AddressFrom::XForwardedFor => X_FORWARDED_FOR,
        AddressFrom::Forwarded => http::header::FORWARDED,
        AddressFrom::ProxyProtocol | AddressFrom::Peer => return peer,
    };
    let mut client = peer;
    let values: Vec<&str> = headers.get_all(name).iter().map(|v| v.to_str().unwrap_or("?")).collect();
    let entries = values.iter().rev().flat_map(|v| v.rsplit(','));
    for entry in entries.take(HOPS_MAX) {
        let address = match clients.address_from {
            AddressFrom::Forwarded => forwarded_for(entry),
            _ => node(entry.trim()),
        };
        let Some(address) = address else { return client };
        client = address;
        if !clients.trusted_proxies.contains(address) {
            return client;
        }
    }
    client
}

/// Whether a trusted peer says that the client came over TLS, in the kind of field that is taken from it. The other kind
/// may be the client's own.
pub fn is_forwarded_over_tls(clients: &Clients, headers: &HeaderMap) -> bool {
    match clients.address_from {
        AddressFrom::XForwardedFor => {
            let mut values = headers.get_all(X_FORWARDED_PROTO).iter().peekable();
            values.peek().is_some() && values.all(|v| v.as_bytes().eq_ignore_ascii_case(b"https"))
        }
        AddressFrom::Forwarded => {
            let last = headers.get_all(http::header::FORWARDED).iter().next_back().and_then(|v| v.to_str().ok());
            let element = last.and_then(|v| v.rsplit(',').next());
            element.and_then(|e| parameter(e, "proto")).is_some_and(|p| p.eq_ignore_ascii_case("https"))
        }
        AddressFrom::ProxyProtocol | AddressFrom::Peer => false,
    }
}

/// The `for` parameter of one element of `Forwarded` (RFC 7239 section 4).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    node(parameter(element, "for")?)
}

/// A parameter of one element of `Forwarded`, without quotes.
fn parameter<'a>(element: &'a str, wanted: &str) -> Option<&'a str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        name.trim().eq_ignore_ascii_case(wanted).then_some(value)
    })
}

/// An address, alone or with a port, IPv6 with or without brackets (RFC 7239 section 6).
fn node(text: &str) -> Option<IpAddr> {
    let bare = || text.parse::<IpAddr>().ok();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|a| a.ip());
    bare().or_else(bracketed).or_else(with_port).map(|a| a.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::network::Cidr;

    fn clients(address_from: AddressFrom) -> Clients {
        let trusted = ["10.0.0.0/8", "fd00::/8"].iter().map(|c| c.parse::<Cidr>().unwrap()).collect();
        Clients { trusted_proxies: trusted, address_from, ipv6_prefix: 64, sends_forwarded: false }
    }

    #[track_caller]
    fn check(from: AddressFrom, peer: &str, values: &[&str], client: &str) {
        let name = if from == AddressFrom::Forwarded { http::header::FORWARDED } else { X_FORWARDED_FOR };
        let headers = values.iter().map(|v| (name.clone(), v.parse().unwrap())).collect();
        let found = client_address(&clients(from), peer.parse().unwrap(), &headers);
        assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} {values:?}");
    }

    #[test]
    fn the_walk_stops_at_the_first_stranger() {
        let x = AddressFrom::XForwardedFor;
        check(x, "10.0.0.1", &["203.0.113.9"], "203.0.113.9");
        check(x, "10.0.0.1", &["6.6.6.6, 203.0.113.9, 10.0.0.2"], "203.0.113.9");
        check(x, "10.0.0.1", &["6.6.6.6", "203.0.113.9", "10.0.0.2"], "203.0.113.9");
        check(x, "10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check(x, "10.0.0.1", &["203.0.113.9, junk"], "10.0.0.1");
        check(x, "10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1");
        check(x, "::ffff:10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9");
        check(x, "10.0.0.1", &[], "10.0.0.1");
    }

    #[test]
    fn a_stranger_is_not_believed() {
        check(AddressFrom::XForwardedFor, "203.0.113.1", &["10.9.9.9"], "203.0.113.1");
        check(AddressFrom::Peer, "10.0.0.1", &["203.0.113.9"], "10.0.0.1");
    }

    #[test]
    fn only_the_field_that_is_trusted_says_https() {
        let both = |x: &str, f: &str| -> HeaderMap {
            let fields = [(X_FORWARDED_PROTO, x), (http::header::FORWARDED, f)];
            fields.into_iter().map(|(n, v)| (n, v.parse().unwrap())).collect()
        };
        let says = |from, h: &HeaderMap| is_forwarded_over_tls(&clients(from), h);
        let (x, f) = (both("https", "for=192.0.2.1;proto=http"), both("http", "for=a, for=192.0.2.1;Proto=\"https\""));
        assert_eq!((says(AddressFrom::XForwardedFor, &x), says(AddressFrom::XForwardedFor, &f)), (true, false));
        assert_eq!((says(AddressFrom::Forwarded, &x), says(AddressFrom::Forwarded, &f)), (false, true));
        assert!(!says(AddressFrom::Peer, &x));
    }

    #[test]
    fn forwarded_is_read_by_its_own_grammar() {
        let f = AddressFrom::Forwarded;
        check(f, "10.0.0.1", &[r#"for="[2001:db8::1]:4711";proto=https"#], "2001:db8::1");
        check(f, "10.0.0.1", &["for=6.6.6.6, For=203.0.113.9;by=x, proto=http;for=10.0.0.2"], "203.0.113.9");
        check(f, "10.0.0.1", &["for=unknown"], "10.0.0.1");
    }
}
