//! nginx: a `map` of keys and `limit_req` by the key's name.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Proxy, made_up_keys, version};
use crate::machine;
use crate::options::Options;
use crate::process::{Failure, Process, free_address};

/// A running nginx.
pub struct Nginx {
    process: Process,
    address: SocketAddr,
    keys: Vec<String>,
    spare: String,
    version: String,
}

impl Nginx {
    /// Starts one in `dir`.
    pub fn start(options: &Options, origin: SocketAddr, dir: &Path) -> Result<Self, Failure> {
        let mut keys = made_up_keys(options.keys + 1);
        let address = free_address()?;
        let config = dir.join("nginx.conf");
        std::fs::write(&config, configuration(options, origin, address, &keys, dir))
            .map_err(Failure::io("nginx's configuration"))?;
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-p").arg(dir).arg("-c").arg(&config).arg("-e").arg(dir.join("error.log"));
        let process =
            Process::start("nginx", "nginx-light", command, options.cores.0, address, &dir.join("output.log"))?;
        let spare = keys.pop().unwrap_or_default();
        Ok(Nginx { process, address, keys, spare, version: version("/usr/sbin/nginx", "-v") })
    }
}

fn configuration(options: &Options, origin: SocketAddr, address: SocketAddr, keys: &[String], dir: &Path) -> String {
    let mut map = String::new();
    for (number, key) in keys.iter().enumerate() {
        let _ = writeln!(map, "        {key} client-{number};");
    }
    // Only root may say as whom the workers run.
    let user = if machine::is_root() { "user root;" } else { "" };
    let (dir, rate) = (dir.display(), options.per_minute / 60);
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
    keepalive_requests 1000000000;
    keepalive_timeout 120s;
    map_hash_max_size 65536;
    map_hash_bucket_size 128;
    map $http_x_api_key $client {{
        default '';
{map}    }}
    limit_req_zone $client zone=keys:16m rate={rate}r/s;
    upstream origin {{
        server {origin};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {address} backlog=4096;
        location / {{
            if ($client = '') {{ return 401; }}
            limit_req zone=keys burst=1000 nodelay;
            limit_req_status 429;
            proxy_http_version 1.1;
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

impl Proxy for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
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
