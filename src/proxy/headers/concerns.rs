//! What of a head concerns Argus: found in one walk over its names, so that most heads need no second look.

use http::HeaderMap;

use super::{HOP_BY_HOP, METHOD_OVERRIDES, folded_starts_with};

/// Which kinds of fields that Argus removes or writes anew stand in a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Concerns(u8);

impl Concerns {
    /// Fields of one hop, `Trailer` among them.
    pub const HOP: Concerns = Concerns(1);
    /// `TE` and `Expect`.
    pub const EXPECTATION: Concerns = Concerns(1 << 1);
    /// Fields that tell the way a request came, or its id.
    pub const WAY: Concerns = Concerns(1 << 2);
    /// Fields that tell a client's certificate.
    pub const CERTIFICATE: Concerns = Concerns(1 << 3);
    /// Fields that only Argus may send: names under the prefix of identity, and any with `_`, which some servers read
    /// as `-`.
    pub const FORGEABLE: Concerns = Concerns(1 << 4);
    /// Fields that name another method.
    pub const METHOD: Concerns = Concerns(1 << 5);

    /// Those of a request. Names of identity begin with `identity_prefix`.
    pub fn of_request(headers: &HeaderMap, identity_prefix: &str) -> Self {
        headers.keys().fold(Concerns::default(), |found, name| found.and(of_name(name.as_str(), identity_prefix)))
    }

    /// Whether an answer holds fields of one hop.
    pub fn of_answer(headers: &HeaderMap) -> Self {
        headers.keys().fold(Concerns::default(), |found, name| found.and(of_hop(name.as_str())))
    }

    /// Whether any of `kinds` was found.
    pub fn has(self, kinds: Concerns) -> bool {
        self.0 & kinds.0 != 0
    }

    /// These and `others`.
    pub const fn and(self, others: Concerns) -> Self {
        Concerns(self.0 | others.0)
    }
}

fn of_hop(name: &str) -> Concerns {
    // Few names begin like one of these.
    let may_be = matches!(name.as_bytes().first(), Some(b'c' | b'h' | b'k' | b'p' | b't' | b'u'));
    if may_be && (name == "trailer" || HOP_BY_HOP.iter().any(|hop| hop.as_str() == name)) {
        return Concerns::HOP;
    }
    Concerns::default()
}

fn of_name(name: &str, identity_prefix: &str) -> Concerns {
    if folded_starts_with(name, identity_prefix) {
        return Concerns::FORGEABLE;
    }
    if name.bytes().any(|b| b == b'_') {
        // What it is read as, nobody knows.
        return Concerns::FORGEABLE.and(Concerns::CERTIFICATE);
    }
    match name.as_bytes() {
        [b'x', b'-', rest @ ..] => match rest {
            b"forwarded-client-cert" => Concerns::WAY.and(Concerns::CERTIFICATE),
            [b'f', b'o', b'r', b'w', b'a', b'r', b'd', b'e', b'd', b'-', ..] | b"real-ip" | b"request-id" => {
                Concerns::WAY
            }
            _ if METHOD_OVERRIDES.contains(&name) => Concerns::METHOD,
            _ => Concerns::default(),
        },
        b"te" | b"expect" => Concerns::EXPECTATION,
        b"forwarded" | b"via" => Concerns::WAY,
        b"client-cert" | b"client-cert-chain" => Concerns::CERTIFICATE,
        _ => of_hop(name),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn every_kind_is_found() {
        let of = |names: &[&'static str]| {
            let headers: HeaderMap = names.iter().map(|n| (HeaderName::from_static(n), "x".parse().unwrap())).collect();
            Concerns::of_request(&headers, "argus-")
        };
        for hop in HOP_BY_HOP.iter().map(HeaderName::as_str).chain(["trailer"]) {
            let headers = HeaderMap::from_iter([(hop.parse().unwrap(), "x".parse().unwrap())]);
            assert_eq!(Concerns::of_request(&headers, "argus-"), Concerns::HOP, "{hop}");
            assert_eq!(Concerns::of_answer(&headers), Concerns::HOP, "{hop}");
        }
        for (name, kinds) in [
            ("te", Concerns::EXPECTATION),
            ("expect", Concerns::EXPECTATION),
            ("forwarded", Concerns::WAY),
            ("via", Concerns::WAY),
            ("x-forwarded-for", Concerns::WAY),
            ("x-forwarded-anything", Concerns::WAY),
            ("x-real-ip", Concerns::WAY),
            ("x-request-id", Concerns::WAY),
            ("x-forwarded-client-cert", Concerns::WAY.and(Concerns::CERTIFICATE)),
            ("client-cert", Concerns::CERTIFICATE),
            ("client-cert-chain", Concerns::CERTIFICATE),
            ("client_cert", Concerns::FORGEABLE.and(Concerns::CERTIFICATE)),
            ("argus-key-id", Concerns::FORGEABLE),
            ("argus_key_id", Concerns::FORGEABLE),
            ("x-http-method", Concerns::METHOD),
            ("x-http-method-override", Concerns::METHOD),
            ("x-method-override", Concerns::METHOD),
            ("accept", Concerns::default()),
            ("x-api-key", Concerns::default()),
            ("content-length", Concerns::default()),
        ] {
            assert_eq!(of(&[name]), kinds, "{name}");
        }
        let all = of(&["host", "te", "x-request-id", "connection"]);
        assert!([Concerns::HOP, Concerns::EXPECTATION, Concerns::WAY].into_iter().all(|kind| all.has(kind)));
        assert!(!all.has(Concerns::FORGEABLE.and(Concerns::METHOD)));
    }
}
