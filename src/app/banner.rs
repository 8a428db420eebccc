//! What a person reads when the gateway starts.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::first_run::FirstKey;
use crate::config::Config;
use crate::proxy::listener::ListenerState;

/// Where it listens, where the data are, what is next.
pub fn text(
    config: &Config,
    listeners: &[std::sync::Arc<ListenerState>],
    upstream: Option<&str>,
    first: Option<&FirstKey>,
) -> String {
    let mut out = format!("argus {}", env!("CARGO_PKG_VERSION"));
    for listener in listeners {
        let scheme = if listener.tls.is_some() { "https" } else { "http" };
        let _ = write!(out, "  ·  gateway {scheme}://{}", as_opened(listener.address));
    }
    if let Some(upstream) = upstream {
        let _ = write!(out, " → {upstream}");
    }
    if let Some(admin) = config.admin.address {
        let _ = write!(out, "  ·  admin http://{admin}");
    }
    let public = config.routes.iter().filter(|r| r.auth == crate::model::route::RouteAuth::None).count();
    let who = match (public, config.routes.len()) {
        (0, _) => "every request needs a key".to_owned(),
        (public, all) => format!("{public} of {all} routes are open to everybody"),
    };
    let _ = writeln!(out, "\n  data in {} (embedded)        {who}", as_typed(&config.store.dir));
    if let Some(first) = first {
        let secret = std::str::from_utf8(first.secret.expose()).unwrap_or("");
        let also = |file| format!(", also in {} (0600, deleted on first use)", as_typed(file));
        let also = first.file.as_deref().map(also).unwrap_or_default();
        let _ = writeln!(out, "  first key ({}):  {secret}        ← shown once{also}", first.environment);
    }
    let keep = if config.files.is_empty() { "   ·   keep this setup:  argus init --from-running" } else { "" };
    let _ = write!(out, "  next:  argus key create NAME{keep}");
    out
}

/// An address as a person on this host would open it.
fn as_opened(address: SocketAddr) -> String {
    match address.ip() {
        ip if ip.is_unspecified() || ip.is_loopback() => format!("localhost:{}", address.port()),
        _ => address.to_string(),
    }
}

/// A path as a person would type it.
fn as_typed(path: &Path) -> String {
    let dots = path.is_relative() && !path.starts_with(".") && !path.starts_with("..");
    format!("{}{}", if dots { "./" } else { "" }, path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_paths_as_people_use_them() {
        let opened = |a: &str| as_opened(a.parse().unwrap());
        assert_eq!([opened("[::]:8080"), opened("127.0.0.1:8080")], ["localhost:8080", "localhost:8080"]);
        assert_eq!(opened("192.0.2.1:80"), "192.0.2.1:80");
        let typed = |p: &str| as_typed(Path::new(p));
        assert_eq!(
            [typed("argus-data"), typed("./x"), typed("/var/lib/argus")],
            ["./argus-data", "./x", "/var/lib/argus"]
        );
    }
}
