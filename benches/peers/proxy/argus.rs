//! Argus itself: its whole decision, with access log, metrics and usage as they are by default.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Proxy, version};
use crate::options::Options;
use crate::process::{Failure, Process, free_address};

/// A running Argus.
pub struct Argus {
    process: Process,
    address: SocketAddr,
    keys: Vec<String>,
    spare: String,
    version: String,
}

impl Argus {
    /// Starts one in `dir`, and has its admin side make the keys.
    pub fn start(options: &Options, origin: SocketAddr, dir: &Path) -> Result<Self, Failure> {
        let (address, admin, ops) = (free_address()?, free_address()?, free_address()?);
        let config = dir.join("gateway.toml");
        let text = format!(
            r#"listen = "{address}"

[admin]
address = "{admin}"

[ops]
address = "{ops}"
drain = {{ delay = "0s", grace = "2s" }}

[log]
format = "json"

[plans.peers]
limits = [{{ rate = "{}/min" }}]

[routes.all]
paths = ["/*"]
upstream = "http://{origin}"
auth = "api_key"
"#,
            options.per_minute
        );
        std::fs::write(&config, text).map_err(Failure::io("Argus's configuration"))?;
        let mut command = Command::new(&options.argus);
        command.arg("run").arg("--config").arg(&config).current_dir(dir);
        let process = Process::start("argus", "argus", command, options.cores.0, address, &dir.join("access.log"))?;
        let admin_key = std::fs::read_to_string(dir.join("argus-data/admin-key"))
            .map_err(Failure::io("the key of Argus's admin side"))?;
        let mut keys = (0..=options.keys)
            .map(|number| make_key(admin, admin_key.trim(), &format!("client-{number}")))
            .collect::<Result<Vec<_>, _>>()?;
        let spare = keys.pop().unwrap_or_default();
        let version = version(&options.argus.to_string_lossy(), "--version");
        Ok(Argus { process, address, keys, spare, version })
    }
}

/// Makes one key by the admin API, and gives its secret.
fn make_key(admin: SocketAddr, admin_key: &str, name: &str) -> Result<String, Failure> {
    let body = serde_json::json!({ "name": name, "plan": "peers" }).to_string();
    let request = format!(
        "POST /v1/keys HTTP/1.1\r\nHost: {admin}\r\nAuthorization: Bearer {admin_key}\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(admin).map_err(Failure::io("Argus's admin side"))?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(Failure::io("Argus's admin side"))?;
    stream.write_all(request.as_bytes()).map_err(Failure::io("Argus's admin side"))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(Failure::io("Argus's admin side"))?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let key: serde_json::Value = serde_json::from_str(body).map_err(|_| Failure::Key(answer.clone()))?;
    key["secret"].as_str().map(str::to_owned).ok_or_else(|| Failure::Key(answer.clone()))
}

impl Proxy for Argus {
    fn name(&self) -> &'static str {
        "argus"
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
