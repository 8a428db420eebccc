//! Where the admin side is: a unix socket on this machine, or a URL.
//!
//! `--socket`, `--server`, `$ARGUS_SOCKET`, `[admin] socket` of the configuration found, `admin.sock` in the state
//! directory, `/run/argus/admin.sock`: the first that is named counts, and of those only looked for, the first that
//! answers.

use std::path::{Path, PathBuf};

use http::Uri;

use super::exit::Failure;

/// Where the admin side may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A socket on this machine.
    Socket(PathBuf),
    /// A server by address.
    Server(Server),
}

/// A server by address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Server {
    /// Reads `http://127.0.0.1:9640` or `https://admin.example.com`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::usage(format!("`{text}` is not the address of an admin side: {why}"))
                .hint("write for example --server https://argus.example.com:9640")
        };
        let uri: Uri = text.parse().map_err(|_| wrong("it is not a URL"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong("it begins with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a key is given as a file by ARGUS_ADMIN_KEY_FILE, never in a URL"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong("it ends after host and port"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Server { tls, host, port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }) })
    }

    /// Whether nobody else can read what is sent there.
    pub fn is_private(&self) -> bool {
        self.tls
            || self.host == "localhost"
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|addr| addr.is_loopback())
    }

    /// `host:port`, an IPv6 address in brackets.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// The places to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Places {
    /// Somebody named this one: it or nothing.
    Named(Place),
    /// The usual ones, in order.
    Usual(Vec<PathBuf>),
}

/// What the search goes by.
pub struct Asked<'a> {
    /// `--socket`.
    pub socket: Option<&'a Path>,
    /// `--server`.
    pub server: Option<&'a str>,
    /// The environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// `[admin] socket` and the store's directory of the configuration found.
    pub configured: Option<PathBuf>,
}

/// Where to look.
pub fn places(asked: Asked<'_>) -> Result<Places, Failure> {
    let env = |name: &str| (asked.env)(name).filter(|value| !value.is_empty());
    if let Some(path) = asked.socket {
        return Ok(Places::Named(Place::Socket(path.to_owned())));
    }
    if let Some(url) = asked.server {
        return Ok(Places::Named(Place::Server(Server::parse(url)?)));
    }
    if let Some(path) = env("ARGUS_SOCKET") {
        return Ok(Places::Named(Place::Socket(path.into())));
    }
    let mut usual = Vec::new();
    usual.extend(asked.configured);
    usual.push(PathBuf::from("./argus-data/admin.sock"));
    usual.extend(env("STATE_DIRECTORY").map(|dir| {
        // systemd separates several directories by colons; the first is the service's own.
        Path::new(dir.split(':').next().unwrap_or(&dir)).join("admin.sock")
    }));
    usual.push(PathBuf::from("/var/lib/argus/admin.sock"));
    usual.push(PathBuf::from("/run/argus/admin.sock"));
    let mut seen = std::collections::BTreeSet::new();
    usual.retain(|path| seen.insert(path.clone()));
    Ok(Places::Usual(usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(socket: Option<&str>, server: Option<&str>, vars: &[(&str, &str)], configured: Option<&str>, want: &str) {
        let env = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let asked =
            Asked { socket: socket.map(Path::new), server, env: &env, configured: configured.map(PathBuf::from) };
        let got = match places(asked).unwrap() {
            Places::Named(Place::Socket(path)) => format!("only {}", path.display()),
            Places::Named(Place::Server(server)) => format!("only {}", server.authority()),
            Places::Usual(paths) => paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" "),
        };
        assert_eq!(got, want);
    }

    #[test]
    fn what_is_named_counts_before_what_is_usual() {
        let usual = "./argus-data/admin.sock /var/lib/argus/admin.sock /run/argus/admin.sock";
        check(None, None, &[], None, usual);
        check(None, None, &[("ARGUS_SOCKET", "")], None, usual);
        check(None, None, &[], Some("/run/argus/admin.sock"), {
            "/run/argus/admin.sock ./argus-data/admin.sock /var/lib/argus/admin.sock"
        });
        check(None, None, &[("STATE_DIRECTORY", "/s/a:/s/b")], None, {
            "./argus-data/admin.sock /s/a/admin.sock /var/lib/argus/admin.sock /run/argus/admin.sock"
        });
        check(None, None, &[("ARGUS_SOCKET", "/e")], Some("/c"), "only /e");
        check(Some("/f"), None, &[("ARGUS_SOCKET", "/e")], Some("/c"), "only /f");
        check(None, Some("https://h"), &[("ARGUS_SOCKET", "/e")], Some("/c"), "only h:443");
    }

    #[test]
    fn servers_are_origins_without_secrets() {
        let server = Server::parse("http://[::1]:9640/").unwrap();
        assert_eq!((server.authority().as_str(), server.is_private()), ("[::1]:9640", true));
        assert!(!Server::parse("http://10.0.0.1:9640").unwrap().is_private());
        assert!(Server::parse("https://10.0.0.1:9640").unwrap().is_private());
        for bad in
            ["", "localhost:9640", "ftp://x", "http://", "http://user:secret@host", "http://h/path", "http://h/?q"]
        {
            assert!(Server::parse(bad).is_err(), "{bad}");
        }
    }
}
