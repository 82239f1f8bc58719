//! Where things are in the repository, and how its commands are run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::report;

/// The top folder of the repository.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where cargo builds the host.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// Where guests are built.
pub(crate) fn guest_target() -> PathBuf {
    target().join("guests")
}

/// The host, as the last build left it.
pub(crate) fn host_binary() -> PathBuf {
    target().join("debug").join(format!("kitaru-host{}", std::env::consts::EXE_SUFFIX))
}

/// Cargo, in the repository's top folder, with the toolchain that the repository names.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    clean(&mut command);
    command
}

/// Takes away what `cargo run` adds for its child, so that commands run as if typed.
pub(crate) fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST") || text == "LD_LIBRARY_PATH" {
            command.env_remove(&name);
        }
    }
}

/// Runs a command with its output shown.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    report::line(&format!("$ {}", typed(command)));
    let status = command.status().with_context(|| format!("cannot run {}", name(command)))?;
    ensure!(status.success(), "`{}` failed ({status})", typed(command));
    Ok(())
}

/// Runs a command and returns what it printed; standard error is shown.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot run {}", name(command)))?;
    if !output.status.success() {
        bail!("`{}` failed ({})", typed(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` printed what is not UTF-8", typed(command)))
}

fn name(command: &Command) -> String {
    Path::new(command.get_program()).file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned()
}

/// The command as a person would type it.
pub(crate) fn typed(command: &Command) -> String {
    let mut words = vec![name(command)];
    words.extend(command.get_args().map(quoted));
    words.join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
