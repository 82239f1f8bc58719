//! Says by name what a component needs and this host does not have, before anything runs.

use wasmtime::Engine;
use wasmtime::component::Component;

use super::error::ComponentError;

/// The version of the WIT package that this host speaks.
pub(super) const WIT_VERSION: &str = "0.1.0";

/// Interfaces of `kitaru:flow` that a component may import.
const OWN: [&str; 8] = ["types", "calls", "checkpoint", "wait", "flows", "artifacts", "log", "execution"];
/// Interfaces of WASI 0.2 that are linked, by package.
const WASI: [(&str, &[&str]); 6] = [
    (
        "wasi:cli/",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:clocks/", &["monotonic-clock", "wall-clock"]),
    ("wasi:filesystem/", &["types", "preopens"]),
    ("wasi:io/", &["error", "poll", "streams"]),
    ("wasi:random/", &["random", "insecure", "insecure-seed"]),
    ("wasi:sockets/", &["instance-network", "network", "ip-name-lookup", "tcp", "tcp-create-socket", "udp", "udp-create-socket"]),
];

/// The names that a component imports, in order.
pub(super) fn names(engine: &Engine, component: &Component) -> Vec<String> {
    component.component_type().imports(engine).map(|(name, _)| name.to_owned()).collect()
}

/// Checks that the host has all that the component imports, and that the component exports a program.
pub(super) fn check(engine: &Engine, component: &Component) -> Result<(), ComponentError> {
    let unknown: Vec<String> = names(engine, component).into_iter().filter(|name| !is_known(name)).collect();
    if !unknown.is_empty() {
        return Err(ComponentError::UnknownImports { hint: hint(&unknown), imports: unknown });
    }
    let program = format!("kitaru:flow/program@{WIT_VERSION}");
    if component.component_type().exports(engine).any(|(name, _)| name == program) {
        Ok(())
    } else {
        Err(ComponentError::NotAFlow { version: WIT_VERSION })
    }
}

fn is_known(import: &str) -> bool {
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    match name.strip_prefix("kitaru:flow/") {
        Some(interface) => version == WIT_VERSION && OWN.contains(&interface),
        None => {
            let linked = |(package, interfaces): &(&str, &[&str])| {
                name.strip_prefix(package).is_some_and(|interface| interfaces.contains(&interface))
            };
            WASI.iter().any(linked) && version.starts_with("0.2.")
        }
    }
}

fn hint(unknown: &[String]) -> Option<String> {
    let has = |prefix: &str| unknown.iter().any(|name| name.starts_with(prefix));
    if has("kitaru:flow/") {
        return Some(format!(
            "this host speaks kitaru:flow@{WIT_VERSION}; rebuild the component with its SDK, or use a newer host"
        ));
    }
    if has("wasi:http/") {
        return Some("this host has no wasi:http yet; a checkpoint can use sockets where `--allow-net` grants it".into());
    }
    if has("wasi:") {
        return Some("this host links WASI 0.2 (cli, clocks, filesystem, io, random, sockets)".into());
    }
    Some("compose the component with one that exports them (`wac plug`), or remove them".into())
}
