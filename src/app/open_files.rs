//! How many files and sockets this process may have open.

/// Raises the limit of open files to the most this user may have. What a shell or a service manager sets by default is
/// meant for programs that wait with `select`, and is used up by a few hundred clients.
pub fn raise_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer and outlives the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 || limit.rlim_cur >= limit.rlim_max {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is a valid limit and outlives the call; raising the soft limit changes nothing that is open.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        let error = std::io::Error::last_os_error();
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}
