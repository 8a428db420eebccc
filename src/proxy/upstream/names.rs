//! Names of servers: asked on the control plane, again when their time is over. No request waits for it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::time::timeout;

use super::Prepared;
use super::endpoint::Endpoint;
use crate::model::upstream::Server;

/// Addresses of one name that are used: more than any name of a service has.
pub(super) const ADDRESSES_MAX: usize = 64;
/// Longest wait for an answer.
const LOOKUP_MAX: Duration = Duration::from_secs(5);
/// Bounds of the time after which a name is asked again: below, a name would be asked without pause.
const AGE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(300)];
/// How long the system's own answer holds, which does not say so itself.
const AGE_OF_SYSTEM: Duration = Duration::from_secs(30);
/// Bounds of the wait after a failure; it doubles in between.
const RETRY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// Keeps the addresses of an upstream's names up to date. Never ends; may be dropped at any time.
pub(super) async fn keep(prepared: Arc<Prepared>) {
    let resolver = Resolver::new(prepared.settings.resolver);
    let mut names: Vec<Name> = Vec::new();
    for (place, server) in prepared.settings.servers.iter().enumerate() {
        if server.url.name().is_some() {
            names.push(Name { place, due: Instant::now(), retry: RETRY[0], is_failing: false });
        }
    }
    loop {
        let Some(name) = names.iter_mut().min_by_key(|n| n.due) else { return };
        tokio::time::sleep_until(name.due.into()).await;
        let server = &prepared.settings.servers[name.place];
        let (upstream, host) = (prepared.settings.name.as_str(), &*server.url.host);
        match resolver.lookup(host, server.url.port).await {
            Ok((addresses, until)) => {
                if name.is_failing {
                    tracing::info!(upstream, host, "the name is found again");
                }
                prepared.put_addresses(name.place, &addresses);
                (name.is_failing, name.retry) = (false, RETRY[0]);
                name.due = until.clamp(Instant::now() + AGE[0], Instant::now() + AGE[1]);
            }
            Err(error) => {
                if !name.is_failing {
                    tracing::warn!(upstream, host, %error, "the name is not found; its last addresses stay in use");
                }
                name.is_failing = true;
                name.due = Instant::now() + name.retry;
                name.retry = (name.retry * 2).min(RETRY[1]);
            }
        }
    }
}

struct Name {
    /// Its server's place among the configured ones.
    place: usize,
    due: Instant,
    retry: Duration,
    is_failing: bool,
}

/// Whom names are asked of.
struct Resolver {
    asked: Option<TokioResolver>,
    /// Whether the system's own way is tried where the other fails.
    or_system: bool,
}

impl Resolver {
    fn new(server: Option<SocketAddr>) -> Self {
        let asked = match server {
            Some(address) => {
                let connection = |mut connection: ConnectionConfig| {
                    connection.port = address.port();
                    connection
                };
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(connection).into();
                let server = NameServerConfig::new(address.ip(), true, connections);
                let config = ResolverConfig::from_name_servers(vec![server]);
                Some(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
            }
            None => TokioResolver::builder_tokio().ok(),
        };
        let asked = asked.and_then(|mut builder| {
            let options: &mut ResolverOpts = builder.options_mut();
            // What an answer is worth is kept here, not there.
            options.cache_size = 0;
            options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            options.timeout = Duration::from_secs(1);
            options.attempts = 2;
            builder.build().ok()
        });
        Resolver { asked, or_system: server.is_none() }
    }

    /// The addresses of a name, in order, and until when they hold.
    async fn lookup(&self, host: &str, port: u16) -> io::Result<(Vec<SocketAddr>, Instant)> {
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        if let Some(asked) = &self.asked {
            match timeout(LOOKUP_MAX, asked.lookup_ip(host)).await {
                Ok(Ok(found)) => {
                    let addresses = in_order(found.iter().map(|ip| SocketAddr::new(ip, port)));
                    if !addresses.is_empty() {
                        return Ok((addresses, found.valid_until()));
                    }
                }
                Ok(Err(error)) => failed = io::Error::other(error),
                Err(_) => failed = late(),
            }
        }
        if !self.or_system {
            return Err(failed);
        }
        let found = timeout(LOOKUP_MAX, tokio::net::lookup_host((host, port))).await.map_err(|_| late())??;
        let addresses = in_order(found);
        if addresses.is_empty() { Err(failed) } else { Ok((addresses, Instant::now() + AGE_OF_SYSTEM)) }
    }
}

fn in_order(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = addresses.collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    addresses
}

/// The endpoints of `server` at `addresses`; those that were there before stay what they are.
pub(super) fn endpoints(server: &Server, addresses: &[SocketAddr], before: &[Arc<Endpoint>]) -> Vec<Arc<Endpoint>> {
    let kept = |address| before.iter().find(|e| e.url == server.url && e.address == Some(address));
    let each = addresses.iter().map(|address| match kept(*address) {
        Some(kept) => Arc::clone(kept),
        None => Arc::new(Endpoint::new(server, Some(*address))),
    });
    each.collect()
}
