//! The supply chain: `deny.toml` held against the dependencies of every workspace, by cargo-deny and cargo-audit.

use std::process::Stdio;

use anyhow::{Result, bail};

use crate::report;
use crate::repository::{cargo, root, run as command};

/// The workspaces whose dependencies are shipped, or are run by those who change the host.
const WORKSPACES: [&str; 5] = [".", "guest-sdk", "examples", "tests/guests", "fuzz"];

/// Runs both tools. Both fetch the database of advisories, from GitHub.
pub(crate) fn run() -> Result<()> {
    let missing: Vec<&str> = ["deny", "audit"].into_iter().filter(|tool| !is_installed(tool)).collect();
    if !missing.is_empty() {
        let install: Vec<String> = missing.iter().map(|tool| format!("cargo install cargo-{tool} --locked")).collect();
        bail!("not installed: {}\nhint: {}", missing.join(", "), install.join(" && "));
    }
    for workspace in WORKSPACES {
        report::step(workspace);
        let manifest = root().join(workspace).join("Cargo.toml");
        // What stands twice in the lockfile is judged in the host's workspace, which `deny.toml` is written for.
        let checks: &[&str] = if workspace == "." {
            &["advisories", "bans", "licenses", "sources"]
        } else {
            &["advisories", "licenses", "sources"]
        };
        let mut deny = cargo();
        deny.arg("deny")
            .arg("--manifest-path")
            .arg(manifest)
            .args(["--locked", "check", "--config"])
            .arg(root().join("deny.toml"));
        command(deny.args(checks))?;
        let lockfile = root().join(workspace).join("Cargo.lock");
        if lockfile.exists() {
            command(cargo().args(["audit", "--deny", "warnings", "--file"]).arg(lockfile))?;
        }
    }
    Ok(())
}

fn is_installed(tool: &str) -> bool {
    let asked = cargo().args([tool, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}
