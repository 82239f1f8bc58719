//! Everything that must hold before a change is taken.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::repository::{self, cargo, run as command};
use crate::{extended, fuzz, guests, report};

/// Workspaces beside the top one. Their lints and unit tests run natively; as guests they are built by `cargo xtask guests`.
const GUEST_WORKSPACES: [&str; 3] = ["guest-sdk", "examples", "tests/guests"];

type Step<'a> = (&'static str, Box<dyn Fn() -> Result<()> + 'a>);

/// Runs all steps in order, and stops at the first that fails.
pub(crate) fn run(all: bool, runner_arguments: &[String]) -> Result<()> {
    let mut steps: Vec<Step<'_>> = vec![
        ("formatting", Box::new(formatting)),
        ("lints of the host", Box::new(host_lints)),
        ("lints of guests", Box::new(guest_lints)),
        ("guests", Box::new(|| guests::build().map(drop))),
        ("a browser for tests of the page", Box::new(browser)),
        ("build", Box::new(build)),
        ("tests", Box::new(|| tests(runner_arguments))),
        ("tests in documentation", Box::new(documentation_tests)),
        ("tests of the guest SDK and the examples", Box::new(guest_tests)),
        ("documentation", Box::new(documentation)),
        ("a short run of the fuzzers", Box::new(fuzz::shortly)),
    ];
    if all {
        steps.push(("extended tier", Box::new(extended::run)));
    }
    let mut done: Vec<(&str, Duration)> = Vec::new();
    for (name, step) in &steps {
        report::step(name);
        let started = Instant::now();
        let result = step();
        if let Err(error) = result {
            report::line("");
            for (name, time) in &done {
                report::line(&format!("  ok      {name} ({})", report::seconds(*time)));
            }
            report::line(&format!("  FAILED  {name} ({})", report::seconds(started.elapsed())));
            let left = steps.len() - done.len() - 1;
            return Err(error.context(format!("the step `{name}` failed; steps not run: {left}")));
        }
        done.push((name, started.elapsed()));
    }
    report::line("");
    for (name, time) in &done {
        report::line(&format!("  ok      {name} ({})", report::seconds(*time)));
    }
    report::line("all steps passed");
    Ok(())
}

/// Cargo in a guest workspace, compiling natively.
fn native(workspace: &str, arguments: &[&str]) -> Command {
    let (verb, rest) = arguments.split_first().unwrap_or((&"help", &[]));
    let mut cargo = cargo();
    cargo.arg(verb).arg("--manifest-path").arg(format!("{workspace}/Cargo.toml")).args(rest);
    cargo.env("CARGO_TARGET_DIR", repository::guest_target());
    cargo
}

fn formatting() -> Result<()> {
    command(cargo().args(["fmt", "--all", "--check"]))?;
    command(&mut native("fuzz", &["fmt", "--check"]))?;
    GUEST_WORKSPACES.iter().try_for_each(|workspace| command(&mut native(workspace, &["fmt", "--all", "--check"])))
}

/// With the features that nothing else here compiles: the platform's keyring, and protocols by a translator. Tests run without them: the first because they
/// are not to ask that of whoever runs them, the second because it would compile half of the dependencies in another way. The extended tier has both.
fn host_lints() -> Result<()> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--features", "kitaru-host/genai,kitaru-host/keyring", "--locked"];
    command(cargo().args(arguments).args(["--", "-D", "warnings"]))
}

fn guest_lints() -> Result<()> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    GUEST_WORKSPACES.iter().try_for_each(|workspace| command(&mut native(workspace, &arguments)))?;
    // The targets that need no host: the others are a line each, and their properties are linted with the host.
    let fuzz = ["clippy", "--manifest-path", "fuzz/Cargo.toml", "--no-default-features", "--bins", "--locked"];
    command(cargo().args(fuzz).args(["--", "-D", "warnings"]))
}

/// The host with its fault points (which the tests' dependency on it switches on) and all tests, in one build with one set of features.
fn build() -> Result<()> {
    command(cargo().args(["build", "--workspace", "--bins", "--tests", "--locked"]))
}

/// Chromium and Node, which Debian has. They are installed before the tests and not by them: tests run beside each other, and apt alone.
fn browser() -> Result<()> {
    let mut script = Command::new("bash");
    repository::clean(&mut script);
    command(script.arg("scripts/browser.sh").current_dir(repository::root()))
}

fn has_nextest() -> bool {
    let asked = cargo().args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn tests(arguments: &[String]) -> Result<()> {
    let mut runner = cargo();
    if has_nextest() {
        runner.args(["nextest", "run", "--workspace", "--locked"]).args(arguments);
    } else {
        report::line("hint: `cargo install cargo-nextest --locked` runs these tests faster, and each in a process of its own");
        runner.args(["test", "--workspace", "--bins", "--lib", "--tests", "--locked"]).args(arguments);
    }
    runner.env("KITARU_HOST_BINARY", repository::host_binary());
    command(&mut runner).context("tests failed; one alone: cargo xtask test -- <part of its name>")
}

fn documentation_tests() -> Result<()> {
    command(cargo().args(["test", "--workspace", "--doc", "--locked"]))
}

fn guest_tests() -> Result<()> {
    for workspace in ["guest-sdk", "examples"] {
        command(&mut native(workspace, &["test", "--workspace", "--locked"]))?;
    }
    Ok(())
}

fn documentation() -> Result<()> {
    let arguments = ["doc", "--workspace", "--no-deps", "--locked"];
    command(cargo().args(arguments).env("RUSTDOCFLAGS", "-D warnings"))?;
    command(native("guest-sdk", &arguments).env("RUSTDOCFLAGS", "-D warnings"))
}
