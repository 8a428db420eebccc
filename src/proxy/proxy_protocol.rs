//! The PROXY protocol, versions 1 and 2: how a proxy that does not speak HTTP tells whose connection it passes on.
//!
//! The header is taken from trusted proxies alone, and from those it must come. It is read to its last byte and no
//! further: what follows is the client's TLS or HTTP. Fields that version 2 may append (TLVs) are stepped over; nothing
//! Argus decides comes from them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Longest wait for a header. The proxy sends it with the connection's first segment.
const HEADER_WAIT_MAX: Duration = Duration::from_secs(3);
/// Longest header of version 1, its line end included, as the specification has it.
const V1_MAX: usize = 107;
/// Longest header of version 2 that is taken: addresses of 36 bytes, and room for what proxies append, such as the name
/// and certificate of a TLS client. The format itself would allow 64 KiB.
const V2_MAX: usize = 2_048;
/// Bytes looked at in one step; nearly every header has fewer.
const STEP: usize = 256;

const V1_START: &[u8] = b"PROXY ";
const V2_START: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version with command, family, length.
const V2_HEAD: usize = 16;

/// What the first bytes of a connection tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A header begins, and goes on beyond these bytes.
    More,
    /// A whole header.
    Header {
        /// Its bytes.
        len: usize,
        /// The client's address. `None` where the proxy speaks for itself, as in its health checks, or does not know:
        /// then the connection's own address holds.
        client: Option<IpAddr>,
    },
}

/// Why a connection of a trusted proxy is closed unheard.
#[derive(Debug, thiserror::Error)]
pub enum ProxyProtocolError {
    /// It does not begin with a header.
    #[error("not a PROXY protocol header")]
    Malformed,
    /// The header did not come in time.
    #[error("no PROXY protocol header within {HEADER_WAIT_MAX:?}")]
    Timeout,
    /// It cannot be read.
    #[error("cannot read the PROXY protocol header")]
    Io(#[from] io::Error),
}

/// Reads the header from the front of `stream`, and nothing behind it. The client's address, if it is told.
///
/// # Errors
/// When there is none, or not in time.
pub async fn read(stream: &mut TcpStream) -> Result<Option<IpAddr>, ProxyProtocolError> {
    tokio::time::timeout(HEADER_WAIT_MAX, read_header(stream)).await.map_err(|_| ProxyProtocolError::Timeout)?
}

async fn read_header(stream: &mut TcpStream) -> Result<Option<IpAddr>, ProxyProtocolError> {
    let mut front = Vec::new();
    loop {
        let had = front.len();
        front.resize(had + STEP, 0);
        // Looked at first, and taken only as far as it is the header.
        let seen = stream.peek(&mut front[had..]).await?;
        if seen == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        front.truncate(had + seen);
        let told = parse(&front)?;
        if let Told::Header { len, .. } = told {
            front.truncate(len);
        }
        stream.read_exact(&mut front[had..]).await?;
        if let Told::Header { client, .. } = told {
            return Ok(client);
        }
    }
}

/// What `front`, the first bytes of a connection, tells. The answer for a longer front differs only where this one asks
/// for more.
///
/// # Errors
/// When no header begins so.
pub fn parse(front: &[u8]) -> Result<Told, ProxyProtocolError> {
    if begins(front, V2_START) {
        parse_v2(front)
    } else if begins(front, V1_START) {
        parse_v1(front)
    } else {
        Err(ProxyProtocolError::Malformed)
    }
}

/// Whether `front` and `start` agree as far as both go.
fn begins(front: &[u8], start: &[u8]) -> bool {
    let common = front.len().min(start.len());
    front[..common] == start[..common]
}

fn parse_v1(front: &[u8]) -> Result<Told, ProxyProtocolError> {
    let end = front.iter().take(V1_MAX).position(|b| *b == b'\n');
    let Some(end) = end else {
        return if front.len() < V1_MAX { Ok(Told::More) } else { Err(ProxyProtocolError::Malformed) };
    };
    let line = front[..end].strip_suffix(b"\r").and_then(|l| std::str::from_utf8(l).ok());
    let line = line.and_then(|l| l.strip_prefix("PROXY ")).ok_or(ProxyProtocolError::Malformed)?;
    let len = end + 1;
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Ok(Told::Header { len, client: None });
    }
    let client = v1_client(line).ok_or(ProxyProtocolError::Malformed)?;
    Ok(Told::Header { len, client: Some(client.to_canonical()) })
}

/// The source of `TCP4 SOURCE DESTINATION PORT PORT`, all five of them well formed.
fn v1_client(line: &str) -> Option<IpAddr> {
    let mut words = line.split(' ');
    let mut word = || words.next();
    let (family, source, destination, ports) = (word()?, word()?, word()?, [word()?, word()?]);
    if words.next().is_some() || !ports.iter().all(|p| is_port(p)) {
        return None;
    }
    match family {
        "TCP4" => destination.parse::<Ipv4Addr>().ok().and(source.parse::<Ipv4Addr>().ok()).map(IpAddr::V4),
        "TCP6" => destination.parse::<Ipv6Addr>().ok().and(source.parse::<Ipv6Addr>().ok()).map(IpAddr::V6),
        _ => None,
    }
}

fn is_port(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain && text.parse::<u16>().is_ok()
}

fn parse_v2(front: &[u8]) -> Result<Told, ProxyProtocolError> {
    let Some(head) = front.first_chunk::<V2_HEAD>() else { return Ok(Told::More) };
    let len = V2_HEAD + usize::from(u16::from_be_bytes([head[14], head[15]]));
    let is_local = match head[12] {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyProtocolError::Malformed),
    };
    if len > V2_MAX {
        return Err(ProxyProtocolError::Malformed);
    }
    let Some(header) = front.get(..len) else { return Ok(Told::More) };
    let addresses = &header[V2_HEAD..];
    let client = match head[13] {
        // What a proxy says of its own connections is to be stepped over, whatever it is.
        _ if is_local => None,
        // TCP over IPv4 and IPv6: both addresses, then both ports.
        0x11 if addresses.len() >= 12 => addresses.first_chunk::<4>().map(|a| IpAddr::from(*a)),
        0x21 if addresses.len() >= 36 => addresses.first_chunk::<16>().map(|a| IpAddr::from(*a)),
        // A unix socket, or nothing the proxy could name.
        0x00 | 0x31 => None,
        _ => return Err(ProxyProtocolError::Malformed),
    };
    Ok(Told::Header { len, client: client.map(|c| c.to_canonical()) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A header of version 2.
    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&V2_START[..], &[command, family], &len, rest].concat()
    }

    fn v2_from(source: IpAddr, appended: &[u8]) -> Vec<u8> {
        match source {
            IpAddr::V4(ip) => v2(0x21, 0x11, &[&ip.octets()[..], &[10, 0, 0, 1], &[1, 2, 3, 4], appended].concat()),
            IpAddr::V6(ip) => v2(0x21, 0x21, &[&ip.octets()[..], &[9; 16], &[1, 2, 3, 4], appended].concat()),
        }
    }

    fn v1_from(source: IpAddr) -> Vec<u8> {
        let (family, to) = if source.is_ipv4() { ("TCP4", "10.0.0.1") } else { ("TCP6", "fd00::1") };
        format!("PROXY {family} {source} {to} 4711 443\r\n").into_bytes()
    }

    #[track_caller]
    fn check(header: &[u8], client: Option<&str>) {
        let client = client.map(|c| c.parse().unwrap());
        assert_eq!(parse(header).unwrap(), Told::Header { len: header.len(), client }, "{}", header.escape_ascii());
    }

    #[test]
    fn headers_of_both_versions() {
        check(b"PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\r\n", Some("203.0.113.9"));
        check(b"PROXY TCP6 2001:db8::1 ::1 56324 443\r\n", Some("2001:db8::1"));
        check(b"PROXY TCP6 ::ffff:203.0.113.9 ::ffff:10.0.0.1 0 65535\r\n", Some("203.0.113.9"));
        check(b"PROXY UNKNOWN\r\n", None);
        check(b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None);
        check(&v2_from("203.0.113.9".parse().unwrap(), &[]), Some("203.0.113.9"));
        check(&v2_from("2001:db8::1".parse().unwrap(), &[2, 0, 1, b'a']), Some("2001:db8::1"));
        check(&v2(0x20, 0, &[]), None);
        check(&v2(0x20, 0x11, &[1; 12]), None);
        check(&v2(0x21, 0, &[]), None);
        check(&v2(0x21, 0x31, &[0; 216]), None);
    }

    #[test]
    fn what_is_no_header() {
        for wrong in [
            "GET / HTTP/1.1\r\n",
            "\r\nPROXY UNKNOWN\r\n",
            "proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
            "PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
            "PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY UNKNOWNX\r\n",
        ] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        let long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(V1_MAX));
        assert!(parse(long.as_bytes()).is_err(), "a line of {} bytes", long.len());
        for wrong in [
            v2(0x11, 0x11, &[1; 12]),
            v2(0x22, 0x11, &[1; 12]),
            v2(0x21, 0x12, &[1; 12]),
            v2(0x21, 0x11, &[1; 11]),
            v2(0x21, 0x21, &[1; 35]),
            v2(0x21, 0x41, &[1; 36]),
            v2(0x21, 0x11, &[1; V2_MAX]),
        ] {
            assert!(parse(&wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn the_longest_that_are_taken() {
        let line = format!("PROXY UNKNOWN {}\r\n", "f".repeat(V1_MAX - 16));
        assert_eq!(line.len(), V1_MAX);
        check(line.as_bytes(), None);
        let appended = vec![0; V2_MAX - V2_HEAD - 12];
        check(&v2_from("203.0.113.9".parse().unwrap(), &appended), Some("203.0.113.9"));
    }

    proptest! {
        /// More is asked for until the last byte of the header, and never a byte beyond.
        #[test]
        fn the_end_is_found_exactly(
            source in any::<IpAddr>(),
            is_v2 in any::<bool>(),
            appended in proptest::collection::vec(any::<u8>(), 0..300),
            behind in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let header = if is_v2 { v2_from(source, &appended) } else { v1_from(source) };
            let all = [&header[..], &behind].concat();
            let whole = Told::Header { len: header.len(), client: Some(source.to_canonical()) };
            for cut in 0..=all.len() {
                let told = parse(&all[..cut]).unwrap();
                prop_assert_eq!(told, if cut < header.len() { Told::More } else { whole });
            }
        }

        /// Whatever comes, no more than the longest header is ever asked for, and none is longer than what came.
        #[test]
        fn any_bytes_are_taken(
            start in prop_oneof![
                Just(V1_START.to_vec()),
                Just(V2_START.to_vec()),
                Just(v2(0x21, 0x11, &[])[..14].to_vec()),
                Just(Vec::new()),
            ],
            rest in proptest::collection::vec(any::<u8>(), 0..2_100),
        ) {
            let all = [start, rest].concat();
            match parse(&all) {
                Ok(Told::More) => prop_assert!(all.len() < V2_MAX),
                Ok(Told::Header { len, .. }) => prop_assert!(len <= all.len()),
                Err(_) => {}
            }
        }
    }
}
