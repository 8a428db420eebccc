//! The real program in a folder of its own, its certificates, and what it weighs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// An authority that lives as long as the run.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
        Authority { issuer }
    }

    /// Writes a new certificate into `dir`, each file at once.
    pub fn issue(&self, dir: &Path) {
        let params = CertificateParams::new(vec!["soak.example".to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        for (name, text) in [("tls.key", key.serialize_pem()), ("tls.crt", certificate.pem())] {
            let fresh = dir.join(format!("{name}.fresh"));
            std::fs::write(&fresh, text).expect("a file");
            std::fs::rename(&fresh, dir.join(name)).expect("a file");
        }
    }

    /// What trusts its certificates.
    pub fn trusting(&self) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.issuer.pem().as_bytes()).expect("PEM")).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Arc::new(builder.expect("versions").with_root_certificates(roots).with_no_client_auth())
    }
}

/// A running gateway; killed when dropped.
pub struct Gateway {
    /// Its folder.
    pub dir: PathBuf,
    /// Plain traffic.
    pub plain: SocketAddr,
    /// TLS traffic.
    pub tls: SocketAddr,
    ops: SocketAddr,
    program: PathBuf,
    servers: Vec<SocketAddr>,
    child: Child,
}

impl Gateway {
    /// Starts `program` in `dir` in front of `servers`, and waits until it is ready.
    pub fn start(program: &Path, dir: &Path, servers: &[SocketAddr]) -> std::io::Result<Self> {
        let [plain, tls, ops, admin] = [(); 4].map(|()| free());
        configure(dir, [plain, tls, ops, admin], servers, 0)?;
        let log = std::fs::File::create(dir.join("log"))?;
        let mut command = Command::new(program);
        command.arg("run").current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn()?;
        let (dir, program, servers) = (dir.to_owned(), program.to_owned(), servers.to_vec());
        let gateway = Gateway { dir, plain, tls, ops, program, servers, child };
        let begun = Instant::now();
        while !gateway.is_ready() {
            if begun.elapsed() > Duration::from_secs(20) {
                let said = std::fs::read_to_string(gateway.dir.join("log")).unwrap_or_default();
                return Err(std::io::Error::other(format!("the gateway did not get ready: {said}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(gateway)
    }

    fn is_ready(&self) -> bool {
        use std::io::{Read, Write};
        let Ok(mut stream) = std::net::TcpStream::connect(self.ops) else { return false };
        let _ = stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut text = String::new();
        stream.read_to_string(&mut text).is_ok() && text.starts_with("HTTP/1.1 200")
    }

    /// A key.
    pub fn key(&self) -> std::io::Result<String> {
        let made = Command::new(&self.program)
            .args(["key", "create", "soak", "--limit", "1000000/s"])
            .current_dir(&self.dir)
            .output()?;
        if !made.status.success() {
            return Err(std::io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&made.stdout).trim().to_owned())
    }

    /// Loads a configuration that differs a little from the last.
    pub fn reload(&self, round: u64, admin: SocketAddr) -> std::io::Result<()> {
        configure(&self.dir, [self.plain, self.tls, self.ops, admin], &self.servers, round)?;
        let sent = Command::new("kill").args(["-s", "HUP", &self.child.id().to_string()]).status()?;
        if sent.success() { Ok(()) } else { Err(std::io::Error::other("the gateway is gone")) }
    }

    /// Where the admin side listens, as it is written in the configuration.
    pub fn admin(&self) -> SocketAddr {
        let text = std::fs::read_to_string(self.dir.join("gateway.toml")).unwrap_or_default();
        let line = text.lines().skip_while(|line| *line != "[admin]").nth(1).unwrap_or_default();
        line.split('"').nth(1).and_then(|a| a.parse().ok()).unwrap_or(self.ops)
    }

    /// KiB of memory, and open descriptors.
    pub fn weight(&self) -> (u64, usize) {
        let pid = self.child.id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        let kib = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
        (kib, std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count))
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    listener.local_addr().expect("an address")
}

fn configure(dir: &Path, at: [SocketAddr; 4], servers: &[SocketAddr], round: u64) -> std::io::Result<()> {
    let [plain, tls, ops, admin] = at;
    let servers: Vec<String> = servers.iter().map(|s| format!("\"http://{s}\"")).collect();
    let text = format!(
        "[listeners.plain]\naddress = \"{plain}\"\ninsecure_requests = \"allow\"\n[listeners.tls]\naddress = \"{tls}\"\ntls = \"main\"\n\
         [tls.main]\ncertificate = \"tls.crt\"\nkey_file = \"tls.key\"\n[admin]\naddress = \"{admin}\"\n[ops]\naddress = \"{ops}\"\n\
         [upstreams.o]\nservers = [{}]\n[routes.api]\npaths = [\"/*\"]\nupstream = \"o\"\nauth = \"api_key\"\n\
         [routes.round]\nhosts = [\"round-{round}.example\"]\npaths = [\"/*\"]\nupstream = \"o\"\nauth = \"api_key\"\n",
        servers.join(", ")
    );
    std::fs::write(dir.join("gateway.fresh"), text)?;
    std::fs::rename(dir.join("gateway.fresh"), dir.join("gateway.toml"))
}
