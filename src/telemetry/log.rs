//! The log of the service itself, on standard error: start, stop, reloads, changes, failures. Requests go to the
//! access log.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

/// A log whose level can be changed while it runs.
#[derive(Debug, Clone)]
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
}

/// What is wrong with a level.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a log level: expected `error`, `warn`, `info`, `debug` or `trace`, or directives such as `info,argus=debug`"
)]
pub struct LevelError(String);

/// Starts the log. A second start in one process, as tests do, keeps the first.
///
/// # Errors
/// When `level` is none.
pub fn start(level: &str, json: bool) -> Result<LogHandle, LevelError> {
    let (filter, handle) = reload::Layer::new(parse(level)?);
    let lines = if json {
        fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed()
    } else {
        fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).with_target(false).boxed()
    };
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    Ok(LogHandle { filter: handle })
}

impl LogHandle {
    /// Changes the level.
    ///
    /// # Errors
    /// When `level` is none.
    pub fn set_level(&self, level: &str) -> Result<(), LevelError> {
        let filter = parse(level)?;
        // Fails only when the log is gone, and then nobody is there to tell.
        let _ = self.filter.reload(filter);
        Ok(())
    }
}

fn parse(level: &str) -> Result<EnvFilter, LevelError> {
    EnvFilter::try_new(level).map_err(|_| LevelError(level.chars().take(80).collect()))
}
