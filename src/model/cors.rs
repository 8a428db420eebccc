//! Pages of other origins that may call a route (the CORS protocol of the Fetch standard).

use http::HeaderValue;

use super::condition::OriginRule;

/// Which pages of other origins may call, and what browsers let them see.
#[derive(Debug, Clone)]
pub struct Cors {
    /// The origins; `None` for any, which `credentials` excludes.
    pub origins: Option<OriginRule>,
    /// Methods, as `Access-Control-Allow-Methods` tells them.
    pub methods: HeaderValue,
    /// Request fields, as `Access-Control-Allow-Headers` tells them.
    pub headers: HeaderValue,
    /// Fields of answers, as `Access-Control-Expose-Headers` tells them.
    pub expose: Option<HeaderValue>,
    /// Seconds for which a preflight's answer holds, as `Access-Control-Max-Age` tells them.
    pub max_age: HeaderValue,
    /// Whether cookies and the like are sent along.
    pub credentials: bool,
}

impl Cors {
    /// What `Access-Control-Allow-Origin` tells a page of `origin`; `None` if it may not call.
    pub fn allowed_origin(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match &self.origins {
            None => Some(HeaderValue::from_static("*")),
            Some(rule) => rule.allows(Some(origin.to_str().ok()?)).then(|| origin.clone()),
        }
    }

    /// Whether answers differ from origin to origin.
    pub fn varies(&self) -> bool {
        self.origins.is_some()
    }
}
