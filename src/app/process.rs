//! What the system says of this process.

use crate::record::exposition::Reading;

/// Bytes of `/proc` files that are read; they are far shorter.
const FILE_MAX: usize = 16 * 1_024;

/// `process_*` as Prometheus clients name them. What the system does not tell is left out.
pub fn readings(started: i64) -> Vec<Reading> {
    let mut out = vec![gauge("process_start_time_seconds", "When the process started", started as f64)];
    if let Some((cpu, resident)) = stat() {
        out.push(Reading { counter: true, ..gauge("process_cpu_seconds", "CPU time used", cpu) });
        out.push(gauge("process_resident_memory_bytes", "Resident memory", resident));
    }
    if let Ok(fds) = std::fs::read_dir("/proc/self/fd") {
        out.push(gauge("process_open_fds", "Open file descriptors", fds.count() as f64));
    }
    out
}

fn gauge(name: &'static str, help: &'static str, value: f64) -> Reading {
    Reading { name, help, counter: false, values: vec![(Vec::new(), value)] }
}

/// CPU seconds and resident bytes from `/proc/self/stat`.
fn stat() -> Option<(f64, f64)> {
    let text = std::fs::read_to_string("/proc/self/stat").ok().filter(|t| t.len() <= FILE_MAX)?;
    // SAFETY: sysconf reads two constants of the system.
    let (ticks, page) = unsafe { (libc::sysconf(libc::_SC_CLK_TCK), libc::sysconf(libc::_SC_PAGESIZE)) };
    parse(&text, ticks as f64, page as f64)
}

/// The fields of proc(5) after the command's name, which is in parentheses and may hold anything.
fn parse(text: &str, ticks: f64, page: f64) -> Option<(f64, f64)> {
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some(((number(11)? + number(12)?) / ticks, number(21)? * page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_after_any_name() {
        let text = "7 (a) b) (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 0 0 0 0 0 0 25 0";
        assert_eq!(parse(text, 100.0, 4096.0), Some((2.0, 102_400.0)));
        assert_eq!(parse("nonsense", 100.0, 4096.0), None);
    }

    #[test]
    fn this_process_has_memory() {
        let readings = readings(0);
        let resident = readings.iter().find(|r| r.name == "process_resident_memory_bytes").unwrap();
        assert!(resident.values[0].1 > 1e6);
    }
}
