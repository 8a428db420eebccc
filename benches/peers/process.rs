//! Proxies as processes, and all that can go wrong in a run.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::machine;

/// How long a proxy may take to listen.
const START_MAX: Duration = Duration::from_secs(15);

/// How long it may take to end when asked.
const END_MAX: Duration = Duration::from_secs(8);

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was wanted.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A program is not there.
    #[error("{program} is not installed: `apt-get install {package}`, or leave it out with --only")]
    Missing {
        /// Its name.
        program: &'static str,
        /// Where it comes from.
        package: &'static str,
    },
    /// A name nobody knows.
    #[error("there is no proxy `{0}`: argus, nginx, haproxy")]
    Unknown(String),
    /// A proxy did not come up.
    #[error("{program} does not listen: see {}\n{said}", .log.display())]
    Start {
        /// Its name.
        program: &'static str,
        /// Where it wrote what is wrong.
        log: PathBuf,
        /// The end of that.
        said: String,
    },
    /// A proxy does not do the work that is to be compared.
    #[error("{proxy} answers {got} {to}, where {expected} is right: the comparison would be void")]
    Wrong {
        /// Which.
        proxy: &'static str,
        /// To what.
        to: &'static str,
        /// What it answered.
        got: u16,
        /// What it should have.
        expected: u16,
    },
    /// Refusals where there should be none.
    #[error("{proxy} refused {count} requests of the load: the comparison would be void")]
    Refused {
        /// Which.
        proxy: &'static str,
        /// How many.
        count: usize,
    },
    /// The limit does not limit.
    #[error("{0} requests with one key were let through: the limit is not in force")]
    NeverRefused(usize),
    /// No answer.
    #[error("no answer for {0:?}")]
    Stalled(Duration),
    /// A connection closed in the middle.
    #[error("the proxy closed a connection of the load")]
    Closed,
    /// An answer we cannot tell the end of.
    #[error("an answer without a length, or longer than it said")]
    Unread,
    /// The admin side did not make a key.
    #[error("no key was made: {0}")]
    Key(String),
}

impl Failure {
    /// The system refused `what`.
    pub fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Failure::Io { what, source }
    }
}

/// A running proxy; ended when dropped.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `command` on a core, with its output in `log`, and waits until it listens on `address`.
    pub fn start(
        program: &'static str,
        package: &'static str,
        mut command: Command,
        core: usize,
        address: SocketAddr,
        log: &Path,
    ) -> Result<Self, Failure> {
        let out = File::create(log).map_err(Failure::io("a log"))?;
        let err = out.try_clone().map_err(Failure::io("a log"))?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        // SAFETY: between fork and exec the child only makes system calls; nothing is allocated or locked.
        unsafe { command.pre_exec(move || machine::in_child(core)) };
        let child = command.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Failure::Missing { program, package },
            _ => Failure::Io { what: "starting a proxy", source },
        })?;
        let mut process = Process { child };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = process.child.try_wait().map_err(Failure::io("a proxy"))?.is_some();
            if ended || started.elapsed() > START_MAX {
                let text = std::fs::read_to_string(log).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                let said = lines[lines.len().saturating_sub(20)..].join("\n");
                return Err(Failure::Start { program, log: log.to_owned(), said });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Asked first: nginx's master ends its workers, which a kill would leave behind.
        machine::signal(self.child.id(), libc::SIGTERM);
        let asked = Instant::now();
        while asked.elapsed() < END_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of loopback that is free at this moment.
pub fn free_address() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::io("a free port"))?;
    listener.local_addr().map_err(Failure::io("a free port"))
}
