//! The `Host` field against a list: a page whose name was made to resolve to loopback is not let in (DNS rebinding).

use std::net::IpAddr;

use axum::extract::Request;
use http::uri::Authority;
use http::{StatusCode, header};

use crate::admin::Services;
use crate::admin::problem::{Problem, echo};

/// 403 unless the request names loopback, the listening address or a configured name.
pub fn demand(services: &Services, request: &Request) -> Result<(), Problem> {
    let mut values = request.headers().get_all(header::HOST).iter();
    let given = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().unwrap_or_default(),
        (None, _) => request.uri().authority().map_or("", Authority::as_str),
        (Some(_), Some(_)) => "",
    };
    let config = &services.current.load().config;
    let listening = config.admin.address.map(|a| a.ip());
    if names_us(given, listening, &config.admin.hosts) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "host_not_allowed",
        format!("`{}` is not a name of this admin API. Add it to `hosts` in `[admin]` if it should be.", echo(given)),
    ))
}

fn names_us(given: &str, listening: Option<IpAddr>, hosts: &[String]) -> bool {
    let Ok(authority) = given.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        let ip = ip.to_canonical();
        return ip.is_loopback()
            || listening.is_some_and(|l| l.to_canonical() == ip)
            || hosts
                .iter()
                .any(|h| h.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|h| h.to_canonical() == ip));
    }
    let name = host.trim_end_matches('.');
    let name_of = |h: &str| h.parse::<Authority>().map_or_else(|_| h.to_owned(), |a| a.host().to_owned());
    name.eq_ignore_ascii_case("localhost") || hosts.iter().any(|h| name_of(h).eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let hosts = ["argus.internal".to_owned(), "192.0.2.9".to_owned()];
        for (given, good) in [
            ("localhost:9640", true),
            ("LOCALHOST", true),
            ("127.0.0.1:9640", true),
            ("127.8.8.8", true),
            ("[::1]:9640", true),
            ("[::ffff:127.0.0.1]:9640", true),
            ("198.51.100.7:9640", true),
            ("argus.internal", true),
            ("Argus.Internal.:9640", true),
            ("192.0.2.9", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("user@localhost", false),
            ("", false),
            ("a b", false),
        ] {
            assert_eq!(names_us(given, Some("198.51.100.7".parse().unwrap()), &hosts), good, "{given}");
        }
    }
}
