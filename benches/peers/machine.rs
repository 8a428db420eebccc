//! What the kernel is asked: cores, sockets that are ready, processor time and memory of other processes.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Ties this thread, and what it starts, to one core. `false` if there is no such core for us.
pub fn pin(core: usize) -> bool {
    // SAFETY: the set is a plain array of bits that we own; CPU_SET refuses cores outside of it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if core >= libc::CPU_SETSIZE as usize {
            return false;
        }
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) == 0
    }
}

/// Allows as many open files as the system lets us have; children inherit it.
pub fn raise_open_files() {
    // SAFETY: both calls read or write one struct that we own.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

/// Sends a signal to a process that we started.
pub fn signal(pid: u32, signal: i32) {
    if let Ok(pid) = libc::pid_t::try_from(pid) {
        // SAFETY: no memory is involved.
        unsafe { libc::kill(pid, signal) };
    }
}

/// In the child, before it becomes the proxy: its core, and its end when we end.
pub fn in_child(core: usize) -> io::Result<()> {
    pin(core);
    // SAFETY: no memory is involved.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether we are root.
pub fn is_root() -> bool {
    // SAFETY: cannot fail and involves no memory.
    unsafe { libc::geteuid() == 0 }
}

/// Processor time, user and system, of a process with all its threads and children.
pub fn cpu_of(pid: u32) -> Duration {
    // SAFETY: cannot fail and involves no memory.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    let ticks: u64 = family(pid).into_iter().filter_map(stat).map(|s| s.user + s.system).sum();
    Duration::from_secs_f64(ticks as f64 / per_second as f64)
}

/// Bytes in memory of a process with all its children; what they share counts once.
pub fn memory_of(pid: u32) -> u64 {
    let proportional = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find(|line| line.starts_with("Pss:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    family(pid).into_iter().filter_map(proportional).sum::<u64>() * 1024
}

struct Stat {
    parent: u32,
    user: u64,
    system: u64,
}

/// The numbers of `/proc/PID/stat` we care for; the name in it may hold anything, so we start after it.
fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text[text.rfind(')')? + 1..].split_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let user = fields.nth(9)?.parse().ok()?;
    Some(Stat { parent, user, system: fields.next()?.parse().ok()? })
}

/// A process and all that descends from it.
fn family(pid: u32) -> Vec<u32> {
    let all: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?.parent)))
        .collect();
    let mut members = vec![pid];
    let mut next = 0;
    while next < members.len() {
        let parent_pid = members[next];
        members.extend(all.iter().filter(|(_, parent)| *parent == parent_pid).map(|(pid, _)| *pid));
        next += 1;
    }
    members
}

/// Sockets that are ready, told by the kernel a batch at a time.
pub struct Poll {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Poll {
    /// Events taken at once.
    const BATCH: usize = 256;

    /// One that watches nothing.
    pub fn new() -> io::Result<Self> {
        // SAFETY: the descriptor is new and nobody else's.
        let epoll = unsafe {
            let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Poll { epoll, events: vec![libc::epoll_event { events: 0, u64: 0 }; Poll::BATCH] })
    }

    /// Watches a socket for bytes to read; it is told by `token`, and forgotten when it is closed.
    pub fn watch(&self, socket: &impl AsRawFd, token: usize) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token as u64 };
        let fd: RawFd = socket.as_raw_fd();
        // SAFETY: both descriptors are open, and the event is only read during the call.
        match unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Waits until something is ready or the time is over, and adds the tokens to `ready`.
    pub fn wait(&mut self, time: Duration, ready: &mut Vec<usize>) -> io::Result<()> {
        let millis = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the buffer is ours and as long as we say.
        let count =
            unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), self.events.as_mut_ptr(), Poll::BATCH as i32, millis) };
        match usize::try_from(count) {
            Ok(count) => ready.extend(self.events[..count].iter().map(|event| event.u64 as usize)),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}
