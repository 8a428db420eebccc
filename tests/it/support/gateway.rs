//! The real binary in a folder of its own, on ports of its own, ended when the test ends.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use super::client::{Answer, Connection, Request};
use super::process::{Process, Run, argus};
use super::wait::until;
use super::{Origin, ports};

/// Starts, and starts again, before a clash of ports counts as a failure.
const STARTS: usize = 3;

/// Addresses of one gateway.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Traffic.
    pub traffic: SocketAddr,
    /// A second listener, for tests that configure one.
    pub second: SocketAddr,
    /// The admin side.
    pub admin: SocketAddr,
    /// Probes and metrics.
    pub ops: SocketAddr,
}

impl Addresses {
    fn free() -> Self {
        let any = || SocketAddr::from(([127, 0, 0, 1], ports::free()));
        Addresses { traffic: any(), second: any(), admin: any(), ops: any() }
    }
}

/// A running gateway.
pub struct Gateway {
    /// Its folder: `gateway.toml` and `argus-data` are in it.
    pub dir: PathBuf,
    /// Where it listens.
    pub at: Addresses,
    process: Option<Process>,
    setup: Setup,
    _kept: tempfile::TempDir,
}

/// How a gateway is started.
#[derive(Debug, Clone)]
pub struct Setup {
    toml: String,
    origin: String,
    env: Vec<(String, String)>,
    files: Vec<(String, Vec<u8>)>,
}

impl Setup {
    /// With this configuration; the parts every gateway needs are added where they are not written.
    pub fn new(toml: &str) -> Self {
        Setup { toml: toml.to_owned(), origin: String::new(), env: Vec::new(), files: Vec::new() }
    }

    /// `{origin}` in the configuration.
    pub fn origin(mut self, url: &str) -> Self {
        self.origin = url.to_owned();
        self
    }

    /// A variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file in its folder.
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    /// Starts, and waits until it is ready.
    #[track_caller]
    pub fn start(self) -> Gateway {
        match self.try_start() {
            Ok(gateway) => gateway,
            Err(run) => panic!("argus did not start: {run:?}"),
        }
    }

    /// Starts; what it said, if it ends instead of getting ready.
    pub fn try_start(self) -> Result<Gateway, Run> {
        for attempt in 1.. {
            let kept = tempfile::Builder::new().prefix("argus-it-").tempdir().unwrap();
            let mut gateway = Gateway {
                dir: kept.path().to_owned(),
                at: Addresses::free(),
                process: None,
                setup: self.clone(),
                _kept: kept,
            };
            for (name, content) in &self.files {
                gateway.write(name, content);
            }
            gateway.configure(&self.toml);
            match gateway.launch() {
                Ok(()) => return Ok(gateway),
                Err(run) if run.stderr.contains("in use") && attempt < STARTS => continue,
                Err(run) => return Err(run),
            }
        }
        unreachable!("the loop ends by returning")
    }
}

impl Gateway {
    /// In front of `origin` with this configuration, in which `{origin}` is its address.
    #[track_caller]
    pub fn start(origin: &Origin, toml: &str) -> Self {
        Setup::new(toml).origin(&origin.url()).start()
    }

    /// Writes `gateway.toml` anew, with the parts that every gateway needs.
    pub fn configure(&self, toml: &str) {
        self.write("gateway.toml", self.completed(toml));
    }

    /// A configuration with the parts that every gateway needs.
    pub fn completed(&self, toml: &str) -> String {
        self.filled(&complete(&self.filled(toml)))
    }

    /// Fills in `{origin}`, `{dir}`, and the addresses `{traffic}`, `{second}`, `{admin}` and `{ops}`.
    pub fn filled(&self, text: &str) -> String {
        text.replace("{origin}", &self.setup.origin)
            .replace("{dir}", &self.dir.display().to_string())
            .replace("{traffic}", &self.at.traffic.to_string())
            .replace("{second}", &self.at.second.to_string())
            .replace("{admin}", &self.at.admin.to_string())
            .replace("{ops}", &self.at.ops.to_string())
    }

    /// Writes a file of its folder, whole and at once.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let fresh = path.with_extension("fresh");
        std::fs::write(&fresh, content).unwrap();
        std::fs::rename(&fresh, &path).unwrap();
    }

    /// A file of its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn launch(&mut self) -> Result<(), Run> {
        let mut command = self.command();
        command.arg("run");
        if !self.setup.toml.contains("max_lag") {
            // On a machine that does other things at once a worker may run late for reasons that are no test's.
            command.env("ARGUS_RESOURCES_MAX_LAG", "never");
        }
        let mut process = Process::spawn(&mut command);
        let ops = self.at.ops;
        let ended = until("argus to get ready", || {
            if let Some(status) = process.ended() {
                return Some(Some(status));
            }
            let probe = std::net::TcpStream::connect(ops).ok()?;
            drop(probe);
            (Request::new(ops, "GET", "/readyz").send().status == 200).then_some(None)
        });
        match ended {
            Some(status) => Err(process.into_run(status)),
            None => {
                self.process = Some(process);
                Ok(())
            }
        }
    }

    fn command(&self) -> Command {
        let mut command = argus();
        command.current_dir(&self.dir).env("XDG_CONFIG_HOME", self.dir.join("config"));
        for (name, value) in &self.setup.env {
            command.env(name, value);
        }
        command
    }

    /// Runs the binary as a command in the gateway's folder, where it finds the gateway by itself.
    pub fn argus<S: AsRef<str>>(&self, args: &[S]) -> Run {
        let mut command = self.command();
        command.args(args.iter().map(AsRef::as_ref));
        Run::of(&mut command)
    }

    /// Creates a key by the command line; `args` as after `argus key create`. Gives the secret.
    #[track_caller]
    pub fn key<S: AsRef<str>>(&self, args: &[S]) -> String {
        let mut all = vec!["key", "create"];
        all.extend(args.iter().map(AsRef::as_ref));
        self.argus(&all).ok().trim().to_owned()
    }

    /// A GET of the traffic listener.
    pub fn get(&self, target: &str) -> Request {
        self.request("GET", target)
    }

    /// A request of the traffic listener.
    pub fn request(&self, method: &str, target: &str) -> Request {
        Request::new(self.at.traffic, method, target)
    }

    /// A GET of the ops listener.
    #[track_caller]
    pub fn ops(&self, target: &str) -> Answer {
        Request::new(self.at.ops, "GET", target).send()
    }

    /// A request of the admin side, with its key.
    pub fn admin(&self, method: &str, target: &str) -> Request {
        let bearer = format!("Bearer {}", self.admin_key());
        Request::new(self.at.admin, method, target).header("Authorization", &bearer)
    }

    /// The key of the admin side, which the gateway made by itself.
    #[track_caller]
    pub fn admin_key(&self) -> String {
        let path = self.dir.join("argus-data/admin-key");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        text.trim().to_owned()
    }

    /// The sum of a metric's samples whose labels hold all of `labels`, such as `code="rate_limited"`.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.ops("/metrics").expect(200).text();
        text.lines()
            .filter(|line| line.starts_with(name) && line[name.len()..].starts_with([' ', '{']))
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// A connection to the traffic listener.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.at.traffic)
    }

    /// Sends bytes on a new connection, closes that direction, and gives all that comes back.
    #[track_caller]
    pub fn raw(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        self.connect().send(bytes).half_close().all()
    }

    /// A URL of the traffic listener.
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.at.traffic)
    }

    /// The running process.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("a running gateway").child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let done = Command::new("kill").args(["-s", signal, &pid]).status().unwrap();
        assert!(done.success(), "kill -s {signal} {pid}");
    }

    /// What it wrote to standard output and standard error so far.
    pub fn said(&self) -> String {
        self.process.as_ref().map(Process::said).unwrap_or_default()
    }

    /// The JSON lines it wrote of one kind, such as `access`.
    pub fn lines(&self, kind: &str) -> Vec<serde_json::Value> {
        self.said()
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|line| line["kind"] == kind)
            .collect()
    }

    /// Waits until the process ends by itself.
    #[track_caller]
    pub fn wait(&mut self) -> Run {
        let mut process = self.process.take().expect("a running gateway");
        let status = until("argus to end", || process.ended());
        process.into_run(status)
    }

    /// Ends it with SIGTERM and waits.
    #[track_caller]
    pub fn stop(&mut self) -> Run {
        self.signal("TERM");
        self.wait()
    }

    /// Ends it with SIGKILL, as a crash would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again in the same folder, on the same addresses.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.try_start_again().unwrap_or_else(|run| panic!("argus did not start again: {run:?}"));
    }

    /// Starts it again with another variable in its environment.
    #[track_caller]
    pub fn start_again_with(&mut self, name: &str, value: &str) {
        self.setup.env.push((name.to_owned(), value.to_owned()));
        self.start_again();
    }

    /// Starts it again; what it said, if it ends instead of getting ready.
    pub fn try_start_again(&mut self) -> Result<(), Run> {
        assert!(self.process.is_none(), "it is still running");
        self.launch()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- argus in {} said:\n{}", self.dir.display(), self.said());
        }
    }
}

/// Adds listener, admin side and probes where the text does not have them.
fn complete(text: &str) -> String {
    let tables = text.find("\n[").map_or(text.len(), |at| at + 1);
    let (top, rest) = if text.starts_with('[') { ("", text) } else { text.split_at(tables) };
    let mut whole = String::new();
    if !top.contains("listen") && !rest.contains("[listeners") {
        whole.push_str("listen = \"{traffic}\"\n");
    }
    whole.push_str(top);
    if !rest.contains("[admin]") {
        whole.push_str("[admin]\naddress = \"{admin}\"\n");
    }
    if !rest.contains("[ops]") {
        whole.push_str("[ops]\naddress = \"{ops}\"\ndrain = { delay = \"0s\", grace = \"5s\" }\n");
    }
    whole.push_str(rest);
    whole
}
