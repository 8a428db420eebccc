//! A worker: one thread, its sockets, its connections, its pools.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Instant;

use ahash::AHashMap;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::deadline::{Connections, SWEEP_EVERY};
use super::listener::{self, Served};
use super::per_address::PerAddress;
use super::shed::{self, Shedder};
use super::upstream::{Group, Prepared};
use crate::admission::Engine;
use crate::config::CredentialPlace;
use crate::model::clock::Clock;
use crate::model::id::Name;
use crate::record::access_log::LogStyle;
use crate::record::{Recorder, WorkerCell};
use crate::snapshot::{BoundLimit, Current, Snapshot};

/// Limits whose numbers a worker remembers; those of further ones are looked up each time.
const LIMITS_REMEMBERED_MAX: usize = 65_536;

/// What a worker is told to do.
#[derive(Debug)]
pub enum Command {
    /// Accept on this socket, for whichever listener is served on it.
    Listen(StdListener, Arc<Served>),
    /// Stop accepting on the socket of this address, and let the connections of the listener with this number finish
    /// what they are doing. The sender is dropped when the socket is closed.
    Unlisten(SocketAddr, u16, mpsc::Sender<()>),
    /// Stop accepting at all; finish what is running. The sender is dropped when nothing more is accepted: from then on
    /// every connection there is has been counted.
    Drain(mpsc::Sender<()>),
    /// End every connection and the thread.
    End,
}

/// What all workers share.
#[derive(Clone)]
pub struct Shared {
    /// What is in force.
    pub current: Arc<Current>,
    /// Decides.
    pub engine: Arc<Engine>,
    /// The upstreams of what is in force, or of what is about to be.
    pub upstreams: Arc<ArcSwap<Vec<Arc<Prepared>>>>,
    /// Remembers.
    pub recorder: Arc<Recorder>,
    /// Counts connections by address.
    pub per_address: Arc<PerAddress>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Salt of hashed addresses in the log.
    pub log_salt: [u8; 16],
}

/// The snapshot with what this worker needs beside it: pools, numbers for names.
#[derive(Debug)]
pub struct View {
    /// What is in force.
    pub snapshot: Arc<Snapshot>,
    /// How log lines are written.
    pub style: Arc<LogStyle>,
    /// Requests this worker may have in progress: its share of what the process may.
    pub requests_max: i64,
    groups: Vec<Arc<Group>>,
    /// Per route, by its index: its number in records and the place of its upstream in `groups`.
    routes: Vec<(u16, usize)>,
}

impl View {
    /// The number in records of the route at `index`.
    pub fn route_number(&self, index: usize) -> u16 {
        self.routes.get(index).map_or(0, |(number, _)| *number)
    }

    /// The upstream of the route at `index`.
    pub fn upstream(&self, index: usize) -> Option<&Arc<Group>> {
        self.groups.get(self.routes.get(index)?.1)
    }
}

/// One worker's state, shared by the tasks on its thread.
pub struct Worker {
    /// What all workers share.
    pub shared: Shared,
    /// Its own cell of the recorder.
    pub cell: Arc<WorkerCell>,
    /// Its connections.
    pub connections: Arc<Connections>,
    /// Turns requests away while it falls behind.
    pub shedder: Shedder,
    view: Mutex<Arc<View>>,
    limits: Mutex<AHashMap<u128, u16>>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("connections", &self.connections.len()).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker that serves what is in force now and counts into `cell`.
    pub fn new(shared: Shared, cell: Arc<WorkerCell>) -> Self {
        let view = Mutex::new(Arc::new(build_view(&shared, shared.current.load(), &[])));
        Worker {
            shared,
            cell,
            connections: Arc::default(),
            shedder: Shedder::default(),
            view,
            limits: Mutex::default(),
        }
    }

    /// What is in force, taken up anew if it has changed. Pools of upstreams that did not change are kept.
    pub fn view(&self) -> Arc<View> {
        let mut view = self.view.lock();
        if view.snapshot.generation != self.shared.current.generation() {
            *view = Arc::new(build_view(&self.shared, self.shared.current.load(), &view.groups));
        }
        Arc::clone(&view)
    }

    /// The number of a limit in records. Remembered, so that its name is looked up once.
    pub fn limit_number(&self, bound: &BoundLimit) -> u16 {
        let mut limits = self.limits.lock();
        if let Some(number) = limits.get(&bound.identity) {
            return *number;
        }
        let number = self.shared.recorder.limits.number(bound.label.as_str());
        if limits.len() < LIMITS_REMEMBERED_MAX {
            limits.insert(bound.identity, number);
        }
        number
    }

    /// Runs the worker until it is told to end.
    pub async fn run(self: Arc<Self>, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut accepting: HashMap<SocketAddr, (CancellationToken, JoinHandle<()>)> = HashMap::new();
        let acceptors = TaskTracker::new();
        tokio::spawn(shed::watch(Arc::clone(&self)));
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            let command = tokio::select! {
                _ = sweep.tick() => {
                    self.connections.sweep();
                    let (view, now) = (Arc::clone(&self.view.lock()), Instant::now());
                    view.groups.iter().for_each(|group| group.tidy(now));
                    continue;
                }
                command = commands.recv() => command,
            };
            match command {
                Some(Command::Listen(socket, served)) => {
                    let stop = CancellationToken::new();
                    let state = served.load_full();
                    match tokio::net::TcpListener::from_std(socket) {
                        Ok(socket) => {
                            let accept = listener::accept(Arc::clone(&self), socket, served, stop.clone());
                            accepting.insert(state.address, (stop, acceptors.spawn(accept)));
                        }
                        Err(error) => tracing::error!(%error, listener = state.label.name, "cannot accept"),
                    }
                }
                Some(Command::Unlisten(address, listener, done)) => {
                    if let Some((stop, acceptor)) = accepting.remove(&address) {
                        stop.cancel();
                        tokio::spawn(async move {
                            // However it ended, the socket is closed.
                            let _ = acceptor.await;
                            drop(done);
                        });
                    }
                    self.connections.drain_listener(listener);
                }
                Some(Command::Drain(done)) => {
                    accepting.drain().for_each(|(_, (stop, _))| stop.cancel());
                    self.connections.drain();
                    acceptors.close();
                    let acceptors = acceptors.clone();
                    tokio::spawn(async move {
                        acceptors.wait().await;
                        drop(done);
                    });
                }
                Some(Command::End) | None => {
                    accepting.drain().for_each(|(_, (stop, _))| stop.cancel());
                    self.connections.end();
                    return;
                }
            }
        }
    }
}

fn build_view(shared: &Shared, snapshot: Arc<Snapshot>, before: &[Arc<Group>]) -> View {
    let upstreams = shared.upstreams.load();
    let prepared: HashMap<&Name, &Arc<Prepared>> = upstreams.iter().map(|p| (&p.settings.name, p)).collect();
    let before: HashMap<&Name, &Arc<Group>> = before.iter().map(|g| (&g.settings().name, g)).collect();
    let mut groups = Vec::with_capacity(snapshot.config.upstreams.len());
    let mut places = HashMap::new();
    for settings in &snapshot.config.upstreams {
        let before = before.get(&settings.name);
        let group = match prepared.get(&settings.name).filter(|p| p.settings == *settings) {
            Some(prepared) => match before.filter(|g| Arc::ptr_eq(&g.prepared, prepared)) {
                Some(kept) => Arc::clone(kept),
                None => {
                    let number = shared.recorder.upstreams.number(settings.name.as_str());
                    Arc::new(Group::new(Arc::clone(prepared), number))
                }
            },
            // Those of the next configuration are prepared already: this one's are still here.
            None => match before.filter(|g| g.settings() == settings) {
                Some(kept) => Arc::clone(kept),
                None => continue,
            },
        };
        places.insert(settings.name.clone(), groups.len());
        groups.push(group);
    }
    let routes = snapshot.routes.iter().map(|active| {
        let number = shared.recorder.routes.number(active.route.name.as_str());
        // Every route's upstream is among the configured ones: `config` has checked it.
        (number, places.get(&active.route.upstream).copied().unwrap_or(usize::MAX))
    });
    let routes = routes.collect();
    let secret = |place: &CredentialPlace| match place {
        CredentialPlace::Query(name) => Some(name.clone()),
        _ => None,
    };
    let secrets = snapshot.config.api_key.from.iter().filter_map(secret).collect();
    let style = Arc::new(LogStyle::new(snapshot.config.log.access.clone(), shared.log_salt, secrets));
    let share = snapshot.config.requests_max.div_ceil(shared.recorder.cells.len().max(1));
    let requests_max = i64::try_from(share).unwrap_or(i64::MAX);
    View { style, requests_max, groups, routes, snapshot }
}
