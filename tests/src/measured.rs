//! How much memory a host takes.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::{Host, Reply};

/// How long a guest may keep its host busy, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// The most memory that a process has held so far, in MiB; none where the system does not tell.
pub fn peak_of(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? / 1024)
}

impl Host {
    /// Runs a command to its end, and tells the most memory that it held, in MiB. The system keeps the peak, so only what it took in its last
    /// moment can be missed.
    pub fn measured(&self, command: Command) -> (Reply, u64) {
        let (started, mut peak) = (Instant::now(), 0);
        let mut running = self.spawn(command);
        while running.is_alive() {
            peak = peak.max(peak_of(running.id()).unwrap_or_default());
            assert!(started.elapsed() < PATIENCE, "it has not ended after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(3));
        }
        (running.finish(), peak)
    }
}
