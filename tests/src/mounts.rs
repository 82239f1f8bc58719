//! Disks that are full or read-only: a mount namespace of the test's own (Linux), which nobody else sees and which ends with its process.

use std::process::{Command, Stdio};

use crate::host::finished;
use crate::{Host, Reply, binary};

impl Host {
    /// Runs a script of bash that may mount over `$KITARU_HOME`. `$KITARU` is the host, the script's arguments are `arguments`.
    pub fn with_mounts(&self, script: &str, arguments: &[&str]) -> Reply {
        std::fs::create_dir_all(self.home()).expect("a data folder to mount over");
        let mut command = self.command(["--version"]);
        let environment: Vec<_> =
            command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
        let mut unshare = Command::new("unshare");
        unshare.args(namespaces()).args(["bash", "-euo", "pipefail", "-c", script, "script"]).args(arguments);
        for (name, value) in environment {
            match value {
                Some(value) => unshare.env(name, value),
                None => unshare.env_remove(name),
            };
        }
        unshare.env("KITARU", binary()).current_dir(self.work());
        unshare.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command = unshare;
        finished(command)
    }
}

/// Root makes a mount namespace just so; anybody else needs a user namespace around it.
fn namespaces() -> &'static [&'static str] {
    const AS_ROOT: &[&str] = &["--mount"];
    const AS_USER: &[&str] = &["--user", "--map-root-user", "--mount"];
    let works = |flags: &&&[&str]| {
        let tried = Command::new("unshare").args(**flags).arg("true").stdout(Stdio::null()).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    [AS_ROOT, AS_USER].iter().find(works).expect("this machine lets a test have mounts of its own (`unshare --mount`)")
}
