//! Reload: the configuration is read, checked and built as a whole, then swapped; or nothing changes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::listeners::Listeners;
use super::readings::ReloadCounts;
use super::watch::{Contents, FileWatch, contents};
use crate::config::{self, Config, Loaded, Shown, Source};
use crate::geo::{GeoDbs, GeoError};
use crate::model::clock::Clock;
use crate::proxy::upstream::{Prepared, prepare};
use crate::snapshot::refresh::Mutator;
use crate::telemetry::log::LogHandle;

/// Longest wait for sockets that are no longer listened on to be closed.
const SOCKETS_CLOSE_MAX: Duration = Duration::from_secs(1);

/// A reload that was put in force.
#[derive(Debug)]
pub struct Reloaded {
    /// The snapshot's number.
    pub generation: u64,
    /// Files read.
    pub files: Vec<PathBuf>,
    /// Warnings, and settings that take effect at the next start only.
    pub warnings: Vec<String>,
}

/// Why a reload was refused.
#[derive(Debug)]
pub struct NotReloaded {
    /// As `argus check` prints it.
    pub rendered: String,
    /// The same for programs.
    pub problems: serde_json::Value,
}

/// Reloads, one at a time.
pub struct Reloader {
    source: Source,
    mutator: Mutator,
    listeners: Arc<Listeners>,
    geo: Arc<GeoDbs>,
    upstreams: Arc<ArcSwap<Vec<Arc<Prepared>>>>,
    log: LogHandle,
    clock: Arc<dyn Clock>,
    counts: Arc<ReloadCounts>,
    /// Every value in force with its origin. Its lock lets one reload run at a time.
    shown: Mutex<Vec<Shown>>,
    /// The files read, with what they held before they were read: what is written meanwhile is then seen as a change.
    watched: watch::Sender<Contents>,
}

/// What a reloader is made of.
pub struct Parts {
    /// Where the configuration comes from.
    pub source: Source,
    /// Puts snapshots in force.
    pub mutator: Mutator,
    /// Binds sockets.
    pub listeners: Arc<Listeners>,
    /// Geo databases.
    pub geo: Arc<GeoDbs>,
    /// Upstreams, for the workers to take up.
    pub upstreams: Arc<ArcSwap<Vec<Arc<Prepared>>>>,
    /// The service's log.
    pub log: LogHandle,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub counts: Arc<ReloadCounts>,
    /// Every value of the start's configuration.
    pub shown: Vec<Shown>,
    /// Files to watch.
    pub watched: Vec<PathBuf>,
}

/// Reads a variable of the environment.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Reloader {
    /// A reloader for what was started.
    pub fn new(parts: Parts) -> Self {
        let watched = watch::Sender::new(contents(&parts.watched));
        parts.counts.last_success.store(parts.clock.now().wall.as_second(), Ordering::Relaxed);
        Reloader {
            source: parts.source,
            mutator: parts.mutator,
            listeners: parts.listeners,
            geo: parts.geo,
            upstreams: parts.upstreams,
            log: parts.log,
            clock: parts.clock,
            counts: parts.counts,
            shown: Mutex::new(parts.shown),
            watched,
        }
    }

    /// The files to watch, as they change.
    pub fn watched(&self) -> watch::Receiver<Contents> {
        self.watched.subscribe()
    }

    /// Every value in force with its origin.
    pub async fn shown(&self) -> Vec<Shown> {
        self.shown.lock().await.clone()
    }

    /// Reads the configuration and puts it in force.
    ///
    /// # Errors
    /// When anything is wrong with it; what was in force then still is.
    pub async fn reload(&self) -> Result<Reloaded, NotReloaded> {
        // Held to the end, so that two reloads do not overtake each other.
        let mut shown = self.shown.lock().await;
        let (source, watched) = (self.source.clone(), self.watched.borrow().keys().cloned().collect::<Vec<_>>());
        let read = tokio::task::spawn_blocking(move || {
            let mut before = contents(&watched);
            let loaded = config::load(&source, &environment);
            let geo =
                loaded.config.as_ref().map(|c| GeoDbs::open(c.geo.country_db.as_deref(), c.geo.asn_db.as_deref()));
            let now = loaded.watched_paths().iter();
            let seen = now.map(|path| match before.remove_entry(path) {
                Some(known) => known,
                None => (path.clone(), contents(std::slice::from_ref(path)).remove(path).unwrap_or_default()),
            });
            let seen: Contents = seen.collect();
            (loaded, geo, seen)
        });
        let result = match read.await {
            Ok((loaded, geo, seen)) => {
                // What was read is watched whatever is wrong with it: the file that mends it may be a new one.
                self.watched.send_replace(seen);
                self.put_in_force(loaded, geo, &mut shown).await
            }
            Err(error) => Err(NotReloaded::plain(format!("the configuration could not be read: {error}"))),
        };
        match &result {
            Ok(done) => {
                self.counts.good.fetch_add(1, Ordering::Relaxed);
                self.counts.last_failed.store(0, Ordering::Relaxed);
                self.counts.last_success.store(self.clock.now().wall.as_second(), Ordering::Relaxed);
                tracing::info!(generation = done.generation, "configuration reloaded");
                for warning in &done.warnings {
                    tracing::warn!("{warning}");
                }
            }
            Err(error) => {
                self.counts.bad.fetch_add(1, Ordering::Relaxed);
                self.counts.last_failed.store(1, Ordering::Relaxed);
                tracing::error!("configuration not reloaded, the one before stays in force\n{}", error.rendered);
            }
        }
        result
    }

    async fn put_in_force(
        &self,
        mut loaded: Loaded,
        geo: Option<Result<GeoDbs, GeoError>>,
        shown: &mut Vec<Shown>,
    ) -> Result<Reloaded, NotReloaded> {
        let next = loaded.shown();
        let (Some(config), Some(geo)) = (loaded.config.take(), geo) else {
            return Err(NotReloaded { rendered: loaded.problems.render(false), problems: loaded.problems.to_json() });
        };
        let upstreams = prepare(&config.upstreams, &self.upstreams.load());
        let upstreams = upstreams.map_err(|e| NotReloaded::plain(format!("error: {e}")))?;
        let plan = self.listeners.plan(&config).map_err(|e| {
            let hint = e.hint.map(|h| format!("\n  = help: {h}")).unwrap_or_default();
            NotReloaded::plain(format!("error: {}{hint}", e.message))
        })?;
        let geo = geo.map_err(|e| NotReloaded::plain(format!("error: {e}")))?;
        let mut warnings: Vec<String> = {
            let warnings = loaded.problems.iter().filter(|p| p.severity == config::Severity::Warning);
            warnings.map(|p| p.message.clone()).collect()
        };
        let before = self.mutator.current().load();
        warnings.extend(only_at_start(&before.config, &config));
        let (level, files) = (config.log.level.clone(), loaded.files.clone());
        // Before the snapshot that needs them; taken back with it.
        let upstreams_before = self.upstreams.swap(Arc::new(upstreams));
        let generation = self.mutator.reconfigure(Arc::new(config)).await.map_err(|e| {
            self.upstreams.store(upstreams_before);
            NotReloaded::plain(format!("error: {e}"))
        })?;
        // What comes after may bind the same ports again. A worker that is stuck does not hold this up for long.
        let _ = tokio::time::timeout(SOCKETS_CLOSE_MAX, self.listeners.apply(plan).recv()).await;
        self.geo.replace(geo);
        if let Err(error) = self.log.set_level(&level) {
            warnings.push(error.to_string());
        }
        *shown = next;
        Ok(Reloaded { generation, files, warnings })
    }
}

impl NotReloaded {
    /// A refusal that no line of the configuration is to blame for.
    pub fn plain(rendered: String) -> Self {
        let problems = serde_json::json!([{ "severity": "error", "message": rendered }]);
        NotReloaded { rendered, problems }
    }
}

/// Settings that are read at the start only, and differ.
fn only_at_start(before: &Config, after: &Config) -> Vec<String> {
    let differ = [
        ("store", before.store != after.store),
        ("admin.address", before.admin.address != after.admin.address),
        ("admin.key", before.admin.key.is_some() && after.admin.key.is_none()),
        ("admin.socket", before.admin.socket != after.admin.socket),
        ("ops.address", before.ops.address != after.ops.address),
        ("workers", before.workers != after.workers),
        ("log.format", before.log.format != after.log.format),
        ("counter memory", before.counter_bytes_max != after.counter_bytes_max),
        ("key cache memory", before.key_cache_bytes_max != after.key_cache_bytes_max),
    ];
    differ
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| format!("`{name}` has changed; it takes effect at the next start"))
        .collect()
}

/// Reloads when a file that was read changes, until told to stop.
pub async fn watch_files(reloader: Arc<Reloader>, shutdown: CancellationToken) {
    let mut files = reloader.watched();
    let now = files.borrow_and_update().clone();
    let mut watch = FileWatch::new(&now);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = watch.changed() => {
                // The outcome is logged and counted where it is made.
                let _ = reloader.reload().await;
            }
            changed = files.changed() => {
                if changed.is_err() {
                    return;
                }
                watch.set(&files.borrow_and_update().clone());
            }
        }
    }
}
