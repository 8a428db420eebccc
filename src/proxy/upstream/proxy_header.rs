//! The PROXY protocol towards a server: whose connection this is, said in front of everything else.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::model::upstream::ProxyProtocol;

/// What version 2 begins with.
const V2_START: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Whom a connection to a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The client's address. Its port is not told, as a connection serves all of its.
    pub client: IpAddr,
    /// Where it came in.
    pub to: SocketAddr,
}

/// The header for a connection; for one of Argus's own, such as a check, if it is nobody's.
pub(super) fn header(version: ProxyProtocol, told: Option<Told>) -> Vec<u8> {
    let pair = told.map(|told| (told.client, told.to.ip(), told.to.port())).map(same_family);
    match (version, pair) {
        (ProxyProtocol::V1, None) => b"PROXY UNKNOWN\r\n".to_vec(),
        (ProxyProtocol::V1, Some((client, to, port))) => {
            let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
            format!("PROXY {family} {client} {to} 0 {port}\r\n").into_bytes()
        }
        // Version 2, command LOCAL, no family, no addresses.
        (ProxyProtocol::V2, None) => [&V2_START[..], &[0x20, 0, 0, 0]].concat(),
        (ProxyProtocol::V2, Some((client, to, port))) => {
            // Version 2, command PROXY; a stream over IPv4 or IPv6.
            let family = if client.is_ipv4() { 0x11 } else { 0x21 };
            let (client, to) = (octets(client), octets(to));
            let length = u16::try_from(client.len() + to.len() + 4).unwrap_or(u16::MAX).to_be_bytes();
            let ports = [[0, 0], port.to_be_bytes()].concat();
            [&V2_START[..], &[0x21, family], &length, &client, &to, &ports].concat()
        }
    }
}

/// Both addresses in the family of the first, where one of them is not of it in that of IPv6.
fn same_family((client, to, port): (IpAddr, IpAddr, u16)) -> (IpAddr, IpAddr, u16) {
    if client.is_ipv4() == to.is_ipv4() {
        return (client, to, port);
    }
    if to.is_unspecified() {
        // A listener of all addresses: which of them it was is not known.
        let any = if client.is_ipv4() { IpAddr::from([0, 0, 0, 0]) } else { Ipv6Addr::UNSPECIFIED.into() };
        return (client, any, port);
    }
    (mapped(client), mapped(to), port)
}

fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        v6 @ IpAddr::V6(_) => v6,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::proxy_protocol::{Told as Read, parse};

    #[test]
    fn what_is_said_is_understood() {
        let cases = [
            ("192.0.2.7", "198.51.100.1:443"),
            ("2001:db8::7", "[2001:db8::1]:443"),
            ("2001:db8::7", "0.0.0.0:80"),
            ("192.0.2.7", "[::]:80"),
            ("192.0.2.7", "[2001:db8::1]:80"),
        ];
        for (client, to) in cases {
            let told = Told { client: client.parse().unwrap(), to: to.parse().unwrap() };
            for version in [ProxyProtocol::V1, ProxyProtocol::V2] {
                let header = header(version, Some(told));
                let read = parse(&header).unwrap();
                assert_eq!(
                    read,
                    Read::Header { len: header.len(), client: Some(told.client) },
                    "{version:?} {client} {to}"
                );
            }
        }
        for version in [ProxyProtocol::V1, ProxyProtocol::V2] {
            let header = header(version, None);
            assert_eq!(parse(&header).unwrap(), Read::Header { len: header.len(), client: None });
        }
        let told = Told { client: "192.0.2.7".parse().unwrap(), to: "198.51.100.1:443".parse().unwrap() };
        assert_eq!(header(ProxyProtocol::V1, Some(told)), b"PROXY TCP4 192.0.2.7 198.51.100.1 0 443\r\n");
    }
}
