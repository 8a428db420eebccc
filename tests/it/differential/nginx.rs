//! A plain nginx in front of an origin.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use crate::support::process::Process;
use crate::support::{ports, until};

/// It ends with the test.
pub struct Nginx {
    address: SocketAddr,
    _process: Process,
    _dir: tempfile::TempDir,
}

impl Nginx {
    /// Passes everything on to `origin` as its manual recommends for HTTP/1.1.
    #[track_caller]
    pub fn before(origin: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free()));
        let at = dir.path().display();
        let conf = format!(
            "daemon off; master_process off; pid {at}/pid; error_log stderr crit;\nevents {{}}\nhttp {{\n access_log off;\n \
             client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; \
             scgi_temp_path {at}/s;\n server {{\n  listen {address};\n  location / {{\n   proxy_pass {origin};\n   \
             proxy_http_version 1.1;\n   proxy_set_header Host $http_host;\n   proxy_set_header Connection \"\";\n   \
             proxy_request_buffering off;\n  }}\n }}\n}}\n"
        );
        std::fs::write(dir.path().join("nginx.conf"), conf).unwrap();
        let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default());
        let which = path.split(':').map(|p| format!("{p}/nginx")).find(|p| std::path::Path::new(p).exists());
        let program = which.expect("nginx, which ./run-tests installs");
        let mut command = Command::new(program);
        command.arg("-p").arg(dir.path()).arg("-c").arg(dir.path().join("nginx.conf")).args(["-e", "stderr"]);
        let mut process = Process::spawn(&mut command);
        until("nginx to listen", || {
            assert!(process.ended().is_none(), "nginx: {}", process.said());
            TcpStream::connect(address).ok()
        });
        Nginx { address, _process: process, _dir: dir }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
