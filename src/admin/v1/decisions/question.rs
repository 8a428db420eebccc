//! A request that nobody made, as `verify` and `explain` take it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde::{Deserialize, Deserializer};

use crate::admin::Shared;
use crate::admin::input::pointer;
use crate::admin::problem::{FieldProblem, Problem};
use crate::admin::text;
use crate::admin::v1::keys;
use crate::admin::v1::keys::rules::Check;
use crate::admission::{Caller, ExplainInput, Target};
use crate::model::secret::{CREDENTIAL_LEN_MAX, PresentedKey};

/// Most header fields of a question.
pub const HEADERS_MAX: usize = 50;
/// Longest value of a header field of a question, in bytes.
pub const HEADER_LEN_MAX: usize = 4_096;
/// Longest URL of a question, in bytes.
pub const URL_LEN_MAX: usize = 8_192;

/// A whole key as it was sent; wiped when it is not needed any more.
pub struct Sent(pub PresentedKey);

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sent(redacted)")
    }
}

impl<'de> Deserialize<'de> for Sent {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = zeroize::Zeroizing::new(String::deserialize(d)?);
        let shape = || format!("a key has between 1 and {CREDENTIAL_LEN_MAX} bytes");
        PresentedKey::new(text.as_bytes()).map(Sent).ok_or_else(|| serde::de::Error::custom(shape()))
    }
}

/// What is asked.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The whole key.
    #[schema(value_type = Option<String>, extensions(("x-sensitive" = json!(true))))]
    #[serde(default)]
    pub key: Option<Sent>,
    /// A key by its id, UUID or name instead of its secret.
    #[schema(examples("billing-prod"))]
    #[serde(default)]
    pub key_id: Option<String>,
    /// Method of the request; `GET` if absent.
    #[schema(examples("POST"))]
    #[serde(default)]
    pub method: Option<String>,
    /// URL of the request; without one, only the key itself is asked about.
    #[schema(examples("https://api.example.com/v1/invoices"))]
    #[serde(default)]
    pub url: Option<String>,
    /// Address of the client. One that is nowhere (`0.0.0.0`) if absent: it fulfils no condition that allows addresses,
    /// countries or networks.
    #[schema(value_type = Option<String>, examples("203.0.113.9"))]
    #[serde(default)]
    pub ip: Option<IpAddr>,
    /// At which moment, or in how long; now if absent. Limits are always those of now.
    #[schema(examples("2026-12-24T12:00:00Z"))]
    #[serde(default)]
    pub at: Option<String>,
    /// Header fields of the request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

impl Question {
    /// Reads it into what the engine is asked.
    pub async fn read(self, services: &Shared) -> Result<ExplainInput, Problem> {
        let now = services.clock.now();
        let mut check = Check::default();
        let method = self.method.as_deref().unwrap_or("GET");
        let method = check.keep("/method", method_of(method));
        let target = self.url.as_deref().and_then(|url| check.keep("/url", target(url)));
        let at = self.at.as_deref().and_then(|at| check.keep("/at", text::moment_or_in(at, now.wall)));
        let headers = headers(&mut check, &self.headers);
        if self.key.is_some() && self.key_id.is_some() {
            check.add(FieldProblem::at("/key_id", "give `key` or `key_id`, not both"));
        }
        check.done()?;
        let caller = match (self.key, self.key_id) {
            (Some(Sent(key)), _) => Caller::Presented(key),
            (None, Some(id)) => Caller::Id(keys::find(services, &id).await?.key.id),
            (None, None) => Caller::Headers,
        };
        let method = method.unwrap_or(Method::GET);
        let target = target.map(|(host, path, query)| Target { method, host, path, query });
        Ok(ExplainInput { caller, target, headers, ip: self.ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), at, now })
    }
}

fn method_of(text: &str) -> Result<Method, &'static str> {
    let good = text.len() <= 32 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    Method::from_bytes(text.as_bytes()).ok().filter(|_| good).ok_or("expected a method such as `GET` or `POST`")
}

/// Host, path and query.
fn target(url: &str) -> Result<(String, String, Option<String>), &'static str> {
    const SHAPE: &str =
        "expected a URL such as `https://api.example.com/v1/invoices`, or a path such as `/v1/invoices`";
    if url.len() > URL_LEN_MAX {
        return Err("the URL is too long");
    }
    let uri: Uri = url.parse().map_err(|_| SHAPE)?;
    let known = match uri.scheme_str() {
        None => uri.authority().is_none() && url.starts_with('/'),
        Some(scheme) => matches!(scheme, "http" | "https"),
    };
    if !known || uri.authority().is_some_and(|a| a.as_str().contains('@')) {
        return Err(SHAPE);
    }
    let host = uri.host().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let path = if uri.path().is_empty() { "/" } else { uri.path() };
    Ok((host, path.to_owned(), uri.query().map(str::to_owned)))
}

fn headers(check: &mut Check, fields: &BTreeMap<String, String>) -> HeaderMap {
    let mut out = HeaderMap::new();
    if !check.count("/headers", fields.len(), HEADERS_MAX) {
        return out;
    }
    for (name, value) in fields {
        let place = pointer(&["headers", name]);
        let value = HeaderValue::from_str(value).ok().filter(|v| v.len() <= HEADER_LEN_MAX);
        match (name.parse::<HeaderName>(), value) {
            (Ok(name), Some(value)) => {
                out.append(name, value);
            }
            (Err(_), _) => check.add(FieldProblem::at(place, "this is not the name of a header field")),
            (_, None) => check.add(FieldProblem::at(place, "this is not the value of a header field")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let of = |url: &str| target(url).ok();
        assert_eq!(
            of("https://API.example.com.:8443/v1/a%20b?x=1"),
            Some(("api.example.com".into(), "/v1/a%20b".into(), Some("x=1".into())))
        );
        assert_eq!(of("http://api.example.com"), Some(("api.example.com".into(), "/".into(), None)));
        assert_eq!(of("/v1"), Some((String::new(), "/v1".into(), None)));
        let long = format!("/{}", "x".repeat(URL_LEN_MAX));
        for bad in ["", "ftp://x/", "example.com", "http://u@h/", "http://", "not a url", &long] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn methods() {
        assert!(method_of("GET").is_ok() && method_of("M-SEARCH").is_ok());
        assert!(method_of("get").is_err() && method_of("").is_err() && method_of("A B").is_err());
    }

    #[test]
    fn keys_do_not_print() {
        let question: Question = serde_json::from_str(r#"{"key":"argus_live_secret"}"#).unwrap();
        assert!(!format!("{question:?}").contains("secret"));
        assert!(serde_json::from_str::<Question>(r#"{"key":""}"#).is_err());
    }
}
