//! nginx: a `map` of keys and `limit_req` by the key's name.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Proxy, Stage, made_up_keys, version};
use crate::failure::Failure;
use crate::machine;
use crate::process::{Process, Program, free_address};

const PROGRAM: &str = "/usr/sbin/nginx";

/// Starts one.
pub fn start(stage: &Stage<'_>) -> Result<Proxy, Failure> {
    let dir = stage.folder("nginx")?;
    let keys = made_up_keys(stage.options.keys + 1);
    let (plain, tls) = (free_address()?, free_address()?);
    let config = dir.join("nginx.conf");
    std::fs::write(&config, configuration(stage, plain, tls, &keys, &dir))
        .map_err(Failure::io("nginx's configuration"))?;
    let mut command = Command::new(PROGRAM);
    command.arg("-p").arg(&dir).arg("-c").arg(&config).arg("-e").arg(dir.join("error.log"));
    let program = Program { name: "nginx", remedy: "apt-get install nginx-light", command };
    let process = Process::start(program, stage.options.cores.0, &[plain, tls], &dir.join("output.log"))?;
    Ok(Proxy::started("nginx", version(Path::new(PROGRAM), "-v"), process, (plain, tls), keys))
}

fn configuration(stage: &Stage<'_>, plain: SocketAddr, tls: SocketAddr, keys: &[String], dir: &Path) -> String {
    let mut map = String::new();
    for (number, key) in keys.iter().enumerate() {
        let _ = writeln!(map, "        {key} client-{number};");
    }
    // Only root may say as whom the workers run.
    let user = if machine::is_root() { "user root;" } else { "" };
    let (dir, rate, origin) = (dir.display(), stage.options.per_minute() / 60, stage.origin);
    let (chain, key) = (stage.certificate.chain.display(), stage.certificate.key.display());
    // Answers are buffered as is its way. Requests are not: all others stream them, and files would be compared to memory.
    format!(
        "{user}
daemon off;
worker_processes 1;
pid {dir}/pid;
events {{ worker_connections 8192; }}
http {{
    access_log {dir}/access.log combined buffer=64k flush=1s;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    client_max_body_size 0;
    keepalive_requests 1000000000;
    keepalive_timeout 120s;
    map_hash_max_size 65536;
    map_hash_bucket_size 128;
    map $http_x_api_key $client {{
        default '';
{map}    }}
    limit_req_zone $client zone=keys:16m rate={rate}r/s;
    ssl_certificate {chain};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    upstream origin {{
        server {origin};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {plain} backlog=4096;
        listen {tls} ssl http2 backlog=4096;
        location / {{
            if ($client = '') {{ return 401; }}
            limit_req zone=keys burst=1000 nodelay;
            limit_req_status 429;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_set_header Connection '';
            proxy_set_header Host $host;
            proxy_set_header X-API-Key '';
            proxy_set_header X-Client $client;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_pass http://origin;
        }}
    }}
}}
"
    )
}
