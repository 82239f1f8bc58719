//! The extended tier: what takes too long for every change.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::guests::{self, Route};
use crate::report;
use crate::repository::{self, cargo, output, root, run as command};

const COMPONENT_TOOL: &str = "0.21.1";

/// Runs it all.
pub(crate) fn run() -> Result<()> {
    keyring()?;
    translated()?;
    component()
}

/// The platform's keyring as a place for a key. Its code is linted with every change; for these tests the host has to be built once more.
fn keyring() -> Result<()> {
    command(cargo().args(["test", "--package", "kitaru-host", "--lib", "--features", "keyring", "--locked", "secrets::platform"]))
}

/// Protocols by a translator: its dependencies, and the library with it, are built for this alone.
fn translated() -> Result<()> {
    command(cargo().args(["test", "--package", "kitaru-llm", "--lib", "--test", "genai", "--features", "genai", "--locked"]))
}

/// Builds `hello` the third way, as a core module that `cargo component` wraps, and runs the result.
fn component() -> Result<()> {
    let installed = cargo().args(["component", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !installed.is_ok_and(|status| status.success()) {
        report::line(&format!("cargo-component {COMPONENT_TOOL} is not installed; installing it takes some minutes"));
        command(cargo().args(["install", "cargo-component", "--version", COMPONENT_TOOL, "--locked"]))?;
    }
    let route = guests::wasm_target(&["wasm32-wasip2", "wasm32-wasip1"])?;
    let folder = repository::target().join("guests-component");
    // `cargo component` chooses its compiler by toolchain, and on the Debian route that toolchain is linked under this name.
    let mut build = match route {
        Route::Rustup => cargo(),
        Route::Debian => {
            let mut build = Command::new("cargo");
            repository::clean(&mut build);
            build.env_remove("CARGO").env("RUSTUP_TOOLCHAIN", "kitaru-wasm").env("PATH", guests::linkers_first()?);
            build
        }
    };
    build.args(["component", "build", "--release", "--target", "wasm32-wasip1"]);
    command(build.current_dir(root().join("examples/hello")).env("CARGO_TARGET_DIR", &folder))?;
    says_hello(&folder.join("wasm32-wasip1/release/hello.wasm"))
}

fn says_hello(component: &Path) -> Result<()> {
    command(cargo().args(["build", "--package", "kitaru-host", "--locked"]))?;
    let home = tempfile::tempdir()?;
    let mut host = Command::new(repository::host_binary());
    host.arg("run").arg(component).args(["--arg", "name=World", "--output", "json"]).env("KITARU_HOME", home.path());
    report::line(&format!("$ {}", repository::typed(&host)));
    let said = output(&mut host)?;
    let said: Value = serde_json::from_str(&said).with_context(|| format!("not JSON: {said}"))?;
    let result = said.pointer("/item/result").and_then(Value::as_str).unwrap_or_default();
    report::line(result);
    ensure!(result == "Hello, World! Yours durably, Kitaru.", "the component that `cargo component` made returned {said}");
    Ok(())
}
