//! `/metrics`: what the workers have counted, in the text format of Prometheus or in OpenMetrics.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::cell::{GATEWAY_BUCKETS_US, HTTP_BUCKETS_US, Histogram, METHODS, Recorder, Totals};

/// A number read at scrape time, for what other parts know.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Name without the `argus_` in front, unless it is the process's own, and without `_total` for counters.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Whether it only grows.
    pub counter: bool,
    /// Labels and value.
    pub values: Vec<(Vec<(&'static str, String)>, f64)>,
}

/// Tells what other parts know at scrape time.
pub type Readings = Arc<dyn Fn() -> Vec<Reading> + Send + Sync>;

/// Renders all metrics.
pub struct Exposition {
    argus: Registry,
    process: Registry,
}

impl fmt::Debug for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exposition")
    }
}

struct Gather {
    recorder: Arc<Recorder>,
    readings: Readings,
}

impl fmt::Debug for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gather")
    }
}

impl Exposition {
    /// Metrics of `recorder` and of `readings`, and those of the `process`, whose names are everybody's.
    pub fn new(recorder: Arc<Recorder>, readings: Readings, process: Readings) -> Self {
        let mut argus = Registry::with_prefix("argus");
        argus.register_collector(Box::new(Gather { recorder, readings }));
        let mut plain = Registry::default();
        plain.register_collector(Box::new(Plain(process)));
        Exposition { argus, process: plain }
    }

    /// The page in OpenMetrics 1.0.
    pub fn openmetrics(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail, and a metric that fails to encode is left out.
        let _ = text::encode_registry(&mut out, &self.argus);
        let _ = text::encode_registry(&mut out, &self.process);
        let _ = text::encode_eof(&mut out);
        out
    }

    /// The page in the text format 0.0.4, which names counters with their `_total` and knows no units or end mark.
    pub fn text(&self) -> String {
        let page = self.openmetrics();
        let mut out = String::with_capacity(page.len());
        let counters: Vec<&str> =
            page.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
        for line in page.lines() {
            let mut words = line.splitn(4, ' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("#"), Some("EOF"), ..) | (Some("#"), Some("UNIT"), ..) => continue,
                (Some("#"), Some(kind), Some(name), Some(rest)) if counters.contains(&name) => {
                    out.push_str(&format!("# {kind} {name}_total {rest}"));
                }
                _ => out.push_str(line),
            }
            out.push('\n');
        }
        out
    }
}

impl Collector for Gather {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let totals = self.recorder.totals();
        let names = Names {
            listeners: self.recorder.listeners.names(),
            routes: self.recorder.routes.names(),
            upstreams: self.recorder.upstreams.names(),
            limits: self.recorder.limits.names(),
        };
        counts(&mut encoder, &totals, &names)?;
        histograms(&mut encoder, &totals, &names)?;
        let mut all = self.own();
        all.extend((self.readings)());
        encode_readings(&mut encoder, &all)
    }
}

struct Plain(Readings);

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain")
    }
}

impl Collector for Plain {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        encode_readings(&mut encoder, &(self.0)())
    }
}

fn encode_readings(encoder: &mut DescriptorEncoder<'_>, all: &[Reading]) -> fmt::Result {
    for reading in all {
        let kind = if reading.counter { MetricType::Counter } else { MetricType::Gauge };
        let mut family = encoder.encode_descriptor(reading.name, reading.help, None, kind)?;
        for (labels, value) in &reading.values {
            family.encode_family(labels)?.encode_number(reading.counter, *value)?;
        }
    }
    Ok(())
}

impl Gather {
    fn own(&self) -> Vec<Reading> {
        let names = self.recorder.listeners.names();
        let open = self.recorder.connections.lock();
        let open =
            open.iter().map(|(number, n)| (vec![("listener", at(&names, *number))], n.load(Ordering::Relaxed) as f64));
        let one = |name, help, counter, value: f64| Reading { name, help, counter, values: vec![(Vec::new(), value)] };
        vec![
            Reading { name: "open_connections", help: "Connections open now", counter: false, values: open.collect() },
            one("active_requests", "Requests in progress", false, self.recorder.active() as f64),
            one("worker_lag_seconds", "How late the latest worker runs", false, self.recorder.lag().as_secs_f64()),
            one("shed_requests", "Requests refused because a worker ran late", true, self.recorder.shed() as f64),
            one(
                "access_log_dropped",
                "Access-log lines dropped because they could not be written fast enough",
                true,
                self.recorder.log_dropped.load(Ordering::Relaxed) as f64,
            ),
            one(
                "usage_dropped",
                "Calls whose usage could not be kept",
                true,
                self.recorder.usage_dropped.load(Ordering::Relaxed) as f64,
            ),
        ]
    }
}

struct Names {
    listeners: Vec<Arc<str>>,
    routes: Vec<Arc<str>>,
    upstreams: Vec<Arc<str>>,
    limits: Vec<Arc<str>>,
}

fn at(names: &[Arc<str>], number: u16) -> String {
    names.get(usize::from(number)).map(|n| n.to_string()).unwrap_or_default()
}

fn counts(encoder: &mut DescriptorEncoder<'_>, totals: &Totals, names: &Names) -> fmt::Result {
    let counter = MetricType::Counter;
    let mut family = encoder.encode_descriptor("http_requests", "Requests by status", None, counter)?;
    for ((listener, route, method, status), n) in &totals.requests {
        let labels = [
            ("listener", at(&names.listeners, *listener)),
            ("route", at(&names.routes, *route)),
            ("method", METHODS[usize::from(*method).min(METHODS.len() - 1)].to_owned()),
            ("code", status.to_string()),
        ];
        family.encode_family(&labels)?.encode_number(true, *n as f64)?;
    }
    let mut family = encoder.encode_descriptor("decisions", "Decisions by outcome and code", None, counter)?;
    for ((route, reason), n) in &totals.decisions {
        let outcome = match reason {
            None => "allowed",
            Some(r) if r.status().is_server_error() => "failed",
            Some(_) => "refused",
        };
        let labels = [
            ("route", at(&names.routes, *route)),
            ("outcome", outcome.to_owned()),
            ("code", reason.map_or("ok", |r| r.code()).to_owned()),
        ];
        family.encode_family(&labels)?.encode_number(true, *n as f64)?;
    }
    let mut family = encoder.encode_descriptor("rate_limit", "Decisions at a limit", None, counter)?;
    for ((limit, refused), n) in &totals.limits {
        let outcome = if *refused { "refused" } else { "admitted" };
        let labels = [("policy", at(&names.limits, *limit)), ("outcome", outcome.to_owned())];
        family.encode_family(&labels)?.encode_number(true, *n as f64)?;
    }
    let mut family =
        encoder.encode_descriptor("malformed_requests", "Requests refused as malformed, by cause", None, counter)?;
    for (cause, n) in &totals.malformed {
        family.encode_family(&[("cause", *cause)])?.encode_number(true, *n as f64)?;
    }
    let none: [(&str, &str); 0] = [];
    for (name, help, n) in [
        ("http_request_body_bytes", "Body bytes received", totals.bytes_in),
        ("http_response_body_bytes", "Body bytes sent", totals.bytes_out),
    ] {
        encoder.encode_descriptor(name, help, None, counter)?.encode_family(&none)?.encode_number(true, n as f64)?;
    }
    Ok(())
}

fn histograms(encoder: &mut DescriptorEncoder<'_>, totals: &Totals, names: &Names) -> fmt::Result {
    fn family<const N: usize>(
        encoder: &mut DescriptorEncoder<'_>,
        (name, help): (&str, &str),
        (label, names): (&'static str, &[Arc<str>]),
        (bounds, all): (&[u64; N], &BTreeMap<u16, Histogram<N>>),
    ) -> fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (number, h) in all {
            let mut buckets: Vec<(f64, u64)> = bounds.iter().zip(h.counts).map(|(b, n)| (*b as f64 / 1e6, n)).collect();
            buckets.push((f64::MAX, h.beyond));
            let count = h.counts.iter().sum::<u64>() + h.beyond;
            let labels = [(label, at(names, *number))];
            let mut metric = family.encode_family(&labels)?;
            metric.encode_histogram::<NoLabelSet>(h.sum_us as f64 / 1e6, count, &buckets, None)?;
        }
        Ok(())
    }
    let routes = ("route", &names.routes[..]);
    let whole = ("http_request_duration", "From accepting a request to its last byte");
    family(encoder, whole, routes, (&HTTP_BUCKETS_US, &totals.durations))?;
    let own = ("gateway_duration", "The part of a request's time that is Argus's own");
    family(encoder, own, routes, (&GATEWAY_BUCKETS_US, &totals.gateway))?;
    let decisions: BTreeMap<u16, Histogram<10>> = (0..).zip(totals.decision.values().cloned()).collect();
    let sources: Vec<Arc<str>> = totals.decision.keys().map(|source| Arc::from(*source)).collect();
    let decision = ("decision_duration", "What a decision took, by who answered for the credential");
    family(encoder, decision, ("source", &sources), (&GATEWAY_BUCKETS_US, &decisions))?;
    let upstream = ("upstream_duration", "From asking an upstream to the head of its answer");
    family(encoder, upstream, ("upstream", &names.upstreams), (&HTTP_BUCKETS_US, &totals.upstream))
}

trait EncodeNumber {
    fn encode_number(&mut self, counter: bool, value: f64) -> fmt::Result;
}

impl EncodeNumber for MetricEncoder<'_> {
    fn encode_number(&mut self, counter: bool, value: f64) -> fmt::Result {
        if counter { self.encode_counter::<NoLabelSet, f64, f64>(&value, None) } else { self.encode_gauge(&value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::cell::Sample;

    fn page() -> Exposition {
        let recorder = Arc::new(Recorder::new(1));
        recorder.listeners.number("public");
        let sample = Sample {
            listener: 0,
            route: recorder.routes.number("orders"),
            upstream: recorder.upstreams.number("up"),
            method: 0,
            status: 200,
            reason: None,
            total_us: 30_000,
            gateway_us: 40,
            upstream_us: Some(29_000),
            decision: None,
            bytes_in: 0,
            bytes_out: 5,
        };
        recorder.cells[0].take_in(&sample, |_| ());
        let up = Reading {
            name: "store_up",
            help: "Whether the store answers",
            counter: false,
            values: vec![(vec![("store", "embedded".into())], 1.0)],
        };
        Exposition::new(recorder, Arc::new(move || vec![up.clone()]), Arc::new(Vec::new))
    }

    #[test]
    fn both_formats_name_the_same_series() {
        let page = page();
        let (open, text) = (page.openmetrics(), page.text());
        let series = r#"argus_http_requests_total{listener="public",route="orders",method="GET",code="200"} 1"#;
        assert!(open.contains(series) && text.contains(series), "{open}");
        assert!(open.ends_with("# EOF\n") && !text.contains("# EOF"));
        assert!(
            open.contains("# TYPE argus_http_requests counter")
                && text.contains("# TYPE argus_http_requests_total counter")
        );
        assert!(text.contains(r#"argus_gateway_duration_seconds_bucket{le="0.00005",route="orders"} 1"#), "{text}");
        assert!(text.contains(r#"argus_upstream_duration_seconds_count{upstream="up"} 1"#));
        assert!(text.contains(r#"argus_store_up{store="embedded"} 1"#));
    }
}
