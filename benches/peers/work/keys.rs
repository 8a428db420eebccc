//! What very many keys cost: time to the first answer, and memory for each key that is in use.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::load::{self, Drive, Order, Protocol, Requests};
use crate::process::{Process, Program};
use crate::proxy::argus::{self, Addresses, Setup};
use crate::proxy::{Proxy, Stage, seed};
use crate::report::{Column, Table};
use crate::{machine, stop};

/// Keys that are few.
const FEW: usize = 10;

/// Starts, of which the time is taken.
const STARTS: usize = 3;

/// How long it may take to use every key once.
const WARM_MAX: Duration = Duration::from_secs(900);

/// How long Argus is left alone before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(3);

const START: &[Column] = &[Column::compared("ms from start to the first forwarded request", 0)];

const MEMORY: &[Column] = &[
    Column::told("MiB before", 1),
    Column::told("MiB with every key in use", 1),
    Column::told("bytes / key", 0),
    Column::told("of these in the cache, by its own count", 0),
];

/// Starts an Argus with few and one with very many keys, all of them in its memory, and tells what that took.
pub fn start(stage: &Stage<'_>, others: &mut Vec<Proxy>, tables: &mut Vec<Table>) -> Result<(), Failure> {
    let many = stage.options.many;
    let mut starts = Table::new("Start".to_owned(), START, argus::FEW.name);
    let mut memory = Table::new(
        format!("Memory of {many} keys in use: cache, counters of two limits, usage"),
        MEMORY,
        argus::FEW.name,
    );
    for (setup, count) in [(argus::FEW, FEW), (argus::MANY, many)] {
        let begun = started(stage, setup, count, &mut starts);
        let (proxy, addresses) = begun.map_err(|failure| failure.during(setup.name, "the start"))?;
        if count > FEW {
            let figures = fill(stage, &proxy, &addresses).map_err(|f| f.during(setup.name, "every key once"))?;
            eprintln!("{:<18} {}", setup.name, memory.add(setup.name, figures));
        }
        others.push(proxy);
    }
    tables.extend([starts, memory]);
    Ok(())
}

/// An Argus whose store has `count` keys, after a few starts of which each is told.
fn started(stage: &Stage<'_>, setup: Setup, count: usize, table: &mut Table) -> Result<(Proxy, Addresses), Failure> {
    let dir = stage.folder(setup.name)?;
    let addresses = Addresses::free()?;
    let config = argus::configure(stage, setup, &addresses, &dir)?;
    eprintln!("{:<18} making {count} keys", setup.name);
    let data = dir.join("argus-data");
    std::fs::create_dir(&data).map_err(Failure::io("Argus's store"))?;
    let mut keys = seed::keys(&data, count)?;
    let (plain, tls) = addresses.traffic;
    let first = Requests::new(plain, vec![keys[count / 2].clone()]);
    let log = dir.join("access.log");
    let mut running = None;
    for _ in 0..STARTS {
        // The one before has ended by now.
        drop(running.take());
        let Program { command, .. } = argus::program(stage, &config, &dir);
        let begun = Instant::now();
        let mut process = Process::spawn(command, stage.options.cores.0, &log)?;
        while !matches!(load::once(plain, Protocol::Http1, &first), Ok(200)) {
            stop::check()?;
            process.check("argus", &log, begun)?;
            std::thread::sleep(Duration::from_millis(1));
        }
        let told = table.add(setup.name, vec![begun.elapsed().as_secs_f64() * 1e3]);
        eprintln!("{:<18} {told}", setup.name);
        running = Some(process);
    }
    let process = running.ok_or(Failure::Closed)?;
    // All keys are for the load.
    keys.push(String::new());
    let version = argus::build(&stage.options.argus).to_owned();
    Ok((Proxy::started(setup.name, version, process, (plain, tls), keys), addresses))
}

/// Has every key used once; memory before and after, and the growth for each key.
fn fill(stage: &Stage<'_>, proxy: &Proxy, addresses: &Addresses) -> Result<Vec<f64>, Failure> {
    let requests = proxy.requests();
    let connections = stage.options.connections;
    let drive = Drive {
        to: proxy.plain,
        protocol: Protocol::Http1,
        requests: &requests,
        order: Order::InTurn,
        connections,
        streams: 1,
        fresh: false,
        warm: Duration::ZERO,
        time: WARM_MAX,
        most: requests.len() + connections,
    };
    let before = machine::memory_of(proxy.process.pid());
    drive.run(|| {}, || {})?;
    std::thread::sleep(SETTLE);
    let after = machine::memory_of(proxy.process.pid());
    let count = requests.len() as f64;
    let cached = argus::gauge(addresses.ops, "key_cache_bytes")?;
    let (before, after) = (before as f64, after as f64);
    Ok(vec![before / 1_048_576.0, after / 1_048_576.0, (after - before) / count, cached / count])
}
