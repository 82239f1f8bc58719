//! What stays within reach.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What stays within reach of an isolated process. A folder stands for all that is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walls {
    /// Files and folders to read.
    pub read: Vec<PathBuf>,
    /// Files and folders to read and write.
    pub write: Vec<PathBuf>,
    /// Whether there is a network. Then it is the grants of each execution that say which part of it.
    pub network: bool,
}

/// What this program, its libraries and the system's resolver read by themselves. None of it is a secret of anybody's on a usual system, and none
/// can be written.
const SYSTEM: [&str; 34] = [
    // Names and addresses.
    "/etc/resolv.conf",
    "/run/systemd/resolve",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    // Who vouches for servers.
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    // Modules of the resolver are libraries that are loaded when a name is looked up first.
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
    // Time zones, in which logs are shown.
    "/etc/localtime",
    "/usr/share/zoneinfo",
    // How large the machine and this process are.
    "/proc/self",
    "/proc/meminfo",
    "/proc/cpuinfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    "/sys/kernel/mm/transparent_hugepage",
];

/// Devices that give nothing of anybody's.
const DEVICES: [&str; 4] = ["/dev/urandom", "/dev/random", "/dev/zero", "/dev/null"];

impl Walls {
    /// What every host needs, given the folder with its data.
    pub fn around(data: &Path) -> Self {
        let mut read: Vec<PathBuf> = SYSTEM.iter().chain(&DEVICES).map(PathBuf::from).collect();
        // Where somebody keeps certificates elsewhere.
        read.extend(
            ["SSL_CERT_FILE", "SSL_CERT_DIR", "NIX_SSL_CERT_FILE"].into_iter().filter_map(std::env::var_os).map(PathBuf::from),
        );
        Self { read, write: vec![data.to_owned(), "/dev/null".into()], network: false }
    }

    /// Whether a file or folder can be read, or written too.
    pub fn covers(&self, path: &Path, to_write: bool) -> bool {
        let within = |folders: &[PathBuf]| folders.iter().any(|folder| path.starts_with(folder));
        within(&self.write) || (!to_write && within(&self.read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_covered() {
        let walls = Walls { read: vec!["/docs".into(), "/etc/hosts".into()], write: vec!["/data".into()], network: false };
        for (path, read, write) in [
            ("/docs", true, false),
            ("/docs/a/b", true, false),
            ("/data/x", true, true),
            ("/etc/hosts", true, false),
            ("/etc", false, false),
            ("/docs2", false, false),
            ("/", false, false),
        ] {
            assert_eq!((walls.covers(Path::new(path), false), walls.covers(Path::new(path), true)), (read, write), "{path}");
        }
    }

    #[test]
    fn the_system_gives_nothing_that_holds_secrets_and_nothing_to_write() {
        let walls = Walls::around(Path::new("/data"));
        for secret in
            ["/etc/shadow", "/etc/passwd", "/root/.ssh/id_ed25519", "/home/a/.aws/credentials", "/proc/1/environ", "/tmp/x", "/"]
        {
            assert!(!walls.covers(Path::new(secret), false), "{secret}");
        }
        for fixed in ["/usr/lib/x.so", "/etc/ssl/certs/x", "/proc/self/mem", "/sys/fs/cgroup/x"] {
            assert!(!walls.covers(Path::new(fixed), true), "{fixed}");
        }
        assert!(walls.covers(Path::new("/data/kitaru.db"), true));
    }
}
