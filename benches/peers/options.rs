//! What the run is told.

use std::path::PathBuf;
use std::time::Duration;

use crate::load::Order;
use crate::proxy::NAMES;
use crate::work::Work;

/// Told to who asks.
pub const HELP: &str = "\
Argus beside nginx, HAProxy and Envoy: the same work, one run.

  --work LIST        any of these, or `all` (default: http1,idle)
                       http1      kept connections in the clear, answers of 1 KiB
                       tls        the same over TLS 1.3
                       http2      the same over TLS 1.3 and HTTP/2, HTTP/1.1 to the origin
                       bodies     answers and requests of 1 MiB and 100 MiB, CPU per MiB
                       handshake  a new TLS connection for each request, never resumed
                       latency    a steady pace of 70 % of what each could do just before
                       off        Argus against itself with every check off
                       keys       Argus with 10 keys against 1,000,000, all in use
                       idle       memory at start, and of connections that wait
  --only LIST        argus,nginx,haproxy,envoy (default: those that are installed)
  --rounds N         rounds, each doing every work with every proxy once (default 5)
  --seconds S        measured time per work, proxy and round (default 3)
  --connections N    kept connections of the load (default 64)
  --streams N        requests at once on a connection of HTTP/2 (default 8); there are so many fewer connections
  --body BYTES       size of the origin's usual answers (default 1024)
  --keys N           keys every proxy knows (default 1000)
  --many N           keys of the work `keys` (default 1000000)
  --random           keys are used in any order, not in turn
  --idle N           connections held open for the figure of memory (default 1000)
  --idle-wait S      seconds they wait before it is taken (default 15)
  --cores P,L        the proxy's core, and that of load and origin (default 0,1)
  --argus PATH       the binary (default: the one built with this program)
  --envoy PATH       the binary (default: target/envoy/envoy/_bin/envoy)
  --json FILE        every figure of every round, besides the tables
  --direct           also drive the origin without a proxy: what the load could do";

/// What the run is told.
pub struct Options {
    /// What is measured.
    pub work: Vec<Work>,
    /// Names of the proxies, in order; those that are installed if nothing is said.
    pub only: Option<Vec<String>>,
    /// Rounds.
    pub rounds: usize,
    /// Measured time of a work with a proxy in a round.
    pub seconds: Duration,
    /// Load before the measured time.
    pub warm: Duration,
    /// Connections of the load.
    pub connections: usize,
    /// Requests at once on a connection of HTTP/2.
    pub streams: usize,
    /// Bytes of a usual answer's body.
    pub body: usize,
    /// Keys known.
    pub keys: usize,
    /// Keys of the work that is about many.
    pub many: usize,
    /// In which order they are used.
    pub order: Order,
    /// Idle connections.
    pub idle: usize,
    /// How long they wait.
    pub idle_wait: Duration,
    /// The proxy's core, and that of load and origin.
    pub cores: (usize, usize),
    /// The binary of Argus.
    pub argus: PathBuf,
    /// The binary of Envoy.
    pub envoy: Option<PathBuf>,
    /// Where every figure goes.
    pub json: Option<PathBuf>,
    /// Whether the origin is driven directly, too.
    pub direct: bool,
    /// Whether only the help is wanted.
    pub help: bool,
}

impl Options {
    /// Reads the command line.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Options {
            work: vec![Work::Http1, Work::Idle],
            only: None,
            rounds: 5,
            seconds: Duration::from_secs(3),
            warm: Duration::from_millis(500),
            connections: 64,
            streams: 8,
            body: 1024,
            keys: 1000,
            many: 1_000_000,
            order: Order::InTurn,
            idle: 1000,
            idle_wait: Duration::from_secs(15),
            cores: (0, 1),
            argus: PathBuf::from(env!("CARGO_BIN_EXE_argus")),
            envoy: None,
            json: None,
            direct: false,
            help: false,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--work" => options.work = Work::list(&value()?)?,
                "--only" => options.only = Some(proxies(&value()?)?),
                "--rounds" => options.rounds = number(&value()?)?,
                "--seconds" => options.seconds = seconds(&value()?)?,
                "--connections" => options.connections = number(&value()?)?,
                "--streams" => options.streams = number(&value()?)?,
                "--body" => options.body = number(&value()?)?,
                "--keys" => options.keys = number(&value()?)?,
                "--many" => options.many = number(&value()?)?,
                "--random" => options.order = Order::Random,
                "--idle" => options.idle = number(&value()?)?,
                "--idle-wait" => options.idle_wait = seconds(&value()?)?,
                "--argus" => options.argus = absolute(&value()?)?,
                "--envoy" => options.envoy = Some(absolute(&value()?)?),
                "--json" => options.json = Some(PathBuf::from(value()?)),
                "--direct" => options.direct = true,
                "--help" | "-h" => options.help = true,
                "--cores" => {
                    let text = value()?;
                    let (proxy, load) = text.split_once(',').ok_or("--cores takes two numbers, such as 0,1")?;
                    options.cores = (number(proxy)?, number(load)?);
                }
                // What `cargo bench` adds by itself.
                "--bench" => {}
                other => return Err(format!("unknown option {other}")),
            }
        }
        let counts = [options.rounds, options.connections, options.streams, options.keys, options.many, options.idle];
        match counts.contains(&0) {
            true => Err("rounds, connections, streams, keys and idle connections are at least 1".to_owned()),
            false => Ok(options),
        }
    }

    /// Requests a key may make in a minute: far more than its share of what any proxy can do, so that the limit is counted
    /// but refuses nothing.
    pub fn per_minute(&self) -> usize {
        12_000_000 / self.keys.min(1000)
    }
}

fn proxies(text: &str) -> Result<Vec<String>, String> {
    let one = |name: &str| match NAMES.contains(&name) {
        true => Ok(name.to_owned()),
        false => Err(format!("there is no proxy `{name}`: {}", NAMES.join(", "))),
    };
    text.split(',').map(one).collect()
}

/// A path that holds wherever a proxy is started.
fn absolute(text: &str) -> Result<PathBuf, String> {
    std::fs::canonicalize(text).map_err(|e| format!("{text}: {e}"))
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok()).ok_or_else(|| format!("`{text}` is no time"))
}
