//! The client's address is the peer's unless a trusted peer tells another, and then it is one that was told; what goes
//! on to the upstream ends with the peer.

#![no_main]

use std::net::IpAddr;

use argus::config::{AddressFrom, Clients};
use argus::model::network::Cidr;
use argus::proxy::client_addr::{client_address, is_forwarded_over_tls, is_trusted};
use argus::proxy::headers::{Origin, remove_hop_by_hop, set_forwarding};
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 8] = [
    "x-forwarded-for",
    "forwarded",
    "x-forwarded-proto",
    "x-real-ip",
    "connection",
    "via",
    "x-forwarded-host",
    "trailer",
];

fn clients(address_from: AddressFrom) -> Clients {
    let trusted = ["10.0.0.0/8", "fd00::/8"].iter().map(|c| c.parse::<Cidr>().unwrap()).collect();
    Clients { trusted_proxies: trusted, address_from, ipv6_prefix: 64 }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, text) = input;
    let mut headers = HeaderMap::new();
    for line in text.split(|b| *b == b'\n').take(20) {
        let Some((number, value)) = line.split_first() else { continue };
        let name = HeaderName::from_static(NAMES[usize::from(*number) % NAMES.len()]);
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let stranger: IpAddr = "203.0.113.1".parse().unwrap();
    let proxy: IpAddr = if choice & 1 == 0 { "10.0.0.1" } else { "::ffff:10.0.0.1" }.parse().unwrap();
    for address_from in [AddressFrom::XForwardedFor, AddressFrom::Forwarded, AddressFrom::Peer] {
        let clients = clients(address_from);
        assert!(!is_trusted(&clients, stranger));
        assert_eq!(client_address(&clients, stranger, &headers), stranger);
        let client = client_address(&clients, proxy, &headers);
        let name = if address_from == AddressFrom::Forwarded { NAMES[1] } else { NAMES[0] };
        let was_told = headers.get_all(name).iter().any(|v| tells(v.as_bytes(), client));
        assert!(client == proxy.to_canonical() || was_told, "{client} from {headers:?}");
        assert!(address_from != AddressFrom::Peer || client == proxy.to_canonical());
        let _ = is_forwarded_over_tls(&clients, &headers);
        for (peer, trusted) in [(stranger, false), (proxy.to_canonical(), true)] {
            let mut sent = headers.clone();
            remove_hop_by_hop(&mut sent);
            let host = HeaderValue::from_static("a");
            let version = http::Version::HTTP_11;
            let origin = Origin { peer, trusted, client, tls: choice & 2 != 0, host: Some(&host), port: 80, version };
            set_forwarding(&mut sent, &origin);
            let chain: Vec<_> = sent.get_all(NAMES[0]).iter().collect();
            assert_eq!(chain.len(), 1);
            assert!(chain[0].as_bytes().ends_with(peer.to_string().as_bytes()), "{chain:?}");
            assert!(!sent.contains_key("forwarded") && !sent.contains_key("connection"));
            assert_eq!(sent["x-real-ip"], client.to_string());
            assert!(trusted || sent.get_all("via").iter().count() == 1);
        }
    }
});

/// Whether an address stands anywhere in a value: its pieces, taken for addresses in every way they are written.
fn tells(value: &[u8], address: IpAddr) -> bool {
    let text = String::from_utf8_lossy(value);
    let pieces = text.split([',', ';', '=', '"', ' ', '\t', '[', ']']);
    let is = |text: &str| text.parse::<IpAddr>().is_ok_and(|a| a.to_canonical() == address);
    let mut pieces = pieces.map(str::trim);
    pieces.any(|piece| is(piece) || piece.rsplit_once(':').is_some_and(|(ip, _)| is(ip)))
}
