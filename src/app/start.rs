//! Starting: everything is read, opened and bound before the first request is taken; then the workers run.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::clock::SystemClock;
use super::control::{NotStoredYet, ProcessControl};
use super::listeners::Listeners;
use super::ops::{self, Health};
use super::periodic::Periodic;
use super::readings::{ReloadCounts, Sources, readings};
use super::reload::{self, Reloader, environment};
use super::socket_file::SocketFile;
use super::stop::Signals;
use super::usage::UsageFlush;
use super::{RunError, RunOptions, banner, first_run, open_files, stop};
use crate::admin;
use crate::admission::{Engine, EngineParts};
use crate::config::{self, Config, LogFormat, Shown, Source};
use crate::geo::GeoDbs;
use crate::limits::KeptCounter;
use crate::limits::embedded::EmbeddedCounters;
use crate::model::clock::Clock;
use crate::proxy::upstream::{self, prepare};
use crate::proxy::worker::{Command, Shared, Worker};
use crate::record::Recorder;
use crate::record::decisions::Decisions;
use crate::record::drain::{LogDrain, pretty};
use crate::record::exposition::Exposition;
use crate::snapshot::Current;
use crate::snapshot::build::{Documents, build};
use crate::snapshot::key_cache::KeyCache;
use crate::snapshot::refresh::Mutator;
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::{Store, StoreError};
use crate::telemetry::log::{self, LogHandle};

/// Threads of the control plane: admin, stores, reloads.
const CONTROL_THREADS: usize = 2;
/// Longest wait for a key that must be looked up in the store.
const KEY_LOOKUP_MAX: Duration = Duration::from_secs(1);

/// Reads the configuration, then runs.
pub fn run(options: RunOptions) -> Result<(), RunError> {
    // Fails only if another provider is installed already, as in tests: the first one stays.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let source = match (options.upstream, options.config) {
        (Some(upstream), _) => Source::CommandLine { upstream, listen: options.listen },
        (None, Some(file)) => Source::File(file),
        (None, None) => Source::Search,
    };
    let mut loaded = config::load(&source, &environment);
    let shown = loaded.shown();
    let Some(config) = loaded.config.take() else {
        let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        return Err(RunError::config(loaded.problems.render(colour)));
    };
    let json = match config.log.format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let log = log::start(&config.log.level, json).map_err(|e| RunError {
        message: e.to_string(),
        hint: None,
        exit: super::EXIT_CONFIG,
    })?;
    open_files::raise_limit();
    for problem in loaded.problems.iter() {
        tracing::warn!("{}", problem.message);
    }
    for note in &loaded.start_notes {
        tracing::warn!("{note}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("argus-control")
        .enable_all()
        .build()
        .map_err(|e| RunError::start(format!("no threads: {e}"), "raise the limit of processes of this user"))?;
    let ended = runtime.block_on(serve(source, (shown, loaded.watched_paths().to_vec()), config, log));
    runtime.shutdown_timeout(Duration::from_secs(2));
    ended
}

/// A running gateway.
pub struct Running {
    /// Listeners and workers.
    pub listeners: Arc<Listeners>,
    /// What the workers remember.
    pub recorder: Arc<Recorder>,
    /// Health.
    pub health: Arc<Health>,
    /// Periodic work, whose last flush comes at the end.
    pub periodic: Arc<Periodic>,
    /// Ends what runs beside the workers.
    pub shutdown: CancellationToken,
    /// The log's thread.
    pub log: LogDrain,
    /// The workers' threads.
    pub threads: Vec<JoinHandle<()>>,
    /// Told when the process is to end.
    pub drain: Arc<Notify>,
    /// Reloads.
    pub reloader: Arc<Reloader>,
    /// What is in force.
    pub current: Arc<Current>,
    /// Whether a supervisor or a person at a terminal stops us, who wait for nothing unless told to.
    pub in_a_hurry: bool,
}

async fn serve(
    source: Source,
    (shown, watched): (Vec<Shown>, Vec<PathBuf>),
    config: Config,
    log: LogHandle,
) -> Result<(), RunError> {
    let from_command_line = matches!(source, Source::CommandLine { .. });
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let started = clock.now();
    let config = Arc::new(config);
    let store: Arc<dyn Store> = Arc::new(open_store(&config).await?);
    let counters = Arc::new(EmbeddedCounters::new(config.counter_bytes_max));
    restore_counters(&counters, &*store, started.steady_us).await;
    let geo = GeoDbs::open(config.geo.country_db.as_deref(), config.geo.asn_db.as_deref());
    let geo = Arc::new(geo.map_err(|e| RunError::start(e.to_string(), "start again once the file is there"))?);
    let documents = Documents::load(&*store).await.map_err(|e| RunError::start(e.to_string(), "mend or delete it"))?;
    let first = build(Arc::clone(&config), &documents, 1);
    let first = first.map_err(|e| RunError { message: e.to_string(), hint: None, exit: super::EXIT_CONFIG })?;
    let current = Arc::new(Current::new(first));
    let keys = KeyCache::new(Arc::clone(&store), config.key_cache_bytes_max, KEY_LOOKUP_MAX).await;
    let keys = Arc::new(keys.map_err(not_open)?);
    let mutator = Mutator::new(Arc::clone(&store), Arc::clone(&current), Arc::clone(&keys), documents);
    let engine = EngineParts {
        keys: Arc::clone(&keys),
        counter: Arc::<EmbeddedCounters>::clone(&counters) as _,
        geo: Arc::clone(&geo),
    };
    let engine = Arc::new(Engine::new(engine));

    let recorder = Arc::new(Recorder::new(config.workers));
    let upstreams = prepare(&config.upstreams, &[]);
    let upstreams = upstreams.map_err(|e| RunError { message: e.to_string(), hint: None, exit: super::EXIT_CONFIG })?;
    let upstreams = Arc::new(ArcSwap::from_pointee(upstreams));
    let shared = Shared {
        current: Arc::clone(&current),
        engine: Arc::clone(&engine),
        upstreams: Arc::clone(&upstreams),
        recorder: Arc::clone(&recorder),
        per_address: Arc::default(),
        clock: Arc::clone(&clock),
        log_salt: rand::random(),
    };
    let (threads, senders) = start_workers(&shared)?;
    let listeners = Arc::new(Listeners::new(Arc::clone(&recorder), senders));

    let health = Arc::new(Health::default());
    let counts = Arc::new(ReloadCounts::default());
    let reloader = Arc::new(Reloader::new(reload::Parts {
        source,
        mutator: mutator.clone(),
        listeners: Arc::clone(&listeners),
        geo: Arc::clone(&geo),
        upstreams: Arc::clone(&upstreams),
        log,
        clock: Arc::clone(&clock),
        counts: Arc::clone(&counts),
        shown,
        watched,
    }));
    let usage = Arc::new(UsageFlush::new(Arc::clone(&recorder), Arc::clone(&store)));
    let decisions = Arc::new(Decisions::default());
    let shutdown = CancellationToken::new();
    let drain = Arc::new(Notify::new());

    let exposition = Sources {
        listeners: Arc::clone(&listeners),
        health: Arc::clone(&health),
        geo: Arc::clone(&geo),
        keys: Arc::clone(&keys),
        reloads: counts,
        upstreams: Arc::clone(&upstreams),
        clock: Arc::clone(&clock),
        started: started.wall.as_second(),
    };
    let since = started.wall.as_second();
    let of_process = Arc::new(move || super::process::readings(since));
    serve_ops(&config, &health, Exposition::new(Arc::clone(&recorder), readings(exposition), of_process), &shutdown)
        .await?;
    let control = ProcessControl {
        reloader: Arc::clone(&reloader),
        current: Arc::clone(&current),
        listeners: Arc::clone(&listeners),
        keys: Arc::clone(&keys),
        geo: Arc::clone(&geo),
        health: Arc::clone(&health),
        drain: Arc::clone(&drain),
        clock: Arc::clone(&clock),
        started: started.wall,
    };
    let pending = NotStoredYet { usage: Arc::clone(&usage), clock: Arc::clone(&clock) };
    let admin_key = first_run::admin_key(&config).map_err(|e| {
        let dir = config.store.dir.display();
        RunError::start(format!("the admin key in {dir} cannot be used: {e}"), "give this user the directory")
    })?;
    let services = admin::Services {
        store: Arc::clone(&store),
        mutator: mutator.clone(),
        engine,
        current: Arc::clone(&current),
        clock: Arc::clone(&clock),
        control: Arc::new(control),
        decisions: Arc::clone(&decisions),
        usage: Arc::new(pending),
        admin_key,
        failures: Default::default(),
        running: Default::default(),
        streams: Default::default(),
    };
    let _socket = serve_admin(&config, admin::router(Arc::new(services)), &shutdown).await?;

    // Last, so that whoever can connect finds everything else there.
    let plan = listeners.plan(&config)?;
    let log = start_log(&config, &recorder, &decisions)?;
    let first = match std::io::stderr().is_terminal() || from_command_line {
        true => first_run::first_key(&config, &*store, &mutator, started.wall).await.map_err(not_open)?,
        false => None,
    };
    let periodic = Arc::new(Periodic {
        store,
        usage,
        counters,
        geo,
        listeners: Arc::clone(&listeners),
        health: Arc::clone(&health),
        current: Arc::clone(&current),
        clock,
    });
    // Before anybody can see that it is ready, and stop it or reload it.
    let signals = Signals::new()?;
    // Nothing was open before.
    drop(listeners.apply(plan));
    health.has_started();
    tokio::spawn(Arc::clone(&periodic).run(shutdown.clone()));
    tokio::spawn(upstream::watch(upstreams, shutdown.clone()));
    tokio::spawn(reload::watch_files(Arc::clone(&reloader), shutdown.clone()));
    let upstream = from_command_line.then(|| config.upstreams.first().and_then(|u| u.servers.first())).flatten();
    let upstream = upstream.map(|server| server.url.to_string());
    tracing_free_line(&banner::text(&config, &listeners.states(), upstream.as_deref(), first.as_ref()));
    drop(first);
    let supervised = std::env::var_os("NOTIFY_SOCKET").is_some() || std::env::var_os("INVOCATION_ID").is_some();
    let in_a_hurry = from_command_line || supervised;
    let running =
        Running { listeners, recorder, health, periodic, shutdown, log, threads, drain, reloader, current, in_a_hurry };
    stop::until_stopped(running, signals).await
}

async fn open_store(config: &Config) -> Result<SqliteStore, RunError> {
    let dir = config.store.dir.clone();
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&dir, SqliteOptions::default())).await;
    match opened {
        Ok(opened) => opened.map_err(not_open),
        Err(error) => Err(RunError::start(format!("the store could not be opened: {error}"), "start again")),
    }
}

fn not_open(error: StoreError) -> RunError {
    let hint = match &error {
        StoreError::Newer { .. } => "run the newer version, or name another directory in [store] url",
        StoreError::Damaged { .. } => "put a backup in its place, or name another directory in [store] url",
        StoreError::Locked { .. } => "stop the other process, or name another directory in [store] url",
        StoreError::DiskFull { .. } => "free some space on that disk",
        _ => "check the directory in [store] url and its permissions",
    };
    RunError::start(error.to_string(), hint)
}

async fn restore_counters(counters: &EmbeddedCounters, store: &dyn Store, now_us: u64) {
    match store.load_counters(now_us).await {
        Ok(rows) => {
            let kept: Vec<KeptCounter> = rows.iter().map(super::periodic::from_row).collect();
            counters.restore(&kept, now_us);
        }
        Err(error) => tracing::warn!(%error, "counters could not be read; their windows begin anew"),
    }
}

type Started = (Vec<JoinHandle<()>>, Vec<mpsc::UnboundedSender<Command>>);

fn start_workers(shared: &Shared) -> Result<Started, RunError> {
    let cells = &shared.recorder.cells;
    let mut threads = Vec::with_capacity(cells.len());
    let mut senders = Vec::with_capacity(cells.len());
    for (number, cell) in cells.iter().enumerate() {
        let worker = Worker::new(shared.clone(), Arc::clone(cell));
        let (sender, commands) = mpsc::unbounded_channel();
        let no_thread = |e| RunError::start(format!("no thread for a worker: {e}"), "raise the limit of processes");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_thread)?;
        let thread = std::thread::Builder::new()
            .name(format!("argus-worker-{number}"))
            .spawn(move || runtime.block_on(Arc::new(worker).run(commands)))
            .map_err(no_thread)?;
        threads.push(thread);
        senders.push(sender);
    }
    Ok((threads, senders))
}

async fn serve_ops(
    config: &Config,
    health: &Arc<Health>,
    exposition: Exposition,
    shutdown: &CancellationToken,
) -> Result<(), RunError> {
    let Some(address) = config.ops.address else { return Ok(()) };
    let listener = bind(address, "ops.address").await?;
    let router = ops::router(Arc::clone(health), exposition);
    tokio::spawn(admin::serve::serve_tcp(listener, router, shutdown.clone()));
    Ok(())
}

async fn serve_admin(
    config: &Config,
    router: axum::Router,
    shutdown: &CancellationToken,
) -> Result<SocketFile, RunError> {
    let socket = &config.admin.socket;
    let listener = admin::serve::unix::bind(socket).await.map_err(|e| {
        RunError::start(
            format!("the admin socket {} cannot be opened: {e}", socket.display()),
            "stop the process that has it, or name another place in [admin] socket",
        )
    })?;
    let file = SocketFile::new(socket);
    let serving = admin::serve::unix::serve_unix(listener, router.clone(), shutdown.clone());
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the admin socket is not served");
        }
    });
    if let Some(address) = config.admin.address {
        let listener = bind(address, "admin.address").await?;
        tokio::spawn(admin::serve::serve_tcp(listener, router, shutdown.clone()));
    }
    Ok(file)
}

async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener, RunError> {
    TcpListener::bind(address).await.map_err(|e| {
        RunError::start(
            format!("cannot listen on {address} for `{setting}`: {e}"),
            format!("stop what listens there, or set another `{setting}`"),
        )
    })
}

fn start_log(config: &Config, recorder: &Arc<Recorder>, decisions: &Arc<Decisions>) -> Result<LogDrain, RunError> {
    let people = match config.log.format {
        LogFormat::Json => false,
        LogFormat::Pretty => true,
        LogFormat::Auto => std::io::stdout().is_terminal(),
    };
    let style: Option<fn(&str) -> String> = if people { Some(pretty) } else { None };
    LogDrain::start(Arc::clone(recorder), Arc::clone(decisions), Box::new(std::io::stdout()), style)
        .map_err(|e| RunError::start(format!("no thread for the log: {e}"), "raise the limit of processes"))
}

/// The banner is for people and goes to standard error as it is, whatever the log's form.
fn tracing_free_line(text: &str) {
    use std::io::Write;
    // Nobody reads it if standard error is gone.
    let _ = writeln!(std::io::stderr(), "{text}");
}
