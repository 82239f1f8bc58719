//! Says by name what a component needs and this host does not have, before anything runs.

use wasmtime::Engine;
use wasmtime::component::Component;

use super::error::ComponentError;

/// A WIT package of this project, as far as a component has to fit it.
pub(super) struct Package {
    name: &'static str,
    /// The version that this host speaks.
    version: &'static str,
    /// Interfaces that a component may import.
    imports: &'static [&'static str],
    /// The interface that it must export.
    export: &'static str,
}

/// Flows.
pub(super) const FLOW: Package = Package {
    name: "kitaru:flow",
    version: "0.1.0",
    imports: &["types", "calls", "checkpoint", "wait", "flows", "artifacts", "log", "llm", "execution", "secrets"],
    export: "program",
};

/// Middleware of model calls.
pub(super) const MIDDLEWARE: Package =
    Package { name: "kitaru:llm-middleware", version: "0.1.0", imports: &["types", "log", "next", "codec"], export: "hooks" };

/// Interfaces of WASI 0.2 that are linked, by package.
const WASI: [(&str, &[&str]); 7] = [
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
    ("wasi:http/", &["types", "outgoing-handler"]),
    ("wasi:io/", &["error", "poll", "streams"]),
    ("wasi:random/", &["random", "insecure", "insecure-seed"]),
    ("wasi:sockets/", &["instance-network", "network", "ip-name-lookup", "tcp", "tcp-create-socket", "udp", "udp-create-socket"]),
];

/// The interfaces of WASI 0.2 that guests are linked with, without their versions.
pub fn wasi_interfaces() -> Vec<String> {
    WASI.iter()
        .flat_map(|(package, interfaces)| interfaces.iter().map(move |interface| format!("{package}{interface}")))
        .collect()
}

/// The names that a component imports, in order.
pub(super) fn names(engine: &Engine, component: &Component) -> Vec<String> {
    component.component_type().imports(engine).map(|(name, _)| name.to_owned()).collect()
}

/// Checks that the host has all that the component imports, and that the component exports what one of `package` does.
pub(super) fn check(engine: &Engine, component: &Component, package: &Package) -> Result<(), ComponentError> {
    let unknown: Vec<String> = names(engine, component).into_iter().filter(|name| !is_known(name, package)).collect();
    if !unknown.is_empty() {
        return Err(ComponentError::UnknownImports { hint: hint(&unknown, package), imports: unknown });
    }
    let Package { name, version, export, .. } = package;
    let exported = format!("{name}/{export}@{version}");
    if component.component_type().exports(engine).any(|(name, _)| name == exported) {
        Ok(())
    } else if *name == FLOW.name {
        Err(ComponentError::NotAFlow { version })
    } else {
        Err(ComponentError::NotMiddleware { version })
    }
}

fn is_known(import: &str, package: &Package) -> bool {
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    match name.strip_prefix(package.name).and_then(|rest| rest.strip_prefix('/')) {
        Some(interface) => version == package.version && package.imports.contains(&interface),
        None => {
            let linked = |(package, interfaces): &(&str, &[&str])| {
                name.strip_prefix(package).is_some_and(|interface| interfaces.contains(&interface))
            };
            WASI.iter().any(linked) && version.starts_with("0.2.")
        }
    }
}

fn hint(unknown: &[String], package: &Package) -> Option<String> {
    let has = |prefix: &str| unknown.iter().any(|name| name.starts_with(prefix));
    let Package { name, version, .. } = package;
    if has(&format!("{name}/")) {
        return Some(format!("this host speaks {name}@{version}; rebuild the component with its SDK, or use a newer host"));
    }
    if has("kitaru:") {
        return Some("flows and middleware are components of their own: neither can use what the other imports".into());
    }
    if has("wasi:http/") {
        return Some("of wasi:http this host has what sends requests (outgoing-handler, types); nothing serves any".into());
    }
    if has("wasi:") {
        return Some("this host links WASI 0.2 (cli, clocks, filesystem, http, io, random, sockets)".into());
    }
    Some("compose the component with one that exports them (`wac plug`), or remove them".into())
}
