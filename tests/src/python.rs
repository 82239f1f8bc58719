//! Programs in Python that are not ours, each with an environment of its own below `target`, which is made once.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::installed::{installed, must_run};
use crate::repository;

/// A Python that has what a file below `tests/tools` names: the one that this variable says, or that of the environment with this name.
pub fn python(environment: &str, requirements: &str, variable: &str) -> PathBuf {
    if let Some(given) = std::env::var_os(variable) {
        return given.into();
    }
    let file = repository().join("tests/tools").join(requirements);
    let wanted = std::fs::read_to_string(&file).expect("what is to be installed");
    let python_of = |folder: &Path| folder.join("venv").join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let folder = installed(environment, &wanted, |folder| install(&folder.join("venv"), &python_of(folder), &file, variable));
    python_of(&folder)
}

fn install(environment: &Path, python: &Path, requirements: &Path, variable: &str) {
    let mut make = Command::new(if cfg!(windows) { "python" } else { "python3" });
    make.args(["-m", "venv", "--clear"]).arg(environment);
    let mut fill = Command::new(python);
    fill.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements);
    let needs = format!(
        "This needs Python 3.10 with `venv`, and a package index; or say with {variable} where a Python is that has {} installed",
        requirements.display()
    );
    for command in [make, fill] {
        must_run(command, &needs);
    }
}
