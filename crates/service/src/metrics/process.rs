//! The process as the system sees it, under the names that Prometheus' own client libraries give these figures.
//!
//! Read from `/proc`, which is memory: no disk is waited for. What cannot be read is left out.

use std::fs;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use super::{memory_limit, reading::Reading};

const CPU: &str = "process_cpu_seconds_total";
const RESIDENT: &str = "process_resident_memory_bytes";
const VIRTUAL: &str = "process_virtual_memory_bytes";
const THREADS: &str = "process_threads";
const OPEN_FILES: &str = "process_open_fds";
const MAX_FILES: &str = "process_max_fds";
const STARTED: &str = "process_start_time_seconds";
const MEMORY_LIMIT: &str = "depot_memory_limit_bytes";

/// When the metrics began, which is the first thing that a process does.
static BEGAN: OnceLock<SystemTime> = OnceLock::new();

pub(super) fn begin() {
    BEGAN.get_or_init(SystemTime::now);
}

pub(super) fn read() -> Vec<Reading> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let began = BEGAN
        .get()
        .and_then(|began| began.duration_since(UNIX_EPOCH).ok());
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
    let gauge = |name, help, value: Option<f64>| Some(Reading::gauge(name, help, value?));
    [
        Some(Reading::counter(
            CPU,
            "Time of processors spent, of user and system.",
            cpu,
        )),
        gauge(RESIDENT, "Memory that is resident.", kib(&status, "VmRSS:")),
        gauge(VIRTUAL, "Memory that is mapped.", kib(&status, "VmSize:")),
        gauge(THREADS, "Threads.", number(&status, "Threads:")),
        gauge(OPEN_FILES, "Open file descriptors.", open_files()),
        gauge(
            MAX_FILES,
            "The most file descriptors that may be open.",
            number(&limits, "Max open files"),
        ),
        gauge(
            STARTED,
            "When the process started, since 1970.",
            began.map(|began| began.as_secs_f64()),
        ),
        gauge(
            MEMORY_LIMIT,
            "The memory that the control group may have; absent where it is not limited.",
            memory_limit::read(),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The first word behind a name at the beginning of a line.
fn number(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `status` counts in KiB; in bytes.
fn kib(text: &str, name: &str) -> Option<f64> {
    Some(number(text, name)? * 1024.0)
}

/// Linux 6.2 tells it as the folder's size, older ones tell 0: then they are counted.
fn open_files() -> Option<f64> {
    let told = fs::metadata("/proc/self/fd").ok()?.len();
    if told > 0 {
        return Some(told as f64);
    }
    // Without the one by which they are listed.
    let listed = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(listed.saturating_sub(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_this_process_are_those_of_one_that_runs() {
        begin();
        let readings = read();
        let of = |name: &str| {
            let found = readings.iter().find(|reading| reading.name == name);
            found
                .unwrap_or_else(|| panic!("{name} is missing: {readings:?}"))
                .value
        };
        assert!(of(CPU) > 0.0);
        // A test's program has read itself, at least.
        assert!(of(RESIDENT) > 1e6 && of(VIRTUAL) >= of(RESIDENT));
        assert!(of(THREADS) >= 1.0);
        assert!(of(OPEN_FILES) >= 3.0 && of(OPEN_FILES) <= of(MAX_FILES));
        // 2020.
        assert!(of(STARTED) > 1.577e9);
    }

    #[test]
    fn a_number_is_the_first_word_behind_its_name() {
        let limits = "Limit          Soft Limit  Hard Limit  Units\nMax open files  1024  524288  files\n";
        assert_eq!(number(limits, "Max open files"), Some(1024.0));
        assert_eq!(number(limits, "Max processes"), None);
        assert_eq!(kib("VmRSS:\t    2048 kB\n", "VmRSS:"), Some(2_097_152.0));
        assert_eq!(number("Max open files unlimited", "Max open files"), None);
    }
}
