//! HAProxy: a map of keys and a stick table by the key's name.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Proxy, made_up_keys, version};
use crate::options::Options;
use crate::process::{Failure, Process, free_address};

/// A running HAProxy.
pub struct Haproxy {
    process: Process,
    address: SocketAddr,
    keys: Vec<String>,
    spare: String,
    version: String,
}

impl Haproxy {
    /// Starts one in `dir`.
    pub fn start(options: &Options, origin: SocketAddr, dir: &Path) -> Result<Self, Failure> {
        let mut keys = made_up_keys(options.keys + 1);
        let mut map = String::new();
        for (number, key) in keys.iter().enumerate() {
            let _ = writeln!(map, "{key} client-{number}");
        }
        let address = free_address()?;
        let config = dir.join("haproxy.cfg");
        std::fs::write(dir.join("keys.map"), map).map_err(Failure::io("HAProxy's map of keys"))?;
        std::fs::write(&config, configuration(options, origin, address, dir))
            .map_err(Failure::io("HAProxy's configuration"))?;
        let mut command = Command::new("/usr/sbin/haproxy");
        // In the foreground, without a master; its access log goes to standard output, which is a file here.
        command.arg("-db").arg("-f").arg(&config);
        let process = Process::start("haproxy", "haproxy", command, options.cores.0, address, &dir.join("access.log"))?;
        let spare = keys.pop().unwrap_or_default();
        Ok(Haproxy { process, address, keys, spare, version: version("/usr/sbin/haproxy", "-v") })
    }
}

fn configuration(options: &Options, origin: SocketAddr, address: SocketAddr, dir: &Path) -> String {
    let (dir, limit) = (dir.display(), options.per_minute);
    format!(
        "global
    nbthread 1
    maxconn 4096
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 120s
    timeout server 120s
    timeout http-keep-alive 120s
    timeout http-request 10s
frontend in
    bind {address} backlog 4096
    stick-table type string len 32 size 100k expire 2m store http_req_rate(60s)
    http-request set-var(txn.client) req.hdr(x-api-key),map_str({dir}/keys.map)
    http-request deny deny_status 401 unless {{ var(txn.client) -m found }}
    http-request track-sc0 var(txn.client)
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {limit} }}
    http-request del-header x-api-key
    http-request set-header x-client %[var(txn.client)]
    http-request set-header x-forwarded-for %[src]
    default_backend out
backend out
    server origin {origin} pool-max-conn 256
"
    )
}

impl Proxy for Haproxy {
    fn name(&self) -> &'static str {
        "haproxy"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn pid(&self) -> u32 {
        self.process.pid()
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn keys(&self) -> &[String] {
        &self.keys
    }

    fn spare(&self) -> &str {
        &self.spare
    }
}
