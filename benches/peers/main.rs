//! Argus beside its peers: the same origin, the same work, one run.
//!
//! Every proxy checks a key among 1,000, counts it against a limit of its own, writes an access log to a file and
//! forwards over kept connections. They are driven in turn, round after round, by a load generator that shares its
//! core with the origin, while the proxy has the other core to itself. What a noisy machine does to one it does to
//! all, so the ratios within a run are what counts; the first figure is CPU time of the proxy per request, user and
//! system, of all its processes.
//!
//! ```text
//! apt-get install nginx-light haproxy
//! cargo bench --bench peers -- --rounds 10
//! ```
//!
//! Everything stays on loopback, and ends with the run.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod load;
mod machine;
mod options;
mod origin;
mod process;
mod proxy;
mod report;

use std::time::Duration;

use options::Options;
use origin::Origin;
use process::Failure;
use proxy::Proxy;
use report::{Report, Sample};

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
    machine::raise_open_files();
    if !machine::pin(options.cores.1) {
        eprintln!("note: core {} is not to be had: nothing is pinned, figures are of little use", options.cores.1);
    }
    let dir = tempfile::Builder::new().prefix("argus-peers-").tempdir().map_err(Failure::io("a temporary folder"))?;
    let origin = Origin::start(options.body)?;
    let mut report = Report::new(options);

    let mut proxies: Vec<Box<dyn Proxy>> = Vec::new();
    for name in &options.only {
        let proxy = proxy::start(name, options, origin.address(), dir.path())?;
        proxy::check(proxy.as_ref(), options)?;
        eprintln!("{:<9} {}: keys and limit checked", proxy.name(), proxy.version());
        proxies.push(proxy);
    }

    for proxy in &proxies {
        report.idle(proxy.name(), idle_memory(proxy.as_ref(), options)?);
    }
    for round in 0..options.rounds {
        // Another one goes first each time.
        for turn in 0..proxies.len() {
            let proxy = proxies[(round + turn) % proxies.len()].as_ref();
            let sample = measure(proxy, options)?;
            eprintln!("round {:>2}  {:<9} {sample}", round + 1, proxy.name());
            report.add(proxy.name(), sample);
        }
    }
    if options.direct {
        report.direct(load::run(origin.address(), &["none".to_owned()], options)?);
    }
    print!("{report}");
    Ok(())
}

/// Drives one proxy for one round.
fn measure(proxy: &dyn Proxy, options: &Options) -> Result<Sample, Failure> {
    let (mut before, mut after) = (Duration::ZERO, Duration::ZERO);
    let result = load::run_watched(
        proxy.address(),
        proxy.keys(),
        options,
        || before = machine::cpu_of(proxy.pid()),
        || after = machine::cpu_of(proxy.pid()),
    )?;
    let cpu = after.saturating_sub(before);
    if result.refused > 0 {
        return Err(Failure::Refused { proxy: proxy.name(), count: result.refused });
    }
    Ok(Sample::new(&result, cpu, machine::memory_of(proxy.pid())))
}

/// Bytes of memory that one connection costs which has been used and now waits.
fn idle_memory(proxy: &dyn Proxy, options: &Options) -> Result<f64, Failure> {
    let before = machine::memory_of(proxy.pid());
    let held = load::hold(proxy.address(), &proxy.keys()[0], options.idle)?;
    std::thread::sleep(options.idle_wait);
    let after = machine::memory_of(proxy.pid());
    drop(held);
    Ok(after.saturating_sub(before) as f64 / options.idle as f64)
}
