//! Servers: where they are, and how much of the work is theirs.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;

/// Most servers of one upstream.
pub const SERVERS_MAX: usize = 256;
/// Largest weight. Turns are laid out beforehand, so that weights have a bound.
pub const WEIGHT_MAX: u16 = 100;
/// Bytes of the path of a socket file: one less than the field of the operating system, for its end.
const SOCKET_PATH_MAX: usize = 107;

/// What is wrong with the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the address of a server: expected for example `http://127.0.0.1:3000`, `https://api.internal` or `unix:/run/api.sock`"
)]
pub struct ServerUrlError(pub String);

/// The address of one server: scheme, host and port, or a socket file. A path of a URL would be ambiguous with the
/// route's and is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerUrl {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Name or address, IPv6 without brackets; `localhost` behind a socket file.
    pub host: Box<str>,
    /// Port.
    pub port: u16,
    /// The socket file, where it is one: then nothing else says where the server is.
    pub socket: Option<Box<Path>>,
}

/// One server of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it is.
    pub url: ServerUrl,
    /// Its share of the requests, in relation to the weights of the others: 1 to [`WEIGHT_MAX`].
    pub weight: u16,
}

impl From<ServerUrl> for Server {
    fn from(url: ServerUrl) -> Self {
        Server { url, weight: 1 }
    }
}

impl ServerUrl {
    /// The name that has to be looked up to find it, if it has to be.
    pub fn name(&self) -> Option<&str> {
        (self.socket.is_none() && self.host.parse::<IpAddr>().is_err()).then_some(&*self.host)
    }

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
        if let Some(path) = s.strip_prefix("unix:") {
            let is_path = path.starts_with('/') && !path.starts_with("//") && !path.ends_with('/');
            if !is_path || path.len() > SOCKET_PATH_MAX || path.chars().any(char::is_control) {
                return Err(wrong());
            }
            return Ok(ServerUrl {
                tls: false,
                host: "localhost".into(),
                port: 80,
                socket: Some(Path::new(path).into()),
            });
        }
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
        Ok(ServerUrl { tls, host: host.into(), port, socket: None })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(socket) = &self.socket {
            return write!(f, "unix:{}", socket.display());
        }
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
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
            ("unix:/run/api.sock", "unix:/run/api.sock"),
        ] {
            assert_eq!(text.parse::<ServerUrl>().unwrap().to_string(), shown);
        }
        let name = |text: &str| text.parse::<ServerUrl>().unwrap().name().map(str::to_owned);
        assert_eq!(["http://a", "http://[::1]", "unix:/run/a"].map(name), [Some("a".to_owned()), None, None]);
        let long = format!("unix:/{}", "a".repeat(SOCKET_PATH_MAX));
        assert!(long.parse::<ServerUrl>().is_err() && long[..long.len() - 1].parse::<ServerUrl>().is_ok());
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
            "unix:",
            "unix:/",
            "unix:api.sock",
            "unix:///run/api.sock",
            "unix:/run/",
            "unix:/run/a\0b",
        ] {
            assert!(bad.parse::<ServerUrl>().is_err(), "{bad}");
        }
    }
}
