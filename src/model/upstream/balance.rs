//! Which server of an upstream takes the next request.

use std::fmt;
use std::str::FromStr;

use http::HeaderName;

/// Which server takes the next request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Balance {
    /// One after the other, each as often as its weight says.
    #[default]
    RoundRobin,
    /// The less busy of two that are drawn, each worker counting what it sends itself.
    LeastRequests,
    /// Always the same one for the same caller.
    Hash(HashBy),
}

/// What tells one caller from another where a server is to stay the same. Who does not have it is told apart by the
/// next: owner, key, address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashBy {
    /// The owner of the key.
    Owner,
    /// The key.
    Key,
    /// The client's address, or its network where networks count as one client.
    Ip,
    /// The value of a field.
    Header(HeaderName),
}

/// Not a way to choose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no way to choose a server: expected `round_robin`, `least_requests`, `hash:owner`, `hash:key`, `hash:ip` or `hash:header:NAME`"
)]
pub struct BalanceError(pub String);

impl FromStr for Balance {
    type Err = BalanceError;

    fn from_str(s: &str) -> Result<Self, BalanceError> {
        let wrong = || BalanceError(s.chars().take(60).collect());
        Ok(match s {
            "round_robin" => Balance::RoundRobin,
            "least_requests" => Balance::LeastRequests,
            "hash:owner" | "hash:subject" => Balance::Hash(HashBy::Owner),
            "hash:key" => Balance::Hash(HashBy::Key),
            "hash:ip" => Balance::Hash(HashBy::Ip),
            _ => {
                let name = s.strip_prefix("hash:header:").ok_or_else(wrong)?;
                Balance::Hash(HashBy::Header(name.parse().map_err(|_| wrong())?))
            }
        })
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Balance::RoundRobin => f.write_str("round_robin"),
            Balance::LeastRequests => f.write_str("least_requests"),
            Balance::Hash(HashBy::Owner) => f.write_str("hash:owner"),
            Balance::Hash(HashBy::Key) => f.write_str("hash:key"),
            Balance::Hash(HashBy::Ip) => f.write_str("hash:ip"),
            Balance::Hash(HashBy::Header(name)) => write!(f, "hash:header:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for text in ["round_robin", "least_requests", "hash:owner", "hash:key", "hash:ip", "hash:header:x-session"] {
            assert_eq!(text.parse::<Balance>().unwrap().to_string(), text);
        }
        assert_eq!("hash:subject".parse(), Ok(Balance::Hash(HashBy::Owner)));
        for bad in ["", "random", "hash", "hash:", "hash:header:", "hash:header:a b", "Round_Robin"] {
            assert!(bad.parse::<Balance>().is_err(), "{bad}");
        }
    }
}
