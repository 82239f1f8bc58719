//! What a run was of, and where: without it no two runs can be compared.

use std::path::Path;

use kitaru_host::clock::{Clock as _, SystemClock};
use kitaru_host::service::long_version;
use serde_json::{Value, json};

use crate::samples::processors;

/// What is told of a run; where the system does not tell something, it is `unknown`.
pub(crate) struct Machine {
    commit: String,
    date: String,
    kernel: String,
    file_system: String,
}

impl Machine {
    /// Of this program, on this machine, with data folders in `disk`.
    pub(crate) fn here(disk: &Path) -> Self {
        let unknown = || "unknown".to_owned();
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let kernel = read("/proc/sys/kernel/osrelease").map(|release| release.trim().to_owned());
        let disk = disk.canonicalize().unwrap_or_else(|_| disk.to_owned());
        Self {
            // Of the host that it was built with, if it was built as releases are.
            commit: commit(long_version()).map_or_else(unknown, str::to_owned),
            date: SystemClock.now().to_rfc3339().chars().take("2026-01-02T03:04".len()).chain("Z".chars()).collect(),
            kernel: kernel.unwrap_or_else(unknown),
            file_system: read("/proc/self/mountinfo")
                .and_then(|mounts| file_system(&mounts, &disk).map(str::to_owned))
                .unwrap_or_else(unknown),
        }
    }

    /// For the first line of the output.
    pub(crate) fn to_json(&self, load: f64) -> Value {
        json!({ "run": {
            "version": env!("CARGO_PKG_VERSION"),
            "commit": self.commit,
            "date": self.date,
            "processors": processors(),
            "kernel": self.kernel,
            "file_system": self.file_system,
            "load": load,
            "sqlite": rusqlite::version(),
            "journal_mode": "wal",
            // Where a figure does not say otherwise.
            "synchronous": "full",
        } })
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let Self { commit, date, kernel, file_system } = self;
        let (version, processors, sqlite) = (env!("CARGO_PKG_VERSION"), processors(), rusqlite::version());
        format!(
            "Version {version}, commit {commit}, {date}. {processors} processors, kernel {kernel}, file system of the disk {file_system}, SQLite {sqlite}."
        )
    }
}

/// The commit that the long version names.
fn commit(version: &str) -> Option<&str> {
    version.lines().find_map(|line| line.strip_prefix("commit ")).map(str::trim)
}

/// The type of the file system that a folder is on, from what Linux says of mounts (`proc_pid_mountinfo(5)`).
fn file_system<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let of_line = |line: &'a str| {
        let (mount, source) = line.split_once(" - ")?;
        let at = Path::new(mount.split(' ').nth(4)?);
        folder.starts_with(at).then_some((at.components().count(), source.split(' ').next()?))
    };
    // Of several at one place, the last one covers the others.
    mounts.lines().filter_map(of_line).max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_that_of_the_nearest_mount() {
        let mounts = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /tmp rw - tmpfs tmpfs rw
31 30 8:2 / /tmp/disk rw - xfs /dev/sdb1 rw
32 30 8:2 / /tmp/disk rw - btrfs /dev/sdb2 rw
";
        let of = |folder: &str| file_system(mounts, Path::new(folder));
        assert_eq!(of("/home/a"), Some("ext4"));
        assert_eq!(of("/tmp/a"), Some("tmpfs"));
        assert_eq!(of("/tmp/disk/a"), Some("btrfs"));
        assert_eq!(of("/tmp/disks"), Some("tmpfs"));
        assert_eq!(file_system("", Path::new("/")), None);
    }

    #[test]
    fn the_commit_is_the_one_that_the_version_names() {
        assert_eq!(commit("0.1.0\ncommit          0123456789ab-dirty\nWIT x"), Some("0123456789ab-dirty"));
        assert_eq!(commit("0.1.0\nWIT x"), None);
    }

    #[test]
    fn all_of_it_is_told_here() {
        let here = Machine::here(&std::env::temp_dir());
        assert_eq!(here.date.len(), "2026-01-02T03:04Z".len(), "{}", here.date);
        #[cfg(target_os = "linux")]
        assert!(here.kernel != "unknown" && here.file_system != "unknown", "{}", here.text());
    }
}
