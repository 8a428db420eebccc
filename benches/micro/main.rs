//! What single steps of a decision cost: `cargo bench --bench micro`.
//!
//! Everything runs on one thread and without sockets. A decision on a key in memory never waits, so that it is polled
//! once and not given to a runtime.

mod fixture;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use argus::admission::{ClientFacts, Decision, Engine, EngineParts, Head};
use argus::geo::GeoDbs;
use argus::limits::{Counter, EmbeddedCounters, Take, window};
use argus::model::clock::Now;
use argus::model::key_format;
use argus::model::limit::{CalendarPeriod, Limit, LimitBy, LimitKind, Strategy, Window};
use argus::model::network::{AddressSet, Cidr};
use argus::model::route::{Origin, Route, RouteAuth};
use argus::snapshot::key_cache::KeyCache;
use argus::snapshot::{ActiveRoute, InsecureRequests, RateLimitHeaders, RouteTable, Snapshot};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method};
use jiff::tz::TimeZone;

use fixture::{at_once, keys, now};

/// A request that is decided over and over.
struct Call {
    method: Method,
    host: &'static str,
    path: &'static str,
    headers: HeaderMap,
    client: ClientFacts,
}

fn call(host: &'static str, path: &'static str, credential: Option<&[u8]>) -> Call {
    let mut headers = HeaderMap::new();
    for (name, value) in [("host", host), ("user-agent", "bench/1.0"), ("accept", "*/*"), ("accept-encoding", "gzip")] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(text) = credential {
        headers.insert("x-api-key", HeaderValue::from_bytes(text).expect("a header"));
    }
    let client = ClientFacts::new("198.51.100.7".parse().expect("an address"), 64);
    Call { method: Method::GET, host, path, headers, client }
}

fn decide(engine: &Engine, snapshot: &Arc<Snapshot>, call: &Call, now: Now) -> Decision {
    let head = Head {
        method: &call.method,
        host: call.host,
        path: call.path,
        query: None,
        body_bytes: 0,
        body_bytes_max: None,
        headers: &call.headers,
        client: &call.client,
        secure: true,
        insecure: InsecureRequests::Reject,
        now,
    };
    at_once(engine.decide(snapshot, &head))
}

fn admission(c: &mut Criterion) {
    let keys = keys(1_000);
    let counter = Arc::new(EmbeddedCounters::new(64 << 20));
    let parts = EngineParts { keys: Arc::clone(&keys.cache), counter, geo: Arc::new(GeoDbs::none()) };
    let engine = Engine::new(parts);
    let snapshot = &keys.snapshot;
    let unknown = key_format::generate("argus", "live", key_format::new_public_id());
    keys.runtime.block_on(async {
        let now_us = now().steady_us;
        keys.cache.find(&unknown.digest(None), snapshot, now_us).await.expect("asked");
    });
    let mut damaged = keys.secrets[1].expose().to_vec();
    damaged.swap(25, 26);
    damaged[27] = b'x';
    let host = "api.example.com";
    let cases = [
        ("hit, one limit", call(host, "/v1/orders/7", Some(keys.secrets[0].expose())), true),
        ("hit, two limits", call(host, "/v1/orders/7", Some(keys.secrets[1].expose())), true),
        ("hit, three limits and conditions", call(host, "/fenced/7", Some(keys.secrets[1].expose())), true),
        ("public route", call(host, "/open", None), true),
        ("miss, remembered", call(host, "/v1/orders/7", Some(unknown.expose())), false),
        ("garbage, wrong checksum", call(host, "/v1/orders/7", Some(&damaged)), false),
        ("garbage, not our shape", call(host, "/v1/orders/7", Some(b"hunter2")), false),
        ("no credential", call(host, "/v1/orders/7", None), false),
    ];
    let at = now();
    let mut group = c.benchmark_group("admission");
    for (name, call, admitted) in &cases {
        assert_eq!(decide(&engine, snapshot, call, at).outcome.is_ok(), *admitted, "{name}");
        group.bench_function(*name, |b| b.iter(|| black_box(decide(&engine, snapshot, call, at))));
    }
    let hit = decide(&engine, snapshot, &cases[1].1, at);
    let families = RateLimitHeaders { ietf: true, legacy: true };
    group.bench_function("limit headers, two limits", |b| {
        b.iter(|| {
            let mut out = HeaderMap::with_capacity(8);
            hit.limits.headers(families, at, &mut out);
            out
        });
    });
    let secret = keys.secrets[1].expose();
    group.bench_function("digest alone", |b| b.iter(|| argus::model::secret::KeyDigest::of(black_box(secret), None)));
    group.finish();
}

fn key_cache(c: &mut Criterion) {
    let mut group = c.benchmark_group("key cache");
    for count in [1_000, 100_000] {
        let keys = keys(count);
        let digests: Vec<_> = keys.secrets.iter().map(|s| s.digest(None)).collect();
        let mut at = 0;
        group.bench_function(BenchmarkId::new("hit among", count), |b| {
            b.iter(|| {
                // A stride that is prime to both counts: no two neighbours in memory.
                at = (at + 7_919) % count;
                keys.cache.hit(&digests[at], &keys.snapshot, 0)
            });
        });
        if count == 1_000 {
            let small = KeyCache::new(Arc::clone(&keys.store) as _, 1, Duration::from_secs(10));
            let small = keys.runtime.block_on(small).expect("a cache");
            group.bench_function("store lookup", |b| {
                b.iter(|| {
                    at = (at + 7_919) % count;
                    keys.runtime.block_on(small.find(&digests[at], &keys.snapshot, 0)).expect("found")
                });
            });
        }
    }
    group.finish();
}

fn route(index: usize) -> Arc<ActiveRoute> {
    let name = format!("r{index}");
    Arc::new(ActiveRoute {
        index,
        route: Route {
            name: name.parse().expect("a name"),
            hosts: vec![format!("h{}.example.com", index % 10).parse().expect("a host")],
            paths: vec![format!("/v1/service{index}/*").parse().expect("a path")],
            methods: Vec::new(),
            headers: Vec::new(),
            upstream: name.parse().expect("a name"),
            auth: RouteAuth::None,
            environments: Vec::new(),
            scopes: None,
            cost: None,
            conditions: Vec::new(),
            limits: Vec::new(),
            error_style: Default::default(),
            rules: Default::default(),
            origin: Origin::none(),
            scopes_origin: Origin::none(),
            conditions_origin: Origin::none(),
            limits_origin: Origin::none(),
        },
        conditions: Vec::new(),
        limits: Vec::new(),
        policy: None,
        subject: 0,
    })
}

fn route_table(c: &mut Criterion) {
    let mut group = c.benchmark_group("route table");
    let headers = HeaderMap::new();
    for count in [10, 1_000, 10_000] {
        let routes: Vec<_> = (0..count).map(route).collect();
        let table = RouteTable::new(&routes);
        let asked: Vec<(String, String)> = (0..count)
            .map(|i| (format!("h{}.example.com", i % 10), format!("/v1/service{i}/items/42/details")))
            .collect();
        let mut at = 0;
        group.bench_function(BenchmarkId::new("found among", count), |b| {
            b.iter(|| {
                at = (at + 7_919) % count;
                let (host, path) = &asked[at];
                black_box(table.find(host, path, &Method::GET, &headers));
            });
        });
        group.bench_function(BenchmarkId::new("not found among", count), |b| {
            let slashes = "/".repeat(8_000);
            b.iter(|| black_box(table.find("h1.example.com", &slashes, &Method::GET, &headers)));
        });
    }
    group.finish();
}

fn cidr_sets(c: &mut Criterion) {
    let mut group = c.benchmark_group("cidr set");
    for count in [10_u32, 100_000] {
        let set: AddressSet = (0..count)
            .map(|n| format!("{}/24", Ipv4Addr::from(0x0b00_0000 + n * 512)).parse::<Cidr>().expect("a network"))
            .collect();
        let mut at = 0_u32;
        group.bench_function(BenchmarkId::new("contains", count), |b| {
            b.iter(|| {
                at = at.wrapping_add(7_919 * 256);
                black_box(set.contains(IpAddr::V4(Ipv4Addr::from(0x0b00_0000 + at % (count * 512)))))
            });
        });
    }
    group.finish();
}

fn limit(strategy: Strategy, window: Window) -> Limit {
    Limit {
        name: "bench".parse().expect("a name"),
        kind: LimitKind::Rate,
        units: 1_000_000_000_000,
        window,
        burst: 1_000_000_000,
        strategy,
        by: vec![LimitBy::Key],
    }
}

fn limits(c: &mut Criterion) {
    let mut group = c.benchmark_group("limit");
    let minute = || Window::Seconds(60);
    let month = Window::Calendar(CalendarPeriod::Month, TimeZone::get("Europe/Berlin").expect("a zone"));
    let start = now().steady_us;
    let cases = [
        ("fixed window", limit(Strategy::FixedWindow, minute())),
        ("calendar month", limit(Strategy::FixedWindow, month)),
        ("sliding window", limit(Strategy::SlidingWindow, minute())),
        ("token bucket", limit(Strategy::TokenBucket, minute())),
    ];
    for (name, limit) in &cases {
        let mut cell = [0; 3];
        let mut at = start;
        group.bench_function(format!("{name}, arithmetic"), |b| {
            b.iter(|| {
                at += 10;
                let mut level = window::level(limit, cell, at);
                if level.admits(limit, 1, at) {
                    level.take(1);
                    cell = level.cell(limit, at);
                }
                level.state(limit, 1, false, at)
            });
        });
    }
    let counters = EmbeddedCounters::new(256 << 20);
    let (sliding, bucket) = (&cases[2].1, &cases[3].1);
    let spread = |n: u128| n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    let mut at = 0_u128;
    for (name, met) in [("one counter", 1), ("three counters", 3)] {
        group.bench_function(format!("{name} of 100,000"), |b| {
            b.iter(|| {
                at = (at + 7_919) % 100_000;
                let takes = [
                    Take { limit: sliding, counter: spread(at + 1) },
                    Take { limit: bucket, counter: spread(at + 200_000) },
                    Take { limit: sliding, counter: spread(at + 400_000) },
                ];
                black_box(counters.take(&takes[..met], 1, start))
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(50);
    targets = admission, key_cache, route_table, cidr_sets, limits
}
criterion_main!(benches);
