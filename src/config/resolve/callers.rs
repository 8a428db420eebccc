//! Who calls: the client's address, and the places where a key may stand.

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::Context;
use crate::config::problem::Code;
use crate::config::tree::path;
use crate::config::words::short;
use crate::config::written::{AddressFromText, ForwardedText, Written};
use crate::config::{AddressFrom, ApiKeyAuth, Clients, CredentialPlace};
use crate::model::limit::Rate;
use crate::model::network::{AddressSet, Cidr};

impl Context<'_> {
    pub(super) fn clients(&mut self, written: &Written) -> Clients {
        let text = written.clients.as_ref();
        let field = ["clients", "trusted_proxies"];
        let mut networks = Vec::new();
        let mut everybody = None;
        for (n, network) in text.and_then(|c| c.trusted_proxies.as_ref()).iter().flat_map(|t| &t.0).enumerate() {
            let at = self.item(&field, n);
            let Some(cidr) = self.parse::<Cidr>(&at, network) else { continue };
            if cidr.net().prefix_len() == 0 {
                everybody = everybody.or(Some(at));
            }
            networks.push(cidr);
        }
        let nets: Vec<_> = networks.iter().map(Cidr::net).collect();
        if everybody.is_none() && ipnet::IpNet::aggregate(&nets).iter().any(|n| n.prefix_len() == 0) {
            everybody = Some(path(&field));
        }
        if let Some(at) = everybody {
            self.trusts_everybody(&at, written);
        }
        let address_from = text.and_then(|c| c.address_from);
        if matches!(address_from, Some(AddressFromText::ProxyProtocol))
            && networks.is_empty()
            && !self.problems.any_below(&path(&field))
        {
            let message = "`proxy-protocol` is taken from trusted proxies alone, and none is named";
            self.error(Code::Value, &["clients", "address_from"], message)
                .help("trusted_proxies = [\"10.0.0.0/8\"], the networks your load balancer sends from");
        }
        Clients {
            trusted_proxies: networks.into_iter().collect::<AddressSet>(),
            address_from: match address_from {
                None | Some(AddressFromText::XForwardedFor) => AddressFrom::XForwardedFor,
                Some(AddressFromText::Forwarded) => AddressFrom::Forwarded,
                Some(AddressFromText::ProxyProtocol) => AddressFrom::ProxyProtocol,
                Some(AddressFromText::Peer) => AddressFrom::Peer,
            },
            ipv6_prefix: self.within(&["clients", "ipv6_prefix"], text.and_then(|c| c.ipv6_prefix), [1, 128], 64),
            sends_forwarded: matches!(text.and_then(|c| c.forwarded), Some(ForwardedText::Rfc7239)),
        }
    }

    fn trusts_everybody(&mut self, at: &[String], written: &Written) {
        let protects = written.conditions.iter().flatten().find(|(_, c)| c.ip.is_some()).map(|(name, _)| name);
        let nothing = match protects {
            Some(name) => format!("so `conditions.{name}.ip` protects nothing"),
            None => "so no limit or condition by address holds".to_owned(),
        };
        self.error(Code::TrustsEverybody, at, "everyone would be trusted to state the client's address")
            .label(format!("this lets any caller choose its own IP, {nothing}"))
            .help("name the networks your load balancer sends from, for example [\"10.0.0.0/8\"]")
            .help("nothing in front of argus? remove the line; the connection's own address is used");
    }

    pub(super) fn api_key(&mut self, written: &Written) -> ApiKeyAuth {
        let text = written.auth.as_ref().and_then(|a| a.api_key.as_ref());
        let field = ["auth", "api_key", "from"];
        let mut from = Vec::new();
        match text.and_then(|t| t.from.as_ref()) {
            Some(places) => {
                for (n, place) in places.0.iter().enumerate() {
                    let at = self.item(&field, n);
                    from.extend(self.credential_place(&at, place).filter(|p| !from.contains(p)));
                }
                if places.0.is_empty() && !self.problems.any_below(&path(&field)) {
                    self.error(Code::Value, &field, "no place is named where a key may stand");
                }
            }
            None => from.extend([
                CredentialPlace::Header(HeaderName::from_static("x-api-key")),
                CredentialPlace::Bearer,
                CredentialPlace::Header(HeaderName::from_static("argus-api-key")),
            ]),
        }
        let failures = match text.and_then(|t| t.failures.as_deref()) {
            Some("off") => None,
            Some(rate) => self.parse(&path(&["auth", "api_key", "failures"]), rate),
            None => "20/min".parse::<Rate>().ok(),
        };
        ApiKeyAuth { from, forward_credential: text.and_then(|t| t.forward_credential).unwrap_or(false), failures }
    }

    fn credential_place(&mut self, at: &[String], text: &str) -> Option<CredentialPlace> {
        let token = |name: &str| !name.is_empty() && HeaderName::from_bytes(name.as_bytes()).is_ok();
        let place = match text.split_once(':') {
            None if text == "bearer" => Some(CredentialPlace::Bearer),
            None if text == "apikey" => Some(CredentialPlace::ApiKeyScheme),
            Some(("header", name)) => match HeaderName::from_bytes(name.as_bytes()) {
                Ok(AUTHORIZATION) => None,
                Ok(name) => Some(CredentialPlace::Header(name)),
                Err(_) => None,
            },
            Some(("query", name)) if token(name) => Some(CredentialPlace::Query(name.into())),
            Some(("cookie", name)) if token(name) => Some(CredentialPlace::Cookie(name.into())),
            _ => None,
        };
        if place.is_none() {
            self.error(Code::Value, at, format!("`{}` is not a place where a key may stand", short(text))).label(
                "expected \"header:NAME\", \"bearer\", \"apikey\", \"query:NAME\" or \"cookie:NAME\"; \
                 `Authorization` is read by \"bearer\" and \"apikey\"",
            );
        }
        place
    }
}
