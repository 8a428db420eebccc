//! The proxies that are compared, each told to do the same.

mod argus;
mod haproxy;
mod nginx;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::load;
use crate::options::Options;
use crate::process::Failure;

/// A running proxy.
pub trait Proxy {
    /// Its name in the report.
    fn name(&self) -> &'static str;
    /// What it says its version is.
    fn version(&self) -> &str;
    /// Its first process.
    fn pid(&self) -> u32;
    /// Where it listens.
    fn address(&self) -> SocketAddr;
    /// The keys the load uses; one more, [`Proxy::spare`], is there for the check of the limit.
    fn keys(&self) -> &[String];
    /// A key the load does not use.
    fn spare(&self) -> &str;
}

/// Starts a proxy by its name.
pub fn start(name: &str, options: &Options, origin: SocketAddr, dir: &Path) -> Result<Box<dyn Proxy>, Failure> {
    let dir = dir.join(name);
    std::fs::create_dir(&dir).map_err(Failure::io("a folder for a proxy"))?;
    match name {
        "argus" => Ok(Box::new(argus::Argus::start(options, origin, &dir)?)),
        "nginx" => Ok(Box::new(nginx::Nginx::start(options, origin, &dir)?)),
        "haproxy" => Ok(Box::new(haproxy::Haproxy::start(options, origin, &dir)?)),
        other => Err(Failure::Unknown(other.to_owned())),
    }
}

/// Sees that a proxy does the work that is compared: no key and a wrong key are refused, a right key passes, and its
/// limit is in force.
pub fn check(proxy: &dyn Proxy, options: &Options) -> Result<(), Failure> {
    let wrong = made_up_keys(options.keys + 2).pop().unwrap_or_default();
    let cases = [
        ("a request without a key", None, 401),
        ("a request with a wrong key", Some(wrong.as_str()), 401),
        ("a request with a right key", Some(proxy.keys()[0].as_str()), 200),
    ];
    for (to, key, expected) in cases {
        let got = load::once(proxy.address(), key)?;
        if got != expected {
            return Err(Failure::Wrong { proxy: proxy.name(), to, got, expected });
        }
    }
    let (_, got) = load::hammer(proxy.address(), proxy.spare())?;
    match got {
        429 => Ok(()),
        got => Err(Failure::Wrong { proxy: proxy.name(), to: "a key past its limit", got, expected: 429 }),
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
fn version(program: &str, flag: &str) -> String {
    let Ok(output) = Command::new(program).arg(flag).output() else { return String::new() };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}
