//! Proxies as processes.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::{machine, stop};

/// How long a proxy may take to listen.
const START_MAX: Duration = Duration::from_secs(30);

/// How long it may take to end when asked.
const END_MAX: Duration = Duration::from_secs(8);

/// A program that is run.
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// How it is installed.
    pub remedy: &'static str,
    /// Itself and its arguments.
    pub command: Command,
}

/// A running proxy; ended when dropped.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `program` on a core, with its output in `log`, and waits until it listens on all of `addresses`.
    pub fn start(program: Program, core: usize, addresses: &[SocketAddr], log: &Path) -> Result<Self, Failure> {
        let mut process = Process::spawn(program.command, core, log).map_err(|failure| match failure {
            Failure::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Failure::Missing { program: program.name, remedy: program.remedy }
            }
            other => other,
        })?;
        let started = Instant::now();
        for address in addresses {
            while TcpStream::connect(address).is_err() {
                stop::check()?;
                process.check(program.name, log, started)?;
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(process)
    }

    /// An error where it has ended, or should listen by now.
    pub fn check(&mut self, program: &'static str, log: &Path, started: Instant) -> Result<(), Failure> {
        let ended = self.child.try_wait().map_err(Failure::io("a proxy"))?.is_some();
        if !ended && started.elapsed() < START_MAX {
            return Ok(());
        }
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let said = lines[lines.len().saturating_sub(20)..].join("\n");
        Err(Failure::Start { program, log: log.to_owned(), said })
    }

    /// Starts a program on a core, with its output in `log`.
    pub fn spawn(mut command: Command, core: usize, log: &Path) -> Result<Self, Failure> {
        let out = File::create(log).map_err(Failure::io("a log"))?;
        let err = out.try_clone().map_err(Failure::io("a log"))?;
        // In a group of its own: Ctrl-C at a terminal is for us, and we end it.
        command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
        // SAFETY: between fork and exec the child only makes system calls; nothing is allocated or locked.
        unsafe { command.pre_exec(move || machine::in_child(core)) };
        Ok(Process { child: command.spawn().map_err(Failure::io("starting a proxy"))? })
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
