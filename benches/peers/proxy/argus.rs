//! Argus itself: its whole decision, with access log, metrics and usage as they are by default; or with none of it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Proxy, Stage, version};
use crate::failure::Failure;
use crate::process::{Process, Program, free_address};

/// One way to set Argus up.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// Its name in the report.
    pub name: &'static str,
    /// Whether there are keys, a condition, a scope, limits and an access log.
    pub checks: bool,
    /// Whether there is memory for very many keys, and no key is ever over its limit.
    pub many: bool,
}

/// Key, address, scope, two limits, access log, metrics and usage.
pub const FULL: Setup = Setup { name: "argus", checks: true, many: false };

/// Every check off.
pub const OFF: Setup = Setup { name: "argus, checks off", checks: false, many: false };

/// The same as [`FULL`] with a handful of keys, all of the load on them.
pub const FEW: Setup = Setup { name: "argus, 10 keys", checks: true, many: true };

/// And with very many.
pub const MANY: Setup = Setup { name: "argus, many keys", checks: true, many: true };

/// Memory for a million keys and the counters of their limits.
const MUCH: &str = "[resources]\ncounters = \"1GiB\"\nkey_cache = \"4GiB\"\n";

/// Where an Argus listens.
pub struct Addresses {
    /// For traffic in the clear, and over TLS.
    pub traffic: (SocketAddr, SocketAddr),
    /// For those who make keys.
    pub admin: SocketAddr,
    /// For those who read metrics.
    pub ops: SocketAddr,
}

impl Addresses {
    /// Free ones.
    pub fn free() -> Result<Self, Failure> {
        let traffic = (free_address()?, free_address()?);
        Ok(Addresses { traffic, admin: free_address()?, ops: free_address()? })
    }
}

/// Starts one, and has its admin side make the keys.
pub fn start(stage: &Stage<'_>, setup: Setup) -> Result<Proxy, Failure> {
    let dir = stage.folder(setup.name)?;
    let addresses = Addresses::free()?;
    let config = configure(stage, setup, &addresses, &dir)?;
    let (plain, tls) = addresses.traffic;
    let log = dir.join("access.log");
    let process = Process::start(program(stage, &config, &dir), stage.options.cores.0, &[plain, tls], &log)?;
    let mut proxy = Proxy::started(
        setup.name,
        format!("{}, {}", version(&stage.options.argus, "--version"), build(&stage.options.argus)),
        process,
        addresses.traffic,
        Vec::new(),
    );
    let admin_key = std::fs::read_to_string(dir.join("argus-data/admin-key"))
        .map_err(Failure::io("the key of Argus's admin side"))?;
    proxy.keys = (0..=stage.options.keys)
        .map(|number| make_key(addresses.admin, admin_key.trim(), &format!("client-{number}")))
        .collect::<Result<Vec<_>, _>>()?;
    proxy.spare = proxy.keys.pop().unwrap_or_default();
    Ok(proxy)
}

/// The command that runs one.
pub fn program(stage: &Stage<'_>, config: &Path, dir: &Path) -> Program {
    let mut command = Command::new(&stage.options.argus);
    command.arg("run").arg("--config").arg(config).current_dir(dir);
    Program { name: "argus", remedy: "cargo build --release", command }
}

/// Writes the configuration.
pub fn configure(stage: &Stage<'_>, setup: Setup, addresses: &Addresses, dir: &Path) -> Result<PathBuf, Failure> {
    let Addresses { traffic: (plain, tls), admin, ops } = addresses;
    let (chain, key) = (stage.certificate.chain.display(), stage.certificate.key.display());
    let per_minute = if setup.many { 2_000_000 } else { stage.options.per_minute() };
    let origin = stage.origin;
    let resources = if setup.many { MUCH } else { "" };
    let checks = match setup.checks {
        true => {
            r#"auth = "api_key"
conditions = ["near"]
scopes = { "GET,POST" = "things:use" }"#
        }
        false => r#"auth = "none""#,
    };
    let text = format!(
        r#"
[listeners.plain]
address = "{plain}"
insecure_requests = "allow"
limits = {{ max_body_size = "unlimited" }}

[listeners.tls]
address = "{tls}"
tls = "peers"
limits = {{ max_body_size = "unlimited" }}

[tls.peers]
certificate = "{chain}"
key_file = "{key}"

[admin]
address = "{admin}"

[ops]
address = "{ops}"
drain = {{ delay = "0s", grace = "2s" }}

[log]
format = "json"
access = {{ enabled = {} }}

[conditions.near]
ip = {{ allow = ["127.0.0.0/8", "198.51.100.0/24"] }}

[plans.peers]
limits = [
  {{ name = "minute", rate = "{per_minute}/min" }},
  {{ name = "day", rate = "{}/day" }},
]

{resources}
[routes.all]
paths = ["/*"]
upstream = "http://{origin}"
{checks}
"#,
        setup.checks,
        per_minute * 1440
    );
    let config = dir.join("gateway.toml");
    std::fs::write(&config, text).map_err(Failure::io("Argus's configuration"))?;
    Ok(config)
}

/// The value of a metric without labels.
pub fn gauge(ops: SocketAddr, name: &str) -> Result<f64, Failure> {
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {ops}\r\nConnection: close\r\n\r\n");
    let answer = ask(ops, &request)?;
    let value = answer.lines().find_map(|line| {
        let (known, value) = line.split_once(' ')?;
        known.trim_end_matches("{}").ends_with(name).then(|| value.trim().parse().ok())?
    });
    value.ok_or(Failure::Unread)
}

/// One request to a side of Argus that is not measured.
fn ask(to: SocketAddr, request: &str) -> Result<String, Failure> {
    let exchange = || {
        let mut stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    exchange().map_err(Failure::io("Argus's admin side"))
}

/// Makes one key by the admin API, and gives its secret.
fn make_key(admin: SocketAddr, admin_key: &str, name: &str) -> Result<String, Failure> {
    let body = serde_json::json!({ "name": name, "plan": "peers", "scopes": ["things:*"] }).to_string();
    let request = format!(
        "POST /v1/keys HTTP/1.1\r\nHost: {admin}\r\nAuthorization: Bearer {admin_key}\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = ask(admin, &request)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let key: serde_json::Value = serde_json::from_str(body).map_err(|_| Failure::Key(answer.clone()))?;
    key["secret"].as_str().map(str::to_owned).ok_or_else(|| Failure::Key(answer.clone()))
}

/// How a binary was built, as far as it can be told: of the profiles in Cargo.toml only `release` strips symbols.
pub fn build(binary: &Path) -> &'static str {
    match has_symbols(&std::fs::read(binary).unwrap_or_default()) {
        Some(false) => "release profile: fat LTO, one codegen unit, as shipped",
        Some(true) => "with symbols, so not the release profile (the bench profile: thin LTO)",
        None => "profile unknown",
    }
}

/// Whether a file of ELF, 64 bits and little-endian, has a table of symbols among its sections.
fn has_symbols(elf: &[u8]) -> Option<bool> {
    const SYMBOLS: u32 = 2;
    let short = |at: usize| Some(usize::from(u16::from_le_bytes(elf.get(at..at + 2)?.try_into().ok()?)));
    let start = usize::try_from(u64::from_le_bytes(elf.get(0x28..0x30)?.try_into().ok()?)).ok()?;
    let (size, count) = (short(0x3a)?, short(0x3c)?);
    for section in 0..count {
        let at = start.checked_add(section * size + 4)?;
        if u32::from_le_bytes(elf.get(at..at.checked_add(4)?)?.try_into().ok()?) == SYMBOLS {
            return Some(true);
        }
    }
    Some(false)
}
