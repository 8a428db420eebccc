//! Stopping: first not ready, then no new connections, then the end of what runs, then nothing unsaved.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::start::Running;
use super::{EXIT_INTERRUPTED, RunError};
use crate::proxy::worker::Command;

/// How often the end of running requests is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Longest wait for the workers once they are told to end, which they do at their next turn.
const WORKERS_END_MAX: Duration = Duration::from_secs(5);
/// Longest wait for the store to take what was counted last.
const FLUSH_END_MAX: Duration = Duration::from_secs(10);
/// Longest wait for whoever reads the log to take the rest of it.
const LOG_END_MAX: Duration = Duration::from_secs(2);
/// How often it is looked whether a worker has died.
const WORKERS_EVERY: Duration = Duration::from_secs(1);

/// Signals that are received from now on: until then one ends the process at once, as it ends any other.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// Runs until told to stop; then drains and ends.
///
/// # Errors
/// When a second signal cuts the drain short, or a worker has died.
pub async fn until_stopped(running: Running, mut signals: Signals) -> Result<(), RunError> {
    let mut look = tokio::time::interval(WORKERS_EVERY);
    let delay = loop {
        tokio::select! {
            _ = signals.terminate.recv() => break delay(&running, running.in_a_hurry),
            // Whoever presses Ctrl-C waits for nobody to notice.
            _ = signals.interrupt.recv() => break Duration::ZERO,
            () = running.drain.notified() => break delay(&running, false),
            _ = signals.hangup.recv() => {
                // The outcome is logged and counted where it is made.
                let _ = running.reloader.reload().await;
            }
            _ = look.tick() => {
                if running.threads.iter().any(std::thread::JoinHandle::is_finished) {
                    tracing::error!("a worker has died");
                    return end(running, Ended::Broken).await;
                }
            }
        }
    };
    drain(running, &mut signals, delay).await
}

/// How long new connections are still taken. Asked when the end comes, as a reload may have changed it.
fn delay(running: &Running, in_a_hurry: bool) -> Duration {
    let ops = &running.current.load().config.ops;
    if in_a_hurry && !ops.drain_delay_given { Duration::ZERO } else { ops.drain_delay }
}

/// How it came to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Requests had their time.
    Drained,
    /// A second signal came.
    CutShort,
    /// A worker died.
    Broken,
}

async fn drain(running: Running, signals: &mut Signals, delay: Duration) -> Result<(), RunError> {
    let grace = running.current.load().config.ops.drain_grace;
    running.health.is_draining();
    tracing::info!(delay_s = delay.as_secs_f64(), grace_s = grace.as_secs_f64(), "stopping");
    let ended = tokio::select! {
        () = finish_requests(&running, delay, grace) => Ended::Drained,
        () = signals.again() => Ended::CutShort,
    };
    end(running, ended).await
}

/// Ends the workers, and stores what was counted.
async fn end(running: Running, ended: Ended) -> Result<(), RunError> {
    running.listeners.tell_all(|| Command::End);
    running.shutdown.cancel();
    let workers = running.threads;
    let joining = tokio::task::spawn_blocking(move || workers.into_iter().all(|w| w.join().is_ok()));
    let joined = matches!(tokio::time::timeout(WORKERS_END_MAX, joining).await, Ok(Ok(true)));
    // The workers are gone, so nothing is counted after this.
    if tokio::time::timeout(FLUSH_END_MAX, running.periodic.flush()).await.is_err() {
        tracing::error!("what was counted last could not be stored in time");
    }
    let log = running.log;
    // A log that nobody reads any more must not hold up the end; what it holds is lost then.
    let _ = tokio::time::timeout(LOG_END_MAX, tokio::task::spawn_blocking(move || log.stop())).await;
    match (ended, joined) {
        (Ended::Drained, true) => Ok(()),
        (Ended::CutShort, _) => Err(RunError { message: "stopped at once".into(), hint: None, exit: EXIT_INTERRUPTED }),
        _ => Err(RunError { message: "a worker has died".into(), hint: None, exit: 1 }),
    }
}

/// Load balancers learn late that we are not ready, so connections are taken for `delay`; then requests in flight
/// have `grace` to end.
async fn finish_requests(running: &Running, delay: Duration, grace: Duration) {
    tokio::time::sleep(delay).await;
    let begun = Instant::now();
    let (sender, mut accepting) = mpsc::channel(1);
    running.listeners.tell_all(|| Command::Drain(sender.clone()));
    drop(sender);
    // A connection that the kernel has made for us is not counted before it is accepted. A worker that is gone, or stuck,
    // is not waited for longer than the requests are.
    let _ = tokio::time::timeout(grace, accepting.recv()).await;
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
    /// Receives them.
    ///
    /// # Errors
    /// When the system has no means to.
    pub fn new() -> Result<Self, RunError> {
        let receive = |kind| {
            signal(kind).map_err(|e| RunError {
                message: format!("signals cannot be received: {e}"),
                hint: None,
                exit: 1,
            })
        };
        Ok(Signals {
            terminate: receive(SignalKind::terminate())?,
            interrupt: receive(SignalKind::interrupt())?,
            hangup: receive(SignalKind::hangup())?,
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
