//! One measurement of one proxy.

use std::time::Duration;

use crate::failure::Failure;
use crate::load::bodies::{self, Direction};
use crate::load::{Drive, Order, Protocol, paced};
use crate::machine;
use crate::options::Options;
use crate::proxy::Proxy;
use crate::report::Column;

/// The share of what a proxy can do at which its latency is taken.
const PACE: f64 = 0.7;

/// Connections that shake hands at the same time.
const FRESH: usize = 16;

/// Figures of connections that always have a request on its way.
pub const CLOSED: &[Column] = &[
    Column::compared("CPU µs / request", 1),
    Column::told("requests/s", 0),
    Column::told("p50 ms", 2),
    Column::told("p99 ms", 2),
    Column::told("MiB", 1),
];

/// Figures of new connections.
pub const HANDSHAKE: &[Column] = &[
    Column::compared("CPU µs / connection with one request", 1),
    Column::told("connections/s", 0),
    Column::told("p50 ms", 2),
    Column::told("p99 ms", 2),
    Column::told("MiB", 1),
];

/// Figures of bodies.
pub const FLOW: &[Column] = &[
    Column::compared("CPU µs / MiB", 1),
    Column::told("MiB/s", 0),
    Column::told("bodies/s", 0),
    Column::told("MiB", 1),
];

/// Figures of a steady pace.
pub const PACED: &[Column] = &[
    Column::compared("p99 ms", 2),
    Column::told("p50 ms", 2),
    Column::told("p99.9 ms", 2),
    Column::told("requests/s", 0),
    Column::told("CPU µs / request", 1),
];

/// What is done.
#[derive(Debug, Clone, Copy)]
pub enum Job {
    /// Connections that always have a request on its way.
    Closed {
        /// What is spoken.
        protocol: Protocol,
        /// Whether each request has a connection of its own.
        fresh: bool,
    },
    /// Bodies, on so many connections.
    Flow(Direction, usize),
    /// A steady pace.
    Paced,
    /// Kept connections in the clear, and keys in any order.
    Many,
}

impl Job {
    /// What it is called while it is done.
    pub fn name(self) -> &'static str {
        match self {
            Job::Closed { fresh: true, .. } => "handshake",
            Job::Closed { protocol: Protocol::Http1, .. } => "http1",
            Job::Closed { protocol: Protocol::Http1Tls, .. } => "tls",
            Job::Closed { protocol: Protocol::Http2, .. } => "http2",
            Job::Flow(Direction::Down(_), _) => "bodies, answers",
            Job::Flow(Direction::Up(_), _) => "bodies, requests",
            Job::Paced => "latency",
            Job::Many => "keys",
        }
    }

    /// Drives a proxy once; the figures of the columns that belong to the job.
    pub fn run(self, proxy: &Proxy, options: &Options) -> Result<Vec<f64>, Failure> {
        let pid = proxy.process.pid();
        let requests = proxy.requests();
        let order = if matches!(self, Job::Many) { Order::Random } else { options.order };
        let (mut before, mut after) = (Duration::ZERO, Duration::ZERO);
        let begin = || before = machine::cpu_of(pid);
        let end = || after = machine::cpu_of(pid);
        let drive = |protocol, fresh, time| {
            let most = usize::MAX;
            let (connections, streams) = if fresh { (FRESH, 1) } else { shape(options, protocol) };
            let (to, requests, order) = (proxy.address(protocol), &requests, order);
            Drive { to, protocol, requests, order, connections, streams, fresh, warm: options.warm, time, most }
        };
        match self {
            Job::Closed { .. } | Job::Many => {
                let (protocol, fresh) = match self {
                    Job::Closed { protocol, fresh } => (protocol, fresh),
                    _ => (Protocol::Http1, false),
                };
                let outcome = drive(protocol, fresh, options.seconds).run(begin, end)?;
                let cpu = (after - before).as_secs_f64() * 1e6 / outcome.answers.max(1) as f64;
                let (p50, p99) = (outcome.percentile(0.5), outcome.percentile(0.99));
                Ok(vec![cpu, outcome.per_second(), p50, p99, memory(pid)])
            }
            Job::Flow(direction, lanes) => {
                let requests = direction.requests(proxy.plain, proxy.keys.clone());
                let times = (options.warm, options.seconds);
                let flow = bodies::run(proxy.plain, direction, &requests, lanes, times, begin, end)?;
                let (size, time) = (flow.bytes as f64 / 1_048_576.0, flow.time.as_secs_f64());
                let cpu = (after - before).as_secs_f64() * 1e6 / size;
                Ok(vec![cpu, size / time, flow.answers as f64 / time, memory(pid)])
            }
            Job::Paced => {
                let most = drive(Protocol::Http1, false, options.seconds / 2).run(|| {}, || {})?.per_second();
                let rate = most * PACE;
                let outcome = paced::run(&drive(Protocol::Http1, false, options.seconds), rate, begin, end)?;
                let cpu = (after - before).as_secs_f64() * 1e6 / outcome.answers.max(1) as f64;
                let part = |part| outcome.percentile(part);
                Ok(vec![part(0.99), part(0.5), part(0.999), outcome.per_second(), cpu])
            }
        }
    }
}

/// Connections, and requests at once on each, that make up the wanted number of requests on their way.
pub fn shape(options: &Options, protocol: Protocol) -> (usize, usize) {
    match protocol {
        Protocol::Http2 => (options.connections.div_ceil(options.streams), options.streams),
        Protocol::Http1 | Protocol::Http1Tls => (options.connections, 1),
    }
}

fn memory(pid: u32) -> f64 {
    machine::memory_of(pid) as f64 / 1_048_576.0
}
