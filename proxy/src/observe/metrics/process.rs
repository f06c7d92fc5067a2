//! The process's own numbers, read from `/proc`. Where that does not exist (not Linux), they are left out.

use std::fs;

/// Clock ticks a second in `/proc/*/stat`: `USER_HZ`, which the kernel keeps at 100 on every platform that Rust's Linux
/// targets name.
const TICKS_PER_SECOND: f64 = 100.0;

/// The process's numbers under the names that Prometheus' client libraries agreed on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ProcessNumbers {
    /// Seconds of processor time, user and system.
    pub(super) cpu_seconds: Option<f64>,
    /// Seconds since the epoch at which the process started.
    pub(super) start_time_seconds: Option<f64>,
    /// Resident memory.
    pub(super) resident_bytes: Option<u64>,
    /// Virtual memory.
    pub(super) virtual_bytes: Option<u64>,
    /// Threads.
    pub(super) threads: Option<u64>,
    /// Open file descriptors.
    pub(super) open_fds: Option<u64>,
    /// The limit on file descriptors.
    pub(super) max_fds: Option<u64>,
}

impl ProcessNumbers {
    /// Reads the numbers of this process.
    pub(super) fn read() -> Self {
        let mut numbers = Self::default();
        if let Ok(stat) = fs::read_to_string("/proc/self/stat") {
            numbers.take_stat(&stat, boot_time());
        }
        if let Ok(status) = fs::read_to_string("/proc/self/status") {
            numbers.take_status(&status);
        }
        if let Ok(limits) = fs::read_to_string("/proc/self/limits") {
            numbers.max_fds = max_fds(&limits);
        }
        // One of the entries is the listing's own descriptor.
        numbers.open_fds = fs::read_dir("/proc/self/fd").ok().map(|list| (list.count() as u64).saturating_sub(1));
        numbers
    }

    fn take_stat(&mut self, stat: &str, boot_time: Option<f64>) {
        // The second field is the program's name in brackets and may hold spaces and brackets: count from its end.
        let Some((_, rest)) = stat.rsplit_once(')') else { return };
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
        if let (Some(user), Some(system)) = (number(11), number(12)) {
            self.cpu_seconds = Some((user + system) / TICKS_PER_SECOND);
        }
        if let (Some(start), Some(boot)) = (number(19), boot_time) {
            self.start_time_seconds = Some(boot + start / TICKS_PER_SECOND);
        }
    }

    fn take_status(&mut self, status: &str) {
        for line in status.lines() {
            let Some((name, rest)) = line.split_once(':') else { continue };
            let number = rest.split_ascii_whitespace().next().and_then(|number| number.parse::<u64>().ok());
            match name {
                "VmRSS" => self.resident_bytes = number.map(|kibibytes| kibibytes * 1024),
                "VmSize" => self.virtual_bytes = number.map(|kibibytes| kibibytes * 1024),
                "Threads" => self.threads = number,
                _ => {}
            }
        }
    }
}

/// Seconds since the epoch at which the machine started.
fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

fn max_fds(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn reads_the_fields_of_a_program_whose_name_looks_like_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 12345 1000 200 18446744073709551615";
        let mut numbers = ProcessNumbers::default();
        numbers.take_stat(stat, Some(1_000.0));
        assert_eq!(numbers.cpu_seconds, Some(3.0));
        assert_eq!(numbers.start_time_seconds, Some(1_123.45));
    }

    #[test]
    fn reads_memory_and_limits() {
        let mut numbers = ProcessNumbers::default();
        numbers.take_status("Name:\tx\nVmSize:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t5\n");
        assert_eq!(
            (numbers.virtual_bytes, numbers.resident_bytes, numbers.threads),
            (Some(2_097_152), Some(1_048_576), Some(5))
        );
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(max_fds(limits), Some(1024));
        assert_eq!(max_fds("Max open files            unlimited            unlimited            files\n"), None);
    }

    #[test]
    fn nonsense_gives_no_numbers() {
        let mut numbers = ProcessNumbers::default();
        numbers.take_stat("no brackets", Some(1.0));
        numbers.take_stat("1 (x) S", Some(1.0));
        numbers.take_status("VmRSS: many\n");
        assert_eq!(numbers, ProcessNumbers::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_started_a_moment_ago() {
        let numbers = ProcessNumbers::read();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let started = numbers.start_time_seconds.unwrap();
        assert!(started > now - 3_600.0 && started < now + 60.0, "started at {started}, now {now}");
        assert!(numbers.resident_bytes.unwrap() > 100_000);
        assert!(numbers.open_fds.unwrap() >= 3);
    }
}
