//! What a person reads when the gateway starts.

use std::fmt::Write as _;

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
        let _ = write!(out, "  ·  gateway {}", url(scheme, listener.address));
    }
    if let Some(upstream) = upstream {
        let _ = write!(out, " → {upstream}");
    }
    if let Some(admin) = config.admin.address {
        let _ = write!(out, "  ·  admin {}", url("http", admin));
    }
    let public = config.routes.iter().filter(|r| r.auth == crate::model::route::RouteAuth::None).count();
    let who = match (public, config.routes.len()) {
        (0, _) => "every request needs a key".to_owned(),
        (public, all) => format!("{public} of {all} routes are open to everybody"),
    };
    let _ = writeln!(out, "\n  data in {} (embedded)        {who}", config.store.dir.display());
    if let Some(first) = first {
        let secret = std::str::from_utf8(first.secret.expose()).unwrap_or("");
        let _ = writeln!(
            out,
            "  first key ({}):  {secret}        ← shown once, also in {} (0600, deleted on first use)",
            first.environment,
            first.file.display(),
        );
    }
    let keep = if config.files.is_empty() { "   ·   keep this setup:  argus init --from-running" } else { "" };
    let _ = write!(out, "  next:  argus key create NAME{keep}");
    out
}

/// An address as a person would open it.
fn url(scheme: &str, address: std::net::SocketAddr) -> String {
    match address.ip() {
        ip if ip.is_unspecified() => format!("{scheme}://localhost:{}", address.port()),
        _ => format!("{scheme}://{address}"),
    }
}
