//! Lanes: threads with a connection each, behind a bounded queue.
//!
//! A call waits for its turn, then for its answer, and altogether never longer than the lane's deadline: a job whose
//! time has passed is not begun, and a statement that runs past it is interrupted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::fault::Fault;
use crate::store::StoreError;

/// Steps of the engine's virtual machine between two looks at the clock: some 10 µs.
const STEPS_PER_LOOK: i32 = 1_000;

/// How long the answer of a job that was interrupted at its deadline is waited for.
const ANSWER_GRACE: Duration = Duration::from_millis(50);

/// Gets no connection when the deadline has passed.
type Work = Box<dyn FnOnce(Option<&mut Connection>) + Send>;

struct Job {
    deadline: Instant,
    work: Work,
}

/// What a lane is made with.
pub(super) struct LaneSettings {
    /// Names its threads.
    pub(super) name: &'static str,
    /// The file that errors are about.
    pub(super) path: PathBuf,
    /// Calls that may wait.
    pub(super) queue_max: usize,
    /// Longest wait for an answer.
    pub(super) deadline: Duration,
}

/// Some threads and their queue. Dropping it ends them, after they have done what was queued.
pub(super) struct Lane {
    settings: LaneSettings,
    sender: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Lane {
    /// Starts a thread for each of `connections`.
    pub(super) fn start(settings: LaneSettings, connections: Vec<Connection>) -> Result<Lane, StoreError> {
        let (sender, receiver) = sync_channel(settings.queue_max);
        let receiver = Arc::new(Mutex::new(receiver));
        // From here on, an early return drops the lane, which ends the threads started so far.
        let mut lane = Lane { settings, sender: Some(sender), threads: Vec::with_capacity(connections.len()) };
        for connection in connections {
            let receiver = Arc::clone(&receiver);
            let worker = Worker::new(connection).map_err(|e| lane.told(e.into(), lane.settings.deadline))?;
            let thread = std::thread::Builder::new()
                .name(lane.settings.name.to_owned())
                .spawn(move || worker.run(&receiver))
                .map_err(|e| StoreError::Engine(format!("cannot start a thread: {e}")))?;
            lane.threads.push(thread);
        }
        Ok(lane)
    }

    /// Runs `work` with one of the connections. Dropping the future does not stop work that has begun.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.run_within(self.settings.deadline, work).await
    }

    /// Like [`Lane::run`], with a deadline of its own.
    pub(super) async fn run_within<T, F>(&self, deadline: Duration, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            deadline: Instant::now() + deadline,
            work: Box::new(move |connection| {
                // Whoever asked may have left; then nobody wants the answer.
                let _ = answer.send(connection.map(work));
            }),
        };
        let sender = self.sender.as_ref().ok_or_else(|| StoreError::Engine("the store is closed".into()))?;
        sender.try_send(job).map_err(|e| match e {
            TrySendError::Full(_) => StoreError::Busy(self.settings.queue_max),
            TrySendError::Disconnected(_) => StoreError::Engine("the store's threads have ended".into()),
        })?;
        match tokio::time::timeout(deadline + ANSWER_GRACE, answered).await {
            Ok(Ok(Some(result))) => result.map_err(|fault| self.told(fault, deadline)),
            Ok(Ok(None)) | Err(_) => Err(StoreError::Timeout(deadline)),
            Ok(Err(_)) => Err(StoreError::Engine("a job of the store broke off".into())),
        }
    }

    fn told(&self, fault: Fault, deadline: Duration) -> StoreError {
        fault.told(&self.settings.path, deadline)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.sender = None;
        for thread in self.threads.drain(..) {
            // A worker catches panics, so there is nothing to hear from it.
            let _ = thread.join();
        }
    }
}

/// One thread's side.
struct Worker {
    connection: Connection,
    started: Instant,
    /// Microseconds after `started` when the job at hand must end; `u64::MAX` between jobs.
    ends_us: Arc<AtomicU64>,
}

impl Worker {
    fn new(mut connection: Connection) -> rusqlite::Result<Worker> {
        let started = Instant::now();
        let ends_us = Arc::new(AtomicU64::new(u64::MAX));
        let seen = Arc::clone(&ends_us);
        connection
            .progress_handler(STEPS_PER_LOOK, Some(move || micros(started.elapsed()) > seen.load(Ordering::Relaxed)))?;
        Ok(Worker { connection, started, ends_us })
    }

    fn run(mut self, receiver: &Mutex<Receiver<Job>>) {
        loop {
            // The lock is held while waiting: the others wait for the lock instead of the queue.
            let Ok(job) = receiver.lock().recv() else { return };
            if Instant::now() >= job.deadline {
                (job.work)(None);
                continue;
            }
            self.ends_us.store(micros(job.deadline.duration_since(self.started)), Ordering::Relaxed);
            let outcome = catch_unwind(AssertUnwindSafe(|| (job.work)(Some(&mut self.connection))));
            self.ends_us.store(u64::MAX, Ordering::Relaxed);
            if outcome.is_err() {
                tracing::error!("a job of the store panicked");
            }
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
