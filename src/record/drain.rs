//! The thread that takes access-log lines from the workers, writes them out and feeds the stream of decisions.
//!
//! A blocking writer blocks this thread alone: the workers' buffers then fill up to their bound and lines are dropped
//! and counted, never a request held up.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use super::cell::Recorder;
use super::decisions::Decisions;

/// How often lines are taken.
const EVERY: Duration = Duration::from_millis(100);

/// The running thread.
#[derive(Debug)]
pub struct LogDrain {
    stop: Arc<AtomicBool>,
    handle: JoinHandle<()>,
}

impl LogDrain {
    /// Starts the thread. `pretty` turns a JSON line into one for people.
    pub fn start(
        recorder: Arc<Recorder>,
        decisions: Arc<Decisions>,
        mut out: Box<dyn Write + Send>,
        pretty: Option<fn(&str) -> String>,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let handle = std::thread::Builder::new().name("argus-log".into()).spawn(move || {
            let mut text = Vec::new();
            loop {
                let last = stopped.load(Ordering::Acquire);
                for cell in &recorder.cells {
                    let log = cell.take_log();
                    recorder.log_dropped.fetch_add(log.dropped, Ordering::Relaxed);
                    text.clear();
                    render(&log.bytes, pretty, &mut text);
                    if !text.is_empty() && out.write_all(&text).and_then(|()| out.flush()).is_err() {
                        let lost = text.iter().filter(|b| **b == b'\n').count() as u64;
                        recorder.log_dropped.fetch_add(lost, Ordering::Relaxed);
                    }
                    decisions.add(log.bytes);
                }
                if last {
                    return;
                }
                std::thread::park_timeout(EVERY);
            }
        })?;
        Ok(LogDrain { stop, handle })
    }

    /// Takes what is left, and ends.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        Thread::unpark(self.handle.thread());
        // A thread that panicked has nothing more to write.
        let _ = self.handle.join();
    }
}

/// The lines that go to the log, without their marks.
fn render(marked: &[u8], pretty: Option<fn(&str) -> String>, out: &mut Vec<u8>) {
    let mut begin = 0;
    for end in memchr::memchr_iter(b'\n', marked) {
        let line = &marked[std::mem::replace(&mut begin, end + 1)..=end];
        let Some(line) = line.strip_prefix(b"+") else { continue };
        match (pretty, std::str::from_utf8(line)) {
            (Some(pretty), Ok(text)) => {
                out.extend_from_slice(pretty(text.trim_ascii_end()).as_bytes());
                out.push(b'\n');
            }
            _ => out.extend_from_slice(line),
        }
    }
}

/// A line for people: time, status, method and path, key, address, country, reason.
pub fn pretty(json: &str) -> String {
    let Ok(line) = serde_json::from_str::<serde_json::Value>(json) else { return json.to_owned() };
    // Terminals act on control characters, and some of these texts are a caller's.
    let text = |name: &str| line[name].as_str().unwrap_or("").replace(char::is_control, "\u{fffd}");
    let time = text("ts").get(11..19).unwrap_or("").to_owned();
    let or_dash = |t: String| if t.is_empty() { "-".to_owned() } else { t };
    format!(
        "{time}  {}  {} {}  {}  {} {}  {}",
        line["status"],
        text("method"),
        text("path"),
        or_dash(text("key")),
        text("client_ip"),
        text("country"),
        match line["code"].as_str() {
            Some(code) => code.to_owned(),
            None => format!("{} ms", line["duration_ms"]),
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sampled_lines_are_written() {
        let mut out = Vec::new();
        render(b"+{\"a\":1}\n-{\"b\":2}\n+{\"c\":3}\n", None, &mut out);
        assert_eq!(out, b"{\"a\":1}\n{\"c\":3}\n");
    }

    #[test]
    fn lines_for_people() {
        let json = r#"{"ts":"2026-09-21T14:02:11.123Z","status":403,"method":"POST","path":"/v1/invoices","key":"partner-eu","client_ip":"203.0.113.9","country":"DE","code":"insufficient_scope"}"#;
        assert_eq!(pretty(json), "14:02:11  403  POST /v1/invoices  partner-eu  203.0.113.9 DE  insufficient_scope");
        assert_eq!(pretty("no json"), "no json");
        let forged = pretty(r#"{"path":"/a\u001b[31m\u009b\u007f\n"}"#);
        assert!(!forged.contains(char::is_control), "{forged:?}");
    }
}
