//! Guests: components compiled from Rust with whichever toolchain can compile to WebAssembly.

use std::env::{join_paths, split_paths};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::repository::{self, output, root, run};

/// The workspaces of guests, and what they are.
const WORKSPACES: [&str; 2] = ["examples", "tests/guests"];

/// Which toolchain compiles guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// rustup's, which has the target.
    Rustup,
    /// Debian's, where rustup cannot fetch the target.
    Debian,
}

/// Makes sure that some toolchain here compiles to `targets`.
pub(crate) fn wasm_target(targets: &[&str]) -> Result<Route> {
    let mut script = Command::new("bash");
    script.arg("scripts/wasm-target.sh").args(targets).current_dir(root());
    repository::clean(&mut script);
    let said = output(&mut script).context("no toolchain here can compile guests")?;
    match said.lines().last().map(str::trim) {
        Some("rustup") => Ok(Route::Rustup),
        Some("debian") => Ok(Route::Debian),
        other => bail!("scripts/wasm-target.sh ended with {other:?} instead of `rustup` or `debian`"),
    }
}

/// Cargo as it builds guests on a route.
pub(crate) fn cargo(route: Route) -> Result<Command> {
    let mut command = match route {
        Route::Rustup => repository::cargo(),
        Route::Debian => {
            let mut command = Command::new("/usr/bin/cargo");
            repository::clean(&mut command);
            command.env("RUSTC", "/usr/bin/rustc").env_remove("RUSTUP_TOOLCHAIN").env("PATH", linkers_first()?);
            command
        }
    };
    command.current_dir(root()).env("CARGO_TARGET_DIR", repository::guest_target());
    Ok(command)
}

/// PATH with the linkers for WebAssembly, which ship inside rustup's toolchain and not in Debian's.
pub(crate) fn linkers_first() -> Result<std::ffi::OsString> {
    let rustc = |arguments: &[&str]| {
        let mut command = Command::new("rustc");
        repository::clean(&mut command);
        output(command.args(arguments).current_dir(root()))
    };
    let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
    let version = rustc(&["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("`rustc -vV` names no host")?;
    let bin = sysroot.join("lib/rustlib").join(host).join("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(join_paths([bin.clone(), bin.join("gcc-ld")].into_iter().chain(split_paths(&path)))?)
}

/// Builds the examples and the fixture guests.
pub(crate) fn build() -> Result<Route> {
    let route = wasm_target(&["wasm32-wasip2"])?;
    for workspace in WORKSPACES {
        let manifest = format!("{workspace}/Cargo.toml");
        let arguments =
            ["build", "--release", "--locked", "--target", "wasm32-wasip2", "--workspace", "--manifest-path", &manifest];
        run(cargo(route)?.args(arguments))?;
    }
    Ok(route)
}
