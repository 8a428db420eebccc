//! HAProxy: a map of keys and a stick table by the key's name.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Proxy, Stage, made_up_keys, version};
use crate::failure::Failure;
use crate::process::{Process, Program, free_address};

const PROGRAM: &str = "/usr/sbin/haproxy";

/// Starts one.
pub fn start(stage: &Stage<'_>) -> Result<Proxy, Failure> {
    let dir = stage.folder("haproxy")?;
    let keys = made_up_keys(stage.options.keys + 1);
    let mut map = String::new();
    for (number, key) in keys.iter().enumerate() {
        let _ = writeln!(map, "{key} client-{number}");
    }
    let (plain, tls) = (free_address()?, free_address()?);
    let config = dir.join("haproxy.cfg");
    std::fs::write(dir.join("keys.map"), map).map_err(Failure::io("HAProxy's map of keys"))?;
    std::fs::write(&config, configuration(stage, plain, tls, &dir)).map_err(Failure::io("HAProxy's configuration"))?;
    let mut command = Command::new(PROGRAM);
    // In the foreground, without a master; its access log goes to standard output, which is a file here.
    command.arg("-db").arg("-f").arg(&config);
    let program = Program { name: "haproxy", remedy: "apt-get install haproxy", command };
    let process = Process::start(program, stage.options.cores.0, &[plain, tls], &dir.join("access.log"))?;
    Ok(Proxy::started("haproxy", version(Path::new(PROGRAM), "-v"), process, (plain, tls), keys))
}

fn configuration(stage: &Stage<'_>, plain: SocketAddr, tls: SocketAddr, dir: &Path) -> String {
    let (dir, limit, origin) = (dir.display(), stage.options.per_minute(), stage.origin);
    let both = stage.certificate.both.display();
    format!(
        "global
    nbthread 1
    maxconn 4096
    log stdout format raw local0
    tune.ssl.default-dh-param 2048
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
    bind {plain} backlog 4096
    bind {tls} backlog 4096 ssl crt {both} alpn h2,http/1.1
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
