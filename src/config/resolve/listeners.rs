//! Listeners, their certificates and their addresses.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Context;
use super::tls::TlsTable;
use crate::config::problem::Code;
use crate::config::tree::path;
use crate::config::written::{InsecureRequestsText, ListenerLimitsText, ListenerText, UnderscoresText, Written};
use crate::config::{Admin, Clients, InsecureRequests, Listener, ListenerLimits, Ops};
use crate::model::header_rules::Underscores;

/// Smallest and largest head of a request: what the HTTP/1 parser needs, and what fits into memory per connection.
const HEADER_SIZE: [u64; 2] = [8 << 10, 1 << 20];
/// Slowest and fastest body that may be asked for, in bytes a second.
const BODY_RATE: [u64; 2] = [0, 1 << 30];
/// Most connections of one listener.
const CONNECTIONS: [u32; 2] = [1, 1_000_000];
/// Most TLS handshakes of one listener at once. Each takes about 0.3 ms of CPU and 40 KiB, so that 1,000 are 40 MB and
/// done in a third of a second.
const HANDSHAKES: [u32; 2] = [1, 100_000];

impl Context<'_> {
    pub(super) fn listeners(&mut self, written: &Written) -> Vec<Listener> {
        let tls = self.tls_tables(written);
        let none = BTreeMap::new();
        let tables = written.listeners.as_ref().unwrap_or(&none);
        let any_tls = tables.values().any(|l| l.tls.is_some());
        let mut out = Vec::new();
        if let Some(address) = &written.listen {
            if self.has(&["listeners", "default"]) {
                let at = self.problems.sources.shown_line(self.at(&["listen"]));
                self.error(Code::Twice, &["listeners", "default"], "the listener `default` is defined twice")
                    .label(format!("`listen` at {at} is short for this table"));
            } else {
                let text = ListenerText { address: Some(*address), ..ListenerText::default() };
                out.extend(self.listener("default", &text, &tls, any_tls, &["listen"]));
            }
        }
        for name in self.in_order("listeners") {
            if let Some(text) = tables.get(&name) {
                out.extend(self.listener(&name, text, &tls, any_tls, &["listeners", &name]));
            }
        }
        if out.is_empty() && written.listen.is_none() && tables.is_empty() {
            self.problems.gap(Code::NoListener, path(&["listen"]), None, "nothing listens").help("listen = \":8080\"");
        }
        out
    }

    fn listener(
        &mut self,
        name: &str,
        text: &ListenerText,
        tls: &BTreeMap<String, TlsTable>,
        any_tls: bool,
        origin: &[&str],
    ) -> Option<Listener> {
        let table = ["listeners", name];
        let named = self.name("listeners", name);
        if text.tls.is_some() && text.insecure_requests.is_some() {
            self.error(
                Code::Value,
                &["listeners", name, "insecure_requests"],
                "`insecure_requests` is for listeners without `tls`",
            )
            .label("remove this");
        }
        let insecure_requests = match text.insecure_requests {
            Some(InsecureRequestsText::Reject) => InsecureRequests::Reject,
            Some(InsecureRequestsText::Redirect) => InsecureRequests::Redirect,
            Some(InsecureRequestsText::Allow) => InsecureRequests::Allow,
            None if any_tls => InsecureRequests::Reject,
            None => InsecureRequests::Allow,
        };
        let spoken = text.tls.as_ref().and_then(|wanted| self.listener_tls(name, &wanted.0, tls));
        let none = ListenerLimitsText::default();
        let limits = self.listener_limits(name, text.limits.as_ref().unwrap_or(&none));
        let Some(address) = text.address else {
            self.gap(Code::Missing, &[table[0], table[1], "address"], format!("listener \"{name}\" has no address"))
                .help("address = \":8080\"");
            return None;
        };
        Some(Listener {
            name: named?,
            address: address.0,
            tls: spoken,
            insecure_requests,
            underscores: match text.underscores {
                None | Some(UnderscoresText::Drop) => Underscores::Drop,
                Some(UnderscoresText::Reject) => Underscores::Reject,
                Some(UnderscoresText::Keep) => Underscores::Keep,
            },
            limits,
            origin: self.origin(origin),
        })
    }

    fn listener_limits(&mut self, name: &str, text: &ListenerLimitsText) -> ListenerLimits {
        let field = |field: &'static str| ["listeners", name, "limits", field];
        let header = self.size(&field("max_header_size"), text.max_header_size.map(|s| s.0), HEADER_SIZE, 32 << 10);
        let seconds = Duration::from_secs;
        ListenerLimits {
            max_header_size: usize::try_from(header).unwrap_or(usize::MAX),
            max_body_size: text.max_body_size.map_or(Some(10 << 20), |s| s.0),
            header_timeout: self.positive(&field("header_timeout"), text.header_timeout.map(|d| d.0), seconds(10)),
            handshake_timeout: self.positive(
                &field("handshake_timeout"),
                text.handshake_timeout.map(|d| d.0),
                seconds(10),
            ),
            max_handshakes: self.within(&field("max_handshakes"), text.max_handshakes, HANDSHAKES, 1_000) as usize,
            idle_timeout: self.positive(&field("idle_timeout"), text.idle_timeout.map(|d| d.0), seconds(120)),
            min_body_rate: self.size(&field("min_body_rate"), text.min_body_rate.map(|s| s.0), BODY_RATE, 240),
            min_answer_rate: self.size(&field("min_answer_rate"), text.min_answer_rate.map(|s| s.0), BODY_RATE, 0),
            max_connections: self.within(&field("max_connections"), text.max_connections, CONNECTIONS, 20_000) as usize,
            max_connections_per_address: text.max_connections_per_address.map(|max| {
                self.within(&field("max_connections_per_address"), Some(max), CONNECTIONS, CONNECTIONS[1]) as usize
            }),
        }
    }

    /// Two things cannot listen on one address, nor one on all addresses and another on one of them.
    pub(super) fn addresses(&mut self, listeners: &[Listener], admin: &Admin, ops: &Ops) {
        let mut taken: Vec<(SocketAddr, String, Vec<String>)> = Vec::new();
        for listener in listeners {
            let name = listener.name.as_str();
            let short = name == "default" && !self.has(&["listeners", "default"]);
            let field = if short { path(&["listen"]) } else { path(&["listeners", name, "address"]) };
            taken.push((listener.address, format!("listener \"{name}\""), field));
        }
        for (address, what, table) in [(admin.address, "the admin side", "admin"), (ops.address, "`[ops]`", "ops")] {
            taken.extend(address.map(|a| (a, what.to_owned(), path(&[table, "address"]))));
        }
        for second in 1..taken.len() {
            let Some(first) = taken[..second].iter().find(|t| overlap(t.0, taken[second].0)) else { continue };
            // The later one may hold by default, with nothing written to point at.
            let (there, here) = if self.tree.find(&taken[second].2).is_some() {
                (first, &taken[second])
            } else {
                (&taken[second], first)
            };
            let message = format!("{} and {} both listen on port {}", there.1, here.1, here.0.port());
            let field = here.2.clone();
            let label = format!("{} has {}", there.1, there.0);
            self.error(Code::AddressTwice, &field, message).label(label);
        }
    }

    /// Warns of keys that travel in the clear between machines.
    pub(super) fn plain_http(&mut self, listeners: &[Listener], clients: &Clients) {
        for listener in listeners {
            let open = listener.tls.is_none() && listener.insecure_requests == InsecureRequests::Allow;
            if !open || listener.address.ip().is_loopback() || !clients.trusted_proxies.is_empty() {
                continue;
            }
            self.start_notes.push(format!(
                "listener \"{}\" takes keys over plain HTTP on {}: give it a certificate (`tls`), or name the proxies in \
                 front of it in `[clients] trusted_proxies`",
                listener.name, listener.address
            ));
        }
    }
}

/// Whether a socket on one address is in the way of one on the other. Port 0 is never in the way.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |a: IpAddr, b: IpAddr| match (a, b) {
        (IpAddr::V6(all), _) if all.is_unspecified() => true,
        (IpAddr::V4(all), IpAddr::V4(_)) => all.is_unspecified(),
        _ => false,
    };
    a.port() == b.port()
        && a.port() != 0
        && (a.ip().to_canonical() == b.ip().to_canonical() || covers(a.ip(), b.ip()) || covers(b.ip(), a.ip()))
}
