//! What is measured, and how the rounds go.

mod job;
mod keys;

use crate::certificate::Certificate;
use crate::failure::Failure;
use crate::load::bodies::Direction;
use crate::load::{self, Protocol};
use crate::machine;
use crate::options::Options;
use crate::proxy::{self, Proxy, Stage, argus};
use crate::report::{Column, Table};

use job::Job;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Kept connections in the clear.
    Http1,
    /// Kept connections over TLS.
    Tls,
    /// HTTP/2.
    Http2,
    /// Large bodies.
    Bodies,
    /// New TLS connections.
    Handshake,
    /// A steady pace.
    Latency,
    /// Argus against itself with every check off.
    Off,
    /// Argus with few keys against Argus with very many.
    Keys,
    /// Memory.
    Idle,
}

impl Work {
    const ALL: [(&'static str, Work); 9] = [
        ("http1", Work::Http1),
        ("tls", Work::Tls),
        ("http2", Work::Http2),
        ("bodies", Work::Bodies),
        ("handshake", Work::Handshake),
        ("latency", Work::Latency),
        ("off", Work::Off),
        ("keys", Work::Keys),
        ("idle", Work::Idle),
    ];

    /// Reads a list of their names.
    pub fn list(text: &str) -> Result<Vec<Self>, String> {
        if text == "all" {
            return Ok(Work::ALL.map(|(_, work)| work).to_vec());
        }
        let one = |name: &str| {
            let found = Work::ALL.iter().find(|(known, _)| *known == name);
            found.map(|(_, work)| *work).ok_or_else(|| {
                format!("there is no work `{name}`: {}, all", Work::ALL.map(|(known, _)| known).join(", "))
            })
        };
        text.split(',').map(one).collect()
    }
}

/// The proxy that the others are held against.
const MEASURE: &str = "nginx";

/// Memory of proxies at rest.
const IDLE: &[Column] = &[Column::told("KiB / idle connection", 1), Column::told("MiB at start", 1)];

/// One table, and how its figures come about.
struct Case {
    job: Job,
    table: Table,
    /// Who does it; the peers if absent.
    only: Option<[&'static str; 2]>,
}

/// A run.
pub struct Run<'a> {
    stage: Stage<'a>,
    peers: Vec<Proxy>,
    others: Vec<Proxy>,
    cases: Vec<Case>,
    /// Tables that are made before the rounds.
    once: Vec<Table>,
}

impl<'a> Run<'a> {
    /// Starts the proxies, and sees that they do the work. `certificate` and `dir` live as long as the run.
    pub fn start(
        options: &'a Options,
        origin: std::net::SocketAddr,
        certificate: &'a Certificate,
        dir: &'a std::path::Path,
    ) -> Result<Self, Failure> {
        let stage = Stage { options, origin, certificate, dir };
        let names: Vec<&str> = match &options.only {
            Some(only) => only.iter().map(String::as_str).collect(),
            None => proxy::NAMES.to_vec(),
        };
        let mut peers = Vec::new();
        for name in names {
            match proxy::start(name, &stage) {
                Ok(proxy) => peers.push(proxy),
                Err(failure @ Failure::Missing { .. }) if options.only.is_none() => eprintln!("note: {failure}"),
                Err(failure) => return Err(failure),
            }
        }
        let cases = cases(options);
        for proxy in &peers {
            proxy::check(proxy, options).map_err(|failure| failure.during(proxy.name, "the check"))?;
            eprintln!("{:<9} {}: keys and limit checked", proxy.name, proxy.version);
        }
        Ok(Run { stage, peers, others: Vec::new(), cases, once: Vec::new() })
    }

    /// Who takes part.
    pub fn versions(&self) -> impl Iterator<Item = String> {
        self.peers.iter().map(|proxy| format!("{}: {}", proxy.name, proxy.version))
    }

    /// Does the work. What has come out so far can be had by [`Run::tables`] whether or not this ends well.
    pub fn work(&mut self) -> Result<(), Failure> {
        let options = self.stage.options;
        if options.work.contains(&Work::Idle) {
            let mut table = Table::new("Memory at rest".to_owned(), IDLE, MEASURE);
            for proxy in &self.peers {
                let idle = idle(proxy, options).map_err(|failure| failure.during(proxy.name, "idle connections"))?;
                let told = table.add(proxy.name, vec![idle / 1024.0, proxy.resident as f64 / 1_048_576.0]);
                eprintln!("{:<18} {told}", proxy.name);
            }
            self.once.push(table);
        }
        // After the memory of the others was looked at, as two processes of one program share some of theirs.
        if options.work.contains(&Work::Off) {
            self.others.push(argus::start(&self.stage, argus::OFF)?);
            if !self.peers.iter().any(|proxy| proxy.name == argus::FULL.name) {
                self.others.push(argus::start(&self.stage, argus::FULL)?);
            }
        }
        if options.work.contains(&Work::Keys) {
            keys::start(&self.stage, &mut self.others, &mut self.once)?;
        }
        for round in 0..options.rounds {
            for case in &mut self.cases {
                let mut who: Vec<&Proxy> = match case.only {
                    None => self.peers.iter().collect(),
                    Some(names) => {
                        let all = self.peers.iter().chain(&self.others);
                        all.filter(|proxy| names.contains(&proxy.name)).collect()
                    }
                };
                // Another one goes first each time.
                let first = round % who.len().max(1);
                who.rotate_left(first);
                for proxy in who {
                    let figures = case.job.run(proxy, options).map_err(|f| f.during(proxy.name, case.job.name()))?;
                    let told = case.table.add(proxy.name, figures);
                    eprintln!("round {:>2}  {:<24} {:<18} {told}", round + 1, case.job.name(), proxy.name);
                }
            }
        }
        Ok(())
    }

    /// What has come out.
    pub fn tables(self) -> Vec<Table> {
        self.cases.into_iter().map(|case| case.table).chain(self.once).collect()
    }
}

/// The tables of the work that is wanted.
fn cases(options: &Options) -> Vec<Case> {
    let (connections, body) = (options.connections, options.body);
    let closed = |protocol, fresh, title: String| {
        let columns = if fresh { job::HANDSHAKE } else { job::CLOSED };
        Case { job: Job::Closed { protocol, fresh }, table: Table::new(title, columns, MEASURE), only: None }
    };
    let mut cases = Vec::new();
    for work in &options.work {
        match work {
            Work::Http1 => {
                let title = format!("HTTP/1.1, {connections} kept connections, answers of {body} bytes");
                cases.push(closed(Protocol::Http1, false, title));
            }
            Work::Tls => {
                let title = format!("TLS 1.3, {connections} kept connections, HTTP/1.1, answers of {body} bytes");
                cases.push(closed(Protocol::Http1Tls, false, title));
            }
            Work::Http2 => {
                let (lanes, streams) = job::shape(options, Protocol::Http2);
                let title = format!("HTTP/2 over TLS 1.3, {lanes} connections of {streams} requests at once");
                cases.push(closed(Protocol::Http2, false, title));
            }
            Work::Handshake => {
                let title = "A new TLS 1.3 connection for each request (P-256, X25519), never resumed".to_owned();
                cases.push(closed(Protocol::Http1Tls, true, title));
            }
            Work::Bodies => {
                for (direction, lanes, title) in [
                    (Direction::Down(1 << 20), 16, "Answers of 1 MiB"),
                    (Direction::Down(100 << 20), 4, "Answers of 100 MiB"),
                    (Direction::Up(1 << 10), 64, "Requests of 1 KiB"),
                    (Direction::Up(1 << 20), 16, "Requests of 1 MiB"),
                    (Direction::Up(100 << 20), 4, "Requests of 100 MiB"),
                ] {
                    let title = format!("{title}, HTTP/1.1, {lanes} connections");
                    let table = Table::new(title, job::FLOW, MEASURE);
                    cases.push(Case { job: Job::Flow(direction, lanes), table, only: None });
                }
            }
            Work::Latency => {
                let title = format!("A steady pace of 70 % of the most each could do, {connections} connections");
                cases.push(Case { job: Job::Paced, table: Table::new(title, job::PACED, MEASURE), only: None });
            }
            Work::Off => {
                let title = "Argus's whole decision against a route without any check or access log".to_owned();
                let table = Table::new(title, job::CLOSED, argus::OFF.name);
                let job = Job::Closed { protocol: Protocol::Http1, fresh: false };
                cases.push(Case { job, table, only: Some([argus::OFF.name, argus::FULL.name]) });
            }
            Work::Keys => {
                let title = format!("Argus with 10 keys against {} keys, all in use and in any order", options.many);
                let table = Table::new(title, job::CLOSED, argus::FEW.name);
                cases.push(Case { job: Job::Many, table, only: Some([argus::FEW.name, argus::MANY.name]) });
            }
            Work::Idle => {}
        }
    }
    cases
}

/// Bytes of memory that one connection costs which has been used and now waits.
fn idle(proxy: &Proxy, options: &Options) -> Result<f64, Failure> {
    let before = machine::memory_of(proxy.process.pid());
    let held = load::hold(proxy.plain, &proxy.requests(), options.idle)?;
    std::thread::sleep(options.idle_wait);
    let after = machine::memory_of(proxy.process.pid());
    drop(held);
    Ok(after.saturating_sub(before) as f64 / options.idle as f64)
}
