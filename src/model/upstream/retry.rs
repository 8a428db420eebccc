//! When a request is sent again.

use std::str::FromStr;

use http::Method;

/// Most times that one request is tried.
pub const ATTEMPTS_MAX: usize = 5;

/// When a request is sent again: only ever where no server can have begun to work on it, or where doing its work twice
/// does what doing it once does (RFC 9110 section 9.2.2).
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Times that one request is tried, the first included: 1 to [`ATTEMPTS_MAX`].
    pub attempts: usize,
    /// Whether after a connection that could not be made, or that broke with not a byte of the request written.
    pub on_connect: bool,
    /// Whether after a kept connection that broke before a byte of the answer.
    pub on_reset: bool,
    /// Methods that may be sent again after that, all idempotent.
    pub methods: Vec<Method>,
    /// Requests tried again because a new connection failed, as a share of all.
    pub budget: f64,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            attempts: 3,
            on_connect: true,
            on_reset: true,
            methods: vec![Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE],
            budget: 0.2,
        }
    }
}

/// What makes a request be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryOn {
    /// There was no connection, or it broke with not a byte of the request written.
    Connect,
    /// A kept connection broke before a byte of the answer.
    Reset,
}

/// Not a reason to send a request again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no reason to send a request again: expected `connect` or `reset`")]
pub struct RetryOnError(pub String);

impl FromStr for RetryOn {
    type Err = RetryOnError;

    fn from_str(s: &str) -> Result<Self, RetryOnError> {
        match s {
            "connect" => Ok(RetryOn::Connect),
            "reset" => Ok(RetryOn::Reset),
            _ => Err(RetryOnError(s.chars().take(60).collect())),
        }
    }
}

impl Retry {
    /// Whether a request is sent again for this reason.
    pub fn after(&self, reason: RetryOn) -> bool {
        match reason {
            RetryOn::Connect => self.on_connect,
            RetryOn::Reset => self.on_reset,
        }
    }

    /// Whether a request of this method, without a body, may be sent again although a server may have seen it.
    pub fn may_repeat(&self, method: &Method) -> bool {
        self.on_reset && self.attempts > 1 && self.methods.contains(method)
    }
}
