//! The composition root: the one place that names concrete stores, counters and clocks, and joins the parts into a
//! running gateway.

mod banner;
mod clock;
mod control;
mod first_run;
mod listeners;
mod open_files;
mod ops;
mod periodic;
mod process;
mod readings;
mod reload;
mod socket_file;
mod start;
mod stop;
mod usage;
mod watch;

use std::path::PathBuf;

/// What `argus run` is asked to do.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Configuration file.
    pub config: Option<PathBuf>,
    /// One upstream for everything, in place of a file.
    pub upstream: Option<String>,
    /// Where to listen, with `upstream`.
    pub listen: Option<String>,
}

/// Why the gateway did not start, or did not end well.
#[derive(Debug)]
pub struct RunError {
    /// What is wrong, naming the thing.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Exit code: 2 for a wrong configuration, 78 for what keeps it from starting, 1 for the rest, 130 if interrupted.
    pub exit: u8,
}

/// The configuration is wrong: a supervisor must not try again.
pub const EXIT_CONFIG: u8 = 2;
/// It cannot start here: a port, a permission, the store.
pub const EXIT_START: u8 = 78;
/// It was told to stop at once.
pub const EXIT_INTERRUPTED: u8 = 130;

impl RunError {
    fn config(rendered: String) -> Self {
        RunError { message: rendered, hint: None, exit: EXIT_CONFIG }
    }

    fn start(message: impl Into<String>, hint: impl Into<String>) -> Self {
        RunError { message: message.into(), hint: Some(hint.into()), exit: EXIT_START }
    }
}

/// Runs the gateway until it is told to stop.
///
/// # Errors
/// When it cannot start, with what to do about it.
pub fn run(options: RunOptions) -> Result<(), RunError> {
    start::run(options)
}
