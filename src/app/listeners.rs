//! The listeners in force, and how they follow a changed configuration.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, UnboundedSender, channel};

use super::RunError;
use crate::config::{Config, Listener, TlsCertificate};
use crate::proxy::listener::{ListenerState, Served, bind};
use crate::proxy::tls::TlsState;
use crate::proxy::worker::Command;
use crate::record::Recorder;
use crate::record::ticket::ListenerLabel;

/// Listeners by the address they are configured with, and the workers that serve them.
pub struct Listeners {
    recorder: Arc<Recorder>,
    workers: Vec<UnboundedSender<Command>>,
    open: Mutex<Vec<Arc<Served>>>,
}

/// A listener that is bound and not yet served.
struct Bound {
    served: Arc<Served>,
    sockets: Vec<TcpListener>,
}

/// What a new configuration does to the listeners. Made before anything is changed: certificates are read, addresses
/// bound. Sockets whose address stays are kept, whatever else about their listener changes.
pub struct Plan {
    new: Vec<Bound>,
    kept: Vec<(Arc<Served>, Arc<ListenerState>)>,
    gone: Vec<Arc<Served>>,
}

impl Listeners {
    /// No listeners yet.
    pub fn new(recorder: Arc<Recorder>, workers: Vec<UnboundedSender<Command>>) -> Self {
        Listeners { recorder, workers, open: Mutex::default() }
    }

    /// Binds what is new in `config` and reads all certificates. Nothing is served yet, and what is served goes on.
    ///
    /// # Errors
    /// The first listener that cannot be bound, or whose certificate cannot be used.
    pub fn plan(&self, config: &Config) -> Result<Plan, RunError> {
        let open = self.open.lock();
        let mut plan = Plan { new: Vec::new(), kept: Vec::new(), gone: Vec::new() };
        for settings in &config.listeners {
            match open.iter().find(|served| has_address(&served.load(), settings)) {
                Some(served) => {
                    let before = served.load();
                    let next = self.state(settings, before.address, Some(&before))?;
                    plan.kept.push((Arc::clone(served), Arc::new(next)));
                }
                None => plan.new.push(self.bind(settings, &open)?),
            }
        }
        let is_kept = |served: &Arc<Served>| plan.kept.iter().any(|(kept, _)| Arc::ptr_eq(kept, served));
        plan.gone = open.iter().filter(|served| !is_kept(served)).cloned().collect();
        Ok(plan)
    }

    fn bind(&self, settings: &Listener, open: &[Arc<Served>]) -> Result<Bound, RunError> {
        let mut state = self.state(settings, settings.address, None)?;
        let port = settings.address.port();
        let is_ours = port != 0 && open.iter().any(|served| served.load().address.port() == port);
        let bound = bind(settings.address, self.workers.len(), is_ours).map_err(|e| not_bound(settings, &e))?;
        let (address, sockets) = bound;
        state.address = address;
        Ok(Bound { served: Arc::new(Served::from_pointee(state)), sockets })
    }

    fn state(
        &self,
        settings: &Listener,
        address: SocketAddr,
        before: Option<&ListenerState>,
    ) -> Result<ListenerState, RunError> {
        let name = settings.name.as_str();
        let tls = match &settings.tls {
            Some(tls) => {
                let read = TlsState::load(tls).map_err(|e| unusable(name, &e))?;
                let before = before.and_then(|b| b.tls.as_ref());
                Some(before.filter(|b| b.is_same(&read)).cloned().unwrap_or_else(|| Arc::new(read)))
            }
            None => None,
        };
        let number = self.recorder.listeners.number(name);
        let max = settings.limits.max_handshakes;
        let handshakes = before.filter(|b| b.settings.limits.max_handshakes == max).map(|b| Arc::clone(&b.handshakes));
        Ok(ListenerState {
            label: Arc::new(ListenerLabel { name: name.to_owned(), number }),
            settings: Arc::new(settings.clone()),
            tls,
            handshakes: handshakes.unwrap_or_else(|| Arc::new(Semaphore::new(max))),
            open: self.recorder.connections(number),
            address,
        })
    }

    /// Does what was planned. Cannot fail. The receiver ends when the sockets that are gone are closed: until then their
    /// ports are taken.
    pub fn apply(&self, plan: Plan) -> Receiver<()> {
        let (sender, gone) = channel(1);
        let mut open = self.open.lock();
        for gone in &plan.gone {
            open.retain(|served| !Arc::ptr_eq(served, gone));
            let state = gone.load();
            self.tell_all(|| Command::Unlisten(state.address, state.label.number, sender.clone()));
        }
        for (served, state) in plan.kept {
            served.store(state);
        }
        for Bound { served, sockets } in plan.new {
            for (worker, socket) in self.workers.iter().zip(sockets) {
                // A worker that is gone takes the process with it.
                let _ = worker.send(Command::Listen(socket, Arc::clone(&served)));
            }
            open.push(served);
        }
        gone
    }

    /// What is served now.
    pub fn states(&self) -> Vec<Arc<ListenerState>> {
        self.open.lock().iter().map(|served| served.load_full()).collect()
    }

    /// The certificates shown now, each once, with the moment it ends.
    pub fn certificates(&self) -> Vec<(TlsCertificate, Timestamp)> {
        let mut all: Vec<(TlsCertificate, Timestamp)> = Vec::new();
        for state in self.states() {
            for (files, ends) in state.tls.iter().flat_map(|tls| tls.ends()) {
                if all.iter().all(|(other, _)| other.name != files.name) {
                    all.push((files.clone(), ends));
                }
            }
        }
        all
    }

    /// The files of revocation lists in force, each once, with the moment it ends.
    pub fn revocation_lists(&self) -> Vec<(PathBuf, Timestamp)> {
        let states = self.states();
        let lists = states.iter().flat_map(|state| &state.tls).flat_map(|tls| tls.revocation_lists());
        let mut all: Vec<_> = lists.cloned().collect();
        all.sort();
        all.dedup_by(|a, b| a.0 == b.0);
        all
    }

    /// Tells every worker.
    pub fn tell_all(&self, command: impl Fn() -> Command) {
        for worker in &self.workers {
            // A worker that is gone takes the process with it.
            let _ = worker.send(command());
        }
    }
}

/// Whether what `settings` asks for is bound already. Listeners that leave the port to the system are told by name.
fn has_address(state: &ListenerState, settings: &Listener) -> bool {
    state.settings.address == settings.address && (settings.address.port() != 0 || state.settings.name == settings.name)
}

fn unusable(listener: &str, error: &crate::proxy::tls::TlsError) -> RunError {
    RunError::start(
        format!("listener \"{listener}\": {error}"),
        "name a PEM certificate chain and its private key under [tls], readable by this user",
    )
}

fn not_bound(settings: &Listener, error: &io::Error) -> RunError {
    let (name, address) = (settings.name.as_str(), settings.address);
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another process listens there (`ss -ltnp sport = :{}` tells which); stop it, or choose another address",
            address.port()
        ),
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE; choose a port above, or grant it".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this host has no such address; `:PORT` listens on all it has".to_owned(),
        _ => "check the listener's address".to_owned(),
    };
    RunError::start(format!("listener \"{name}\" cannot listen on {address}: {error}"), hint)
}
