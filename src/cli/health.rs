//! `argus health`: asks the listener for probes, for container health checks. Needs no shell, no curl, no admin key.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::time::timeout;

use super::client::Client;
use super::configured;
use super::exit::{Exit, Failure, Outcome};
use super::locate::Server;
use super::output::{Format, safe};
use super::session::Session;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus health
  argus health --ready
  argus health --address 127.0.0.1:9642 --json";

/// The whole question: probes ask every few seconds.
const DEADLINE: Duration = Duration::from_secs(5);
/// Where probes are answered if the configuration says nothing else.
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9642);

/// What to ask.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Ask whether it is ready for requests, not only alive
    #[arg(long)]
    pub ready: bool,
    /// Where probes are answered [default: `[ops] address` of the configuration, else 127.0.0.1:9642]
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<SocketAddr>,
}

/// Does it.
pub async fn run(session: &mut Session, args: HealthArgs) -> Outcome {
    let address = match args.address {
        Some(address) => address,
        None => address()?,
    };
    let path = if args.ready { "/readyz?verbose" } else { "/livez" };
    let (good, text) = ask(address, path).await?;
    match session.out.format {
        Format::Json => session.out.json(&json!({"ok": good, "answer": text.trim()}))?,
        Format::Plain => session.out.result(if good { "ok" } else { "failing" })?,
        Format::Human => {
            let text: Vec<String> = text.trim().lines().map(safe).collect();
            session.out.result(&text.join("\n"))?;
        }
    }
    Ok(if good { Exit::Done } else { Exit::Failed })
}

/// Where probes are answered, as a client reaches it.
pub(super) fn address() -> Result<SocketAddr, Failure> {
    match configured::ops_address() {
        None => Ok(ADDRESS),
        Some(None) => Err(Failure::usage("the configuration switches probes off")
            .hint("set `[ops] address`, for example \"127.0.0.1:9642\"")),
        Some(Some(address)) => Ok(reachable(address)),
    }
}

/// An address to connect to for one to listen on.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Asks a probe: whether it says yes, and its words.
pub(super) async fn ask(address: SocketAddr, path: &str) -> Result<(bool, String), Failure> {
    let client = Client::to(Server { tls: false, host: address.ip().to_string(), port: address.port() });
    let asked = timeout(DEADLINE, client.text(path)).await.unwrap_or_else(|_| {
        let message = format!("{address} did not answer within {} s", DEADLINE.as_secs());
        Err(Failure::new(Exit::Unreachable, message))
    });
    let (status, text) = asked.map_err(|mut e| {
        e.hints = vec!["is argus running, with `[ops] address` there?".to_owned()];
        e
    })?;
    Ok((status.is_success(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_connects_to_loopback_where_all_addresses_are_listened_on() {
        for (listens, asked) in
            [("0.0.0.0:9642", "127.0.0.1:9642"), ("[::]:9642", "[::1]:9642"), ("192.0.2.1:1", "192.0.2.1:1")]
        {
            assert_eq!(reachable(listens.parse().unwrap()), asked.parse().unwrap());
        }
    }

    #[tokio::test]
    async fn nobody_there_is_another_code_than_unwell() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(ask(address, "/livez").await.unwrap_err().exit, Exit::Unreachable);
    }
}
