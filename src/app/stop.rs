//! Stopping: first not ready, then no new connections, then the end of what runs, then nothing unsaved.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::start::Running;
use super::{EXIT_INTERRUPTED, RunError};
use crate::proxy::worker::Command;

/// How often the end of running requests is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often it is looked whether a worker has died.
const WORKERS_EVERY: Duration = Duration::from_secs(1);

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// Runs until told to stop; then drains and ends.
///
/// # Errors
/// When a second signal cuts the drain short, or a worker has died.
pub async fn until_stopped(running: Running) -> Result<(), RunError> {
    let mut signals = Signals::new().map_err(|e| RunError {
        message: format!("signals cannot be received: {e}"),
        hint: None,
        exit: 1,
    })?;
    let mut look = tokio::time::interval(WORKERS_EVERY);
    let delay = running.current.load().config.ops.drain_delay;
    let delay = loop {
        tokio::select! {
            _ = signals.terminate.recv() => break if running.quick_drain { Duration::ZERO } else { delay },
            // Whoever presses Ctrl-C waits for nobody to notice.
            _ = signals.interrupt.recv() => break Duration::ZERO,
            () = running.drain.notified() => break delay,
            _ = signals.hangup.recv() => {
                // The outcome is logged and counted where it is made.
                let _ = running.reloader.reload().await;
            }
            _ = look.tick() => {
                if running.threads.iter().any(std::thread::JoinHandle::is_finished) {
                    tracing::error!("a worker has died");
                    return Err(RunError { message: "a worker has died".into(), hint: None, exit: 1 });
                }
            }
        }
    };
    drain(running, &mut signals, delay).await
}

async fn drain(running: Running, signals: &mut Signals, delay: Duration) -> Result<(), RunError> {
    let grace = running.current.load().config.ops.drain_grace;
    running.health.is_draining();
    tracing::info!(delay_s = delay.as_secs_f64(), grace_s = grace.as_secs_f64(), "stopping");
    let finished = tokio::select! {
        () = finish_requests(&running, delay, grace) => true,
        () = signals.again() => false,
    };
    running.listeners.tell_all(|| Command::End);
    running.shutdown.cancel();
    let workers = running.threads;
    let ended = tokio::task::spawn_blocking(move || workers.into_iter().all(|w| w.join().is_ok()));
    let ended = ended.await.unwrap_or(false);
    // The workers are gone, so nothing is counted after this.
    running.periodic.flush().await;
    let log = running.log;
    // A thread that could not be waited for has nothing to give back.
    let _ = tokio::task::spawn_blocking(move || log.stop()).await;
    match (finished, ended) {
        (true, true) => Ok(()),
        (false, _) => Err(RunError { message: "stopped at once".into(), hint: None, exit: EXIT_INTERRUPTED }),
        (true, false) => Err(RunError { message: "a worker has died".into(), hint: None, exit: 1 }),
    }
}

/// Load balancers learn late that we are not ready, so connections are taken for `delay`; then requests in flight
/// have `grace` to end.
async fn finish_requests(running: &Running, delay: Duration, grace: Duration) {
    tokio::time::sleep(delay).await;
    running.listeners.tell_all(|| Command::Drain);
    let begun = Instant::now();
    let open = || -> i64 { running.listeners_open() };
    while begun.elapsed() < grace && (running.recorder.active() > 0 || open() > 0) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let left = running.recorder.active();
    if left > 0 {
        tracing::warn!(requests = left, "requests did not end in time and are cut");
    }
}

impl Running {
    fn listeners_open(&self) -> i64 {
        let states = self.listeners.states();
        states.iter().map(|s| Arc::clone(&s.open).load(std::sync::atomic::Ordering::Relaxed)).sum()
    }
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a second signal to stop.
    async fn again(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
