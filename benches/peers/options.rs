//! What the run is told.

use std::path::PathBuf;
use std::time::Duration;

/// Told to who asks.
pub const HELP: &str = "\
Argus beside nginx and HAProxy: the same work, one run.

  --only LIST        argus,nginx,haproxy (default: all three)
  --rounds N         rounds, each driving every proxy once (default 5)
  --seconds S        measured time per proxy and round (default 3)
  --connections N    kept connections of the load (default 64)
  --body BYTES       size of the origin's answers (default 1024)
  --keys N           keys every proxy knows (default 1000)
  --idle N           connections held open for the figure of memory (default 1000)
  --idle-wait S      seconds they wait before it is taken (default 3)
  --cores P,L        the proxy's core, and that of load and origin (default 0,1)
  --argus PATH       the binary (default: the one built with this program)
  --direct           also drive the origin without a proxy: what the load could do";

/// What the run is told.
pub struct Options {
    /// Names of the proxies, in order.
    pub only: Vec<String>,
    /// Rounds.
    pub rounds: usize,
    /// Measured time of a proxy in a round.
    pub seconds: Duration,
    /// Load before the measured time.
    pub warm: Duration,
    /// Connections of the load.
    pub connections: usize,
    /// Bytes of an answer's body.
    pub body: usize,
    /// Keys known.
    pub keys: usize,
    /// Requests a key may make in a minute: far more than it will, so that the limit is counted but refuses nothing.
    pub per_minute: u32,
    /// Idle connections.
    pub idle: usize,
    /// How long they wait.
    pub idle_wait: Duration,
    /// The proxy's core, and that of load and origin.
    pub cores: (usize, usize),
    /// The binary of Argus.
    pub argus: PathBuf,
    /// Whether the origin is driven directly, too.
    pub direct: bool,
    /// Whether only the help is wanted.
    pub help: bool,
}

impl Options {
    /// Reads the command line.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Options {
            only: ["argus", "nginx", "haproxy"].map(str::to_owned).to_vec(),
            rounds: 5,
            seconds: Duration::from_secs(3),
            warm: Duration::from_millis(500),
            connections: 64,
            body: 1024,
            keys: 1000,
            per_minute: 60_000,
            idle: 1000,
            idle_wait: Duration::from_secs(3),
            cores: (0, 1),
            argus: PathBuf::from(env!("CARGO_BIN_EXE_argus")),
            direct: false,
            help: false,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--rounds" => options.rounds = number(&value()?)?,
                "--seconds" => options.seconds = seconds(&value()?)?,
                "--connections" => options.connections = number(&value()?)?,
                "--body" => options.body = number(&value()?)?,
                "--keys" => options.keys = number(&value()?)?,
                "--idle" => options.idle = number(&value()?)?,
                "--idle-wait" => options.idle_wait = seconds(&value()?)?,
                "--argus" => options.argus = PathBuf::from(value()?),
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
        match options.rounds.min(options.connections).min(options.keys).min(options.idle) {
            0 => Err("rounds, connections, keys and idle connections are at least 1".to_owned()),
            _ => Ok(options),
        }
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok()).ok_or_else(|| format!("`{text}` is no time"))
}
