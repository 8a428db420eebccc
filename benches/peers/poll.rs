//! Sockets that are ready, told by the kernel a batch at a time.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// What a socket is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Bytes to read.
    Read,
    /// Bytes to read, or room to write.
    ReadWrite,
}

/// Watches sockets.
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
        self.control(libc::EPOLL_CTL_ADD, socket, token, Want::Read)
    }

    /// Watches a socket that is watched for something else.
    pub fn change(&self, socket: &impl AsRawFd, token: usize, want: Want) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, socket, token, want)
    }

    fn control(&self, what: libc::c_int, socket: &impl AsRawFd, token: usize, want: Want) -> io::Result<()> {
        let events = match want {
            Want::Read => libc::EPOLLIN,
            Want::ReadWrite => libc::EPOLLIN | libc::EPOLLOUT,
        };
        let mut event = libc::epoll_event { events: events as u32, u64: token as u64 };
        // SAFETY: both descriptors are open, and the event is only read during the call.
        match unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), what, socket.as_raw_fd(), &mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Waits until something is ready or the time is over, to the microsecond, and adds the tokens to `ready`.
    pub fn wait(&mut self, time: Duration, ready: &mut Vec<usize>) -> io::Result<()> {
        let time = libc::timespec {
            tv_sec: time.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: time.subsec_nanos().into(),
        };
        // SAFETY: the buffer is ours and as long as we say; the time is only read; there is no set of signals.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                Poll::BATCH as libc::c_int,
                &raw const time,
                std::ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        };
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
