//! Upstreams: the APIs behind Argus.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::Name;

/// Most servers of one upstream.
pub const SERVERS_MAX: usize = 256;

/// What is wrong with the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the address of a server: expected for example `http://127.0.0.1:3000` or `https://api.internal`")]
pub struct ServerUrlError(pub String);

/// The address of one server: scheme, host and port. A path would be ambiguous with the route's and is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerUrl {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Name or address, IPv6 without brackets.
    pub host: Box<str>,
    /// Port.
    pub port: u16,
}

impl ServerUrl {
    /// `host:port` as it stands in a `Host` field; the scheme's own port is left out.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.to_string() };
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(s: &str) -> Result<Self, ServerUrlError> {
        let wrong = || ServerUrlError(s.chars().take(200).collect());
        let (tls, rest) = match s.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(wrong()),
        };
        let authority: http::uri::Authority = rest.strip_suffix('/').unwrap_or(rest).parse().map_err(|_| wrong())?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(wrong());
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str() != authority.host() => return Err(wrong()),
            None => {
                if tls {
                    443
                } else {
                    80
                }
            }
        };
        if port == 0 {
            return Err(wrong());
        }
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        Ok(ServerUrl { tls, host: host.into(), port })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

/// Which server takes the next request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// One after the other.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in flight from this worker.
    LeastRequests,
}

/// How TLS is spoken to an upstream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// File of the certificates trusted; the built-in roots if absent.
    pub ca: Option<PathBuf>,
    /// Name expected in the certificate; the server's host if absent.
    pub server_name: Option<String>,
}

/// One upstream, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its name.
    pub name: Name,
    /// Its servers, at least one.
    pub servers: Vec<ServerUrl>,
    /// Which one is next.
    pub balance: Balance,
    /// Longest wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Longest wait for the head of the answer, and then between two pieces of its body.
    pub request_timeout: Duration,
    /// TLS settings for `https` servers.
    pub tls: UpstreamTls,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_urls() {
        for (text, shown) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("https://api.internal", "https://api.internal"),
            ("http://[::1]:80/", "http://[::1]"),
            ("http://a:8080", "http://a:8080"),
        ] {
            assert_eq!(text.parse::<ServerUrl>().unwrap().to_string(), shown);
        }
        for bad in [
            "",
            "localhost:3000",
            "ftp://x",
            "http://",
            "http://u@h",
            "http://h/path",
            "http://h:0",
            "http://h:99999",
            "http://h:",
        ] {
            assert!(bad.parse::<ServerUrl>().is_err(), "{bad}");
        }
    }
}
