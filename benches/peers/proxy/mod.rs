//! The proxies that are compared, each told to do the same.

pub mod argus;
mod envoy;
mod haproxy;
mod nginx;
pub mod seed;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::certificate::Certificate;
use crate::failure::Failure;
use crate::load::{self, Protocol, Requests};
use crate::machine;
use crate::options::Options;
use crate::process::Process;

/// How long a proxy that listens is left alone before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(1);

/// The peers, in the order of the report.
pub const NAMES: [&str; 4] = ["argus", "nginx", "haproxy", "envoy"];

/// What proxies need to be started.
pub struct Stage<'a> {
    /// What the run is told.
    pub options: &'a Options,
    /// Where requests go.
    pub origin: SocketAddr,
    /// What is shown over TLS.
    pub certificate: &'a Certificate,
    /// Where each has a folder of its own.
    pub dir: &'a Path,
}

impl Stage<'_> {
    /// A folder for one of them.
    pub fn folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let dir = self.dir.join(name);
        std::fs::create_dir(&dir).map_err(Failure::io("a folder for a proxy"))?;
        Ok(dir)
    }
}

/// A running proxy.
pub struct Proxy {
    /// Its name in the report.
    pub name: &'static str,
    /// What it says its version is.
    pub version: String,
    /// Itself.
    pub process: Process,
    /// Where it listens in the clear.
    pub plain: SocketAddr,
    /// And over TLS, with HTTP/1.1 and HTTP/2.
    pub tls: SocketAddr,
    /// The keys the load uses.
    pub keys: Vec<String>,
    /// One more, for the check of the limit.
    pub spare: String,
    /// Bytes in memory before the first request.
    pub resident: u64,
}

impl Proxy {
    /// One that has just begun to listen. The last of its keys is not for the load.
    pub fn started(
        name: &'static str,
        version: String,
        process: Process,
        (plain, tls): (SocketAddr, SocketAddr),
        mut keys: Vec<String>,
    ) -> Self {
        std::thread::sleep(SETTLE);
        let resident = machine::memory_of(process.pid());
        let spare = keys.pop().unwrap_or_default();
        Proxy { name, version, process, plain, tls, keys, spare, resident }
    }

    /// Where a protocol is spoken.
    pub fn address(&self, protocol: Protocol) -> SocketAddr {
        match protocol {
            Protocol::Http1 => self.plain,
            Protocol::Http1Tls | Protocol::Http2 => self.tls,
        }
    }

    /// GETs with all its keys.
    pub fn requests(&self) -> Requests {
        Requests::new(self.plain, self.keys.clone())
    }
}

/// Starts a peer by its name.
pub fn start(name: &str, stage: &Stage<'_>) -> Result<Proxy, Failure> {
    match name {
        "nginx" => nginx::start(stage),
        "haproxy" => haproxy::start(stage),
        "envoy" => envoy::start(stage),
        _ => argus::start(stage, argus::FULL),
    }
}

/// Sees that a proxy does the work that is compared: no key and a wrong key are refused, a right key passes by every
/// protocol, and its limit is in force.
pub fn check(proxy: &Proxy, options: &Options) -> Result<(), Failure> {
    let wrong = made_up_keys(options.keys + 2).pop().unwrap_or_default();
    let with = |key: &str| Requests::new(proxy.plain, vec![key.to_owned()]);
    let right = || with(&proxy.keys[0]);
    let cases = [
        ("a request without a key", Protocol::Http1, Requests::without_key(proxy.plain), 401),
        ("a request with a wrong key", Protocol::Http1, with(&wrong), 401),
        ("a request with a right key", Protocol::Http1, right(), 200),
        ("a request over TLS", Protocol::Http1Tls, right(), 200),
        ("a request over HTTP/2", Protocol::Http2, right(), 200),
    ];
    for (to, protocol, requests, expected) in cases {
        let got = load::once(proxy.address(protocol), protocol, &requests)?;
        if got != expected {
            return Err(Failure::Wrong { proxy: proxy.name, to, got, expected });
        }
    }
    match load::hammer(proxy.plain, &with(&proxy.spare))? {
        429 => Ok(()),
        got => Err(Failure::Wrong { proxy: proxy.name, to: "a key past its limit", got, expected: 429 }),
    }
}

/// Keys as long as Argus's own, for the proxies that do not make any. The same on every run.
fn made_up_keys(count: usize) -> Vec<String> {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut letters = |n: usize| -> String {
        (0..n)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                char::from(ALPHABET[(state % 62) as usize])
            })
            .collect()
    };
    (0..count).map(|_| format!("argus_live_{}_{}", letters(10), letters(38))).collect()
}

/// The first line a program prints about its version, on either stream.
fn version(program: &Path, flag: &str) -> String {
    let Ok(output) = Command::new(program).arg(flag).output() else { return String::new() };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}
