//! A long run under mixed traffic while everything around changes: `cargo bench --bench soak -- --minutes 15`.
//!
//! HTTP/1.1 and HTTP/2, plain and over TLS, large bodies both ways and WebSocket; meanwhile the configuration is loaded
//! anew, certificates are exchanged, and origins are killed and come back. Every request has a number: at the end none
//! was lost, none of those that may not be repeated came twice, nobody got another's answer, nothing failed but while an
//! origin was away, and memory and descriptors are where they were.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

mod gateway;
mod ledger;
mod traffic;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gateway::{Authority, Gateway};
use ledger::{Ledger, Origin};
use traffic::{Field, Way, ask, talk};

/// How often each thing happens, in seconds.
const RELOAD_EVERY: u64 = 7;
const SWAP_EVERY: u64 = 11;
const KILL_EVERY: u64 = 30;
/// How long an origin stays away, and how long failures may come of it after that.
const AWAY: Duration = Duration::from_secs(2);
const EXCUSED: Duration = Duration::from_secs(10);
/// What memory may differ by between a fifth of the run and its end.
const GROWTH_MAX_KIB: u64 = 16 * 1_024;
/// Descriptors that may be left when all clients have gone: connections to origins that are kept.
const DESCRIPTORS_MAX: usize = 64;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1).cloned());
    let minutes: f64 = after("--minutes").map_or(1.0, |m| m.parse().expect("--minutes takes a number"));
    let program = after("--argus").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_argus")), PathBuf::from);
    let program = std::fs::canonicalize(program).expect("the program");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let faults = runtime.block_on(soak(program, Duration::from_secs_f64(minutes * 60.0)));
    std::process::exit(i32::from(faults > 0));
}

async fn soak(program: PathBuf, length: Duration) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let (authority, ledger) = (Authority::new(), Arc::new(Ledger::default()));
    authority.issue(dir.path());
    let mut origins = Vec::new();
    for _ in 0..3 {
        origins.push(Origin::start(Arc::clone(&ledger)).await.unwrap());
    }
    let servers: Vec<_> = origins.iter().map(|origin| origin.address).collect();
    let mut gateway = Gateway::start(&program, dir.path(), &servers).unwrap();
    let key = gateway.key().unwrap();
    let admin = gateway.admin();
    let before = gateway.weight();
    let field = Arc::new(Field::new(gateway.plain, gateway.tls, authority.trusting(), key, Arc::clone(&ledger)));
    let clients = start_clients(&field);
    let (begun, mut weights) = (Instant::now(), Vec::new());
    let (mut reloads, mut swaps, mut kills) = (0, 0, 0);
    let mut second = 0;
    while begun.elapsed() < length {
        tokio::time::sleep(Duration::from_secs(1)).await;
        second += 1;
        weights.push(gateway.weight());
        assert!(
            gateway.is_running(),
            "the gateway ended: {}",
            std::fs::read_to_string(dir.path().join("log")).unwrap()
        );
        if second % SWAP_EVERY == 0 {
            authority.issue(dir.path());
            swaps += 1;
        }
        if second % RELOAD_EVERY == 0 {
            gateway.reload(second, admin).unwrap();
            reloads += 1;
        }
        if second % KILL_EVERY == 0 && length.saturating_sub(begun.elapsed()) > EXCUSED * 2 {
            *field.excused.lock() = Some(Instant::now() + AWAY + EXCUSED);
            let origin = &mut origins[kills % 3];
            origin.kill();
            tokio::time::sleep(AWAY).await;
            origin.start_again().await.unwrap();
            kills += 1;
        }
    }
    field.over.store(true, Ordering::Relaxed);
    for client in clients {
        let _ = tokio::time::timeout(Duration::from_secs(40), client).await;
    }
    let after = settle(&gateway).await;
    let fifth = weights.len() / 5;
    let early = weights[fifth..(fifth * 2).max(fifth + 1)].iter().map(|w| w.0).max().unwrap_or(before.0);
    let late = weights[fifth * 4..].iter().map(|w| w.0).max().unwrap_or(after.0);
    if late > early + GROWTH_MAX_KIB {
        field.fault(format!("memory grew from {early} to {late} KiB"));
    }
    if after.1 > before.1 + DESCRIPTORS_MAX {
        field.fault(format!("descriptors went from {} to {}", before.1, after.1));
    }
    let count = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
    println!("minutes               {:.1}", begun.elapsed().as_secs_f64() / 60.0);
    println!("answered in full      {}", count(&field.good));
    println!("WebSocket messages    {}", count(&field.messages));
    println!("failed, origin away   {}", count(&field.failed));
    println!("reloads, new certificates, origins killed   {reloads}, {swaps}, {kills}");
    println!("seen and unanswered   {} (while an origin was away)", ledger.left());
    println!("memory, KiB           {} at start, {early} early, {late} late, {} at rest", before.0, after.0);
    println!("descriptors           {} at start, {} at rest", before.1, after.1);
    let faults = field.faults.lock();
    println!("faults                {}", faults.len());
    for fault in faults.iter().take(30) {
        println!("  {}", fault.chars().take(300).collect::<String>());
    }
    faults.len()
}

fn start_clients(field: &Arc<Field>) -> Vec<tokio::task::JoinHandle<()>> {
    let small = 20_000;
    let ways = [
        (8, Way { tls: false, http2: false, body_max: small }),
        (6, Way { tls: false, http2: true, body_max: small }),
        (4, Way { tls: true, http2: false, body_max: small }),
        (4, Way { tls: true, http2: true, body_max: small }),
        (1, Way { tls: false, http2: false, body_max: 8 << 20 }),
        (1, Way { tls: true, http2: true, body_max: 8 << 20 }),
    ];
    let mut clients = Vec::new();
    for (count, way) in ways {
        clients.extend((0..count).map(|_| tokio::spawn(ask(Arc::clone(field), way))));
    }
    clients.extend((0..4).map(|_| tokio::spawn(talk(Arc::clone(field)))));
    clients
}

/// What the gateway weighs once its clients have gone.
async fn settle(gateway: &Gateway) -> (u64, usize) {
    let mut weight = gateway.weight();
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        weight = gateway.weight();
    }
    weight
}
