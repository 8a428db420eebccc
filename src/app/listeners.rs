//! The listeners in force, and how they follow a changed configuration.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;

use super::RunError;
use crate::config::{Config, Listener};
use crate::proxy::listener::{ListenerState, bind};
use crate::proxy::tls::TlsState;
use crate::proxy::worker::Command;
use crate::record::Recorder;
use crate::record::ticket::ListenerLabel;

/// Listeners by name, and the workers that serve them.
pub struct Listeners {
    recorder: Arc<Recorder>,
    workers: Vec<UnboundedSender<Command>>,
    open: Mutex<BTreeMap<String, Arc<ListenerState>>>,
}

/// A listener that is bound and not yet served.
pub struct Bound {
    state: Arc<ListenerState>,
    sockets: Vec<TcpListener>,
}

/// What a new configuration does to the listeners. Made before anything is changed.
pub struct Plan {
    new: Vec<Bound>,
    kept: Vec<(Arc<ListenerState>, Listener)>,
    gone: Vec<String>,
}

impl Listeners {
    /// No listeners yet.
    pub fn new(recorder: Arc<Recorder>, workers: Vec<UnboundedSender<Command>>) -> Self {
        Listeners { recorder, workers, open: Mutex::default() }
    }

    /// Binds what is new in `config` and reads its certificates. Nothing is served yet, and what is served goes on.
    ///
    /// # Errors
    /// The first listener that cannot be bound, or whose certificate cannot be used.
    pub fn plan(&self, config: &Config) -> Result<Plan, RunError> {
        let open = self.open.lock();
        let mut plan = Plan { new: Vec::new(), kept: Vec::new(), gone: Vec::new() };
        for settings in &config.listeners {
            match open.get(settings.name.as_str()).filter(|state| is_same_socket(state, settings)) {
                Some(state) => plan.kept.push((Arc::clone(state), settings.clone())),
                None => plan.new.push(self.bind(settings)?),
            }
        }
        let still_there = |name: &String| plan.kept.iter().any(|(s, _)| s.label.name == *name);
        plan.gone = open.keys().filter(|name| !still_there(name)).cloned().collect();
        for (state, _) in &plan.kept {
            if let Some(tls) = &state.tls {
                TlsState::load(tls.settings()).map_err(|e| unusable(&state.label.name, &e))?;
            }
        }
        Ok(plan)
    }

    fn bind(&self, settings: &Listener) -> Result<Bound, RunError> {
        let name = settings.name.as_str();
        let tls = match &settings.tls {
            Some(tls) => Some(Arc::new(TlsState::load(tls).map_err(|e| unusable(name, &e))?)),
            None => None,
        };
        let (address, sockets) = bind(settings.address, self.workers.len()).map_err(|e| not_bound(settings, &e))?;
        let number = self.recorder.listeners.number(name);
        let state = ListenerState {
            label: Arc::new(ListenerLabel { name: name.to_owned(), number }),
            settings: ArcSwap::from_pointee(settings.clone()),
            tls,
            open: self.recorder.connections(number),
            address,
        };
        Ok(Bound { state: Arc::new(state), sockets })
    }

    /// Does what was planned. Cannot fail.
    pub fn apply(&self, plan: Plan) {
        let mut open = self.open.lock();
        for name in &plan.gone {
            open.remove(name);
            self.tell_all(|| Command::Unlisten(name.clone()));
        }
        for (state, settings) in plan.kept {
            state.settings.store(Arc::new(settings));
            if let Some(tls) = &state.tls
                && let Err(error) = tls.reload()
            {
                tracing::warn!(%error, listener = state.label.name, "the certificate before goes on being used");
            }
        }
        for Bound { state, sockets } in plan.new {
            for (worker, socket) in self.workers.iter().zip(sockets) {
                // A worker that is gone takes the process with it.
                let _ = worker.send(Command::Listen(socket, Arc::clone(&state)));
            }
            open.insert(state.label.name.clone(), state);
        }
    }

    /// What is served now.
    pub fn states(&self) -> Vec<Arc<ListenerState>> {
        self.open.lock().values().cloned().collect()
    }

    /// Tells every worker.
    pub fn tell_all(&self, command: impl Fn() -> Command) {
        for worker in &self.workers {
            // A worker that is gone takes the process with it.
            let _ = worker.send(command());
        }
    }
}

fn is_same_socket(state: &ListenerState, settings: &Listener) -> bool {
    let now = state.settings.load();
    now.address == settings.address && now.tls == settings.tls
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
