//! What the kernel is asked: cores, processor time and memory of other processes, bytes nobody wants.

use std::io;
use std::os::fd::AsRawFd;
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

/// Bytes in memory of a process with all its children. What these share counts once; what a process alone in its family
/// shares with strangers, such as a library, counts in full.
pub fn memory_of(pid: u32) -> u64 {
    let family = family(pid);
    let field = if family.len() == 1 { "Rss:" } else { "Pss:" };
    let read = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find(|line| line.starts_with(field))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    family.into_iter().filter_map(read).sum::<u64>() * 1024
}

/// Takes up to `most` bytes from a TCP socket without copying them anywhere.
pub fn discard(socket: &impl AsRawFd, most: usize) -> io::Result<usize> {
    // SAFETY: with MSG_TRUNC a TCP socket throws the bytes away, and no memory is written to (tcp(7)).
    let count = unsafe { libc::recv(socket.as_raw_fd(), std::ptr::null_mut(), most, libc::MSG_TRUNC) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Lets waits of this thread end when they should, and not up to 50 microseconds later.
pub fn wake_sharply() {
    // SAFETY: no memory is involved.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
}

/// What the processor and the kernel call themselves.
pub fn about() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let models: Vec<&str> = cpus
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map(|(_, name)| name)
        .collect();
    let model = models.first().copied().unwrap_or("an unknown processor");
    format!("{} × {model}, Linux {}", models.len(), read("/proc/sys/kernel/osrelease").trim())
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
