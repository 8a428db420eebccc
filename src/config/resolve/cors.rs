//! Pages of other origins that may call a route.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::Context;
use crate::config::problem::Code;
use crate::config::words::short;
use crate::config::written::CorsText;
use crate::config::{ApiKeyAuth, CredentialPlace};
use crate::model::condition::{OriginPattern, OriginRule};
use crate::model::cors::Cors;
use crate::model::route::parse_methods;

/// How long a preflight's answer holds where nothing else is said.
const MAX_AGE: Duration = Duration::from_secs(600);
/// Methods of a route that takes any.
const USUAL_METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

impl Context<'_> {
    pub(super) fn cors(
        &mut self,
        name: &str,
        text: &CorsText,
        methods: &[Method],
        api_key: &ApiKeyAuth,
    ) -> Option<Box<Cors>> {
        let field = |field: &'static str| ["routes", name, "cors", field];
        let origins = self.cors_origins(name, text);
        let credentials = text.credentials.unwrap_or(false);
        if let (Some(None), true) = (&origins, credentials) {
            self.error(Code::Value, &field("credentials"), "the cookies of a page of any origin would be taken")
                .label("name the `origins`, or leave this out");
        }
        let methods = match &text.methods {
            Some(given) => {
                let read = given.0.iter().enumerate().map(|(n, words)| {
                    let at = self.item(&field("methods"), n);
                    match parse_methods(words) {
                        Ok(methods) => methods,
                        Err(error) => {
                            self.error(Code::Value, &at, error.to_string());
                            Vec::new()
                        }
                    }
                });
                read.collect::<Vec<_>>().concat()
            }
            None if methods.is_empty() => USUAL_METHODS.to_vec(),
            None => methods.to_vec(),
        };
        let headers = match &text.headers {
            Some(given) => self.cors_names(&field("headers"), &given.0),
            None => default_headers(api_key),
        };
        let expose = text.expose.as_ref().map(|given| self.cors_names(&field("expose"), &given.0));
        Some(Box::new(Cors {
            origins: origins?,
            methods: listed(methods.iter().map(Method::as_str))?,
            headers: listed(headers.iter().map(HeaderName::as_str))?,
            expose: expose.filter(|names| !names.is_empty()).and_then(|e| listed(e.iter().map(HeaderName::as_str))),
            max_age: text.max_age.map_or(MAX_AGE, |d| d.0).as_secs().into(),
            credentials,
        }))
    }

    /// The origins; the inner `None` for any.
    fn cors_origins(&mut self, name: &str, text: &CorsText) -> Option<Option<OriginRule>> {
        let field = ["routes", name, "cors", "origins"];
        let given = text.origins.as_ref().map_or(&[][..], |o| &o.0);
        if given.is_empty() {
            self.error(Code::Value, &field[..3], "no page of another origin may call")
                .help("origins = [\"https://app.example.com\"]");
            return None;
        }
        if given == ["*"] {
            return Some(None);
        }
        let mut out = Vec::new();
        for (n, origin) in given.iter().enumerate() {
            let at = self.item(&field, n);
            if !origin.contains("://") {
                let message = format!("`{}` is not an origin", short(origin));
                let label = "expected for example \"https://app.example.com\"; \"*\" stands alone";
                self.error(Code::Value, &at, message).label(label);
                continue;
            }
            out.extend(self.parse::<OriginPattern>(&at, origin));
        }
        Some(Some(OriginRule::only(out)))
    }

    fn cors_names(&mut self, field: &[&str], given: &[String]) -> Vec<HeaderName> {
        let mut out = Vec::new();
        for (n, text) in given.iter().enumerate() {
            match HeaderName::from_bytes(text.as_bytes()) {
                // A star is a name by the letter, and something else to browsers, depending on `credentials`.
                Ok(name) if text != "*" => out.push(name),
                _ => {
                    let at = self.item(field, n);
                    self.error(Code::Value, &at, format!("`{}` is not the name of a header", short(text)));
                }
            }
        }
        out
    }
}

/// The fields in which a key is taken, and that of the body's type.
fn default_headers(api_key: &ApiKeyAuth) -> Vec<HeaderName> {
    let mut out = vec![http::header::CONTENT_TYPE];
    for place in &api_key.from {
        let name = match place {
            CredentialPlace::Header(name) => name.clone(),
            CredentialPlace::Bearer | CredentialPlace::ApiKeyScheme => http::header::AUTHORIZATION,
            CredentialPlace::Query(_) | CredentialPlace::Cookie(_) => continue,
        };
        if !out.contains(&name) {
            out.push(name);
        }
    }
    out
}

fn listed<'a>(words: impl Iterator<Item = &'a str>) -> Option<HeaderValue> {
    HeaderValue::try_from(words.collect::<Vec<_>>().join(", ")).ok()
}
