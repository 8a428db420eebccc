//! What came out: medians over the rounds, and ratios taken within each round.

use std::fmt;
use std::time::Duration;

use crate::load::Outcome;
use crate::options::Options;

/// The proxy that the others are held against.
const MEASURE: &str = "nginx";

/// One proxy in one round.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Processor time of the proxy per request, in microseconds.
    pub cpu_us: f64,
    /// Requests a second.
    pub per_second: f64,
    /// Half are faster.
    pub p50: Duration,
    /// One in a hundred is slower.
    pub p99: Duration,
    /// Bytes in memory at the end of the round.
    pub memory: u64,
}

impl Sample {
    /// Of a round in which the proxy took `cpu`.
    pub fn new(outcome: &Outcome, cpu: Duration, memory: u64) -> Self {
        let answers = outcome.answers.max(1) as f64;
        Sample {
            cpu_us: cpu.as_secs_f64() * 1e6 / answers,
            per_second: answers / outcome.time.as_secs_f64(),
            p50: outcome.percentile(0.5),
            p99: outcome.percentile(0.99),
            memory,
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>6.2} µs CPU a request  {:>7.0} requests/s  p50 {:>6.2} ms  p99 {:>6.2} ms  {:>6.1} MiB",
            self.cpu_us,
            self.per_second,
            self.p50.as_secs_f64() * 1e3,
            self.p99.as_secs_f64() * 1e3,
            self.memory as f64 / 1_048_576.0
        )
    }
}

struct Row {
    name: String,
    samples: Vec<Sample>,
    idle: f64,
}

/// What came out.
pub struct Report {
    about: String,
    rows: Vec<Row>,
    direct: Option<Outcome>,
}

impl Report {
    /// Nothing so far.
    pub fn new(options: &Options) -> Self {
        let about = format!(
            "{} connections, {} keys, answers of {} bytes, {} rounds of {:?} each; proxy on core {}, load and origin on core {}",
            options.connections,
            options.keys,
            options.body,
            options.rounds,
            options.seconds,
            options.cores.0,
            options.cores.1
        );
        Report { about, rows: Vec::new(), direct: None }
    }

    /// Memory of one idle connection, in bytes.
    pub fn idle(&mut self, name: &str, bytes: f64) {
        self.rows.push(Row { name: name.to_owned(), samples: Vec::new(), idle: bytes });
    }

    /// A round of one proxy.
    pub fn add(&mut self, name: &str, sample: Sample) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.name == name) {
            row.samples.push(sample);
        }
    }

    /// What the origin does without a proxy.
    pub fn direct(&mut self, outcome: Outcome) {
        self.direct = Some(outcome);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n", self.about)?;
        writeln!(
            f,
            "| proxy | CPU µs / request | against {MEASURE} (median, lowest–highest round) | requests/s | p50 ms | p99 ms | KiB / idle connection | MiB |"
        )?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- | --- | --- |")?;
        let measure = self.rows.iter().find(|row| row.name == MEASURE);
        for row in &self.rows {
            let of = |get: fn(&Sample) -> f64| median(row.samples.iter().map(get).collect());
            let ratios: Vec<f64> = measure
                .map(|m| row.samples.iter().zip(&m.samples).map(|(a, b)| a.cpu_us / b.cpu_us).collect())
                .unwrap_or_default();
            let ratio = match (ratios.iter().copied().reduce(f64::min), ratios.iter().copied().reduce(f64::max)) {
                (Some(low), Some(high)) => format!("{:.2} ({low:.2}–{high:.2})", median(ratios)),
                _ => "–".to_owned(),
            };
            writeln!(
                f,
                "| {} | {:.1} | {ratio} | {:.0} | {:.2} | {:.2} | {:.1} | {:.1} |",
                row.name,
                of(|s| s.cpu_us),
                of(|s| s.per_second),
                of(|s| s.p50.as_secs_f64() * 1e3),
                of(|s| s.p99.as_secs_f64() * 1e3),
                row.idle / 1024.0,
                of(|s| s.memory as f64 / 1_048_576.0),
            )?;
        }
        match &self.direct {
            Some(outcome) => writeln!(
                f,
                "\nThe origin without a proxy: {:.0} requests/s, p99 {:.2} ms.",
                outcome.answers as f64 / outcome.time.as_secs_f64(),
                outcome.percentile(0.99).as_secs_f64() * 1e3
            ),
            None => Ok(()),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}
