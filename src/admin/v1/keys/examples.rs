//! How to call with a new key, in three languages: the first route, through the first listener, in the first place
//! where keys are looked for. `KEY` is a variable, so that the secret stands in one place of the answer only.

use std::net::IpAddr;

use serde::Serialize;

use crate::config::{Config, CredentialPlace};
use crate::model::route::{HostPattern, PathPattern};

/// How to call with a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Examples {
    /// For a shell.
    pub curl: String,
    /// For Node or a browser.
    pub javascript: String,
    /// For Python's standard library.
    pub python: String,
}

/// The calls for this configuration.
pub fn of(config: &Config) -> Examples {
    let url = url(config);
    match config.api_key.from.first() {
        Some(CredentialPlace::Header(name)) => in_field(&url, &shown(name.as_str()), ""),
        Some(CredentialPlace::ApiKeyScheme) => in_field(&url, "Authorization", "ApiKey "),
        Some(CredentialPlace::Cookie(name)) => in_field(&url, "Cookie", &format!("{name}=")),
        Some(CredentialPlace::Query(name)) => Examples {
            curl: format!("curl \"{url}?{name}=$KEY\""),
            javascript: format!("await fetch(`{url}?{name}=${{process.env.KEY}}`)"),
            python: format!("urllib.request.urlopen(\"{url}?{name}=\" + os.environ[\"KEY\"])"),
        },
        Some(CredentialPlace::Bearer) | None => in_field(&url, "Authorization", "Bearer "),
    }
}

fn in_field(url: &str, field: &str, before: &str) -> Examples {
    Examples {
        curl: format!("curl -H \"{field}: {before}$KEY\" {url}"),
        javascript: format!("await fetch(\"{url}\", {{ headers: {{ \"{field}\": `{before}${{process.env.KEY}}` }} }})"),
        python: format!(
            "urllib.request.urlopen(urllib.request.Request(\"{url}\", headers={{\"{field}\": \"{before}\" + os.environ[\"KEY\"]}}))"
        ),
    }
}

/// `x-api-key` as people write it: `X-API-Key`.
fn shown(name: &str) -> String {
    let word = |w: &str| match w {
        "api" => "API".to_owned(),
        _ => {
            let mut chars = w.chars();
            chars.next().map(|c| c.to_ascii_uppercase().to_string()).unwrap_or_default() + chars.as_str()
        }
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

fn url(config: &Config) -> String {
    let listener = config.listeners.first();
    let route = config.routes.first();
    let scheme = if listener.is_some_and(|l| l.tls.is_some()) { "https" } else { "http" };
    let exact =
        route.and_then(|r| r.hosts.iter().find_map(|h| if let HostPattern::Exact(h) = h { Some(h) } else { None }));
    let host = match (exact, listener.map(|l| l.address.ip())) {
        (Some(host), _) => host.to_string(),
        (None, Some(ip)) if ip.is_unspecified() || ip.is_loopback() => "localhost".to_owned(),
        (None, Some(IpAddr::V4(ip))) => ip.to_string(),
        (None, Some(IpAddr::V6(ip))) => format!("[{ip}]"),
        (None, None) => "localhost".to_owned(),
    };
    let port = match (scheme, listener.map_or(0, |l| l.address.port())) {
        (_, 0) | ("http", 80) | ("https", 443) => String::new(),
        (_, port) => format!(":{port}"),
    };
    let path = match route.and_then(|r| r.paths.first()) {
        Some(PathPattern::Exact(path)) => path.to_string(),
        Some(PathPattern::Below(path)) => format!("{path}/"),
        None => "/".to_owned(),
    };
    format!("{scheme}://{host}{port}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields() {
        assert_eq!(shown("x-api-key"), "X-API-Key");
        assert_eq!(shown("argus-api-key"), "Argus-API-Key");
        assert_eq!(shown("apikey"), "Apikey");
    }

    #[test]
    fn secret_stands_for_itself_nowhere() {
        let examples = in_field("http://localhost:8080/", "X-API-Key", "");
        assert_eq!(examples.curl, "curl -H \"X-API-Key: $KEY\" http://localhost:8080/");
        assert!(examples.python.contains("os.environ[\"KEY\"]") && examples.javascript.contains("process.env.KEY"));
    }
}
